"""Workers that are forked from a process that has imported the application and loaded the current snapshot.

What is immutable is in memory once: code, the snapshot's arrays, what lists are made of. The process that forks is
one of its own, begun afresh: it opens no store and no connection, and no thread of it lives when it forks. It is
uvicorn's supervisor in all else. Linux only: elsewhere libraries of the system do not bear a fork.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing import resource_tracker
from pathlib import Path
from socket import socket
from types import ModuleType
from typing import TYPE_CHECKING, Any

import uvicorn
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from uvicorn._subprocess import get_subprocess, subprocess_started
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess, multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS

from matinee._util.allocator import limit_arenas
from matinee.errors import MatineeError
from matinee.settings import Settings

if sys.platform == "win32":
    from multiprocessing import Process as ForkProcess
else:
    from multiprocessing.context import ForkProcess

if TYPE_CHECKING:
    from matinee.api.serve import Service

log = logging.getLogger("matinee.api")
AVAILABLE = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
"""Option of Linux's `prctl`: a signal that this process gets when its parent dies."""
STOPS = signal.SIGINT, signal.SIGTERM
_processes: Any = multiprocess
"""Where uvicorn's supervisor takes new processes from: the function `get_subprocess` in it."""


def run(config: uvicorn.Config, service: Service) -> None:
    """Run workers until SIGINT or SIGTERM, which are passed on to the process that looks after them, as others are.

    Args:
        config: its application is given as text; the environment holds the settings.

    Raises:
        SystemExit: a worker failed at its start, or that process has died.
    """
    supervisor = get_subprocess(config, _Supervise(config, service), [config.bind_socket()])
    resource_tracker.ensure_running()  # which unblocks signals
    # Blocked until it has handlers of its own: none is lost, none ends it half way.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        handlers = {sig: signal.signal(sig, lambda sig, _: _send(supervisor.pid, sig)) for sig in SIGNALS}
        supervisor.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    supervisor.join()
    for sig, handler in handlers.items():
        signal.signal(sig, handler or signal.SIG_DFL)
    if supervisor.exitcode:
        if supervisor.exitcode < 0:
            log.error("The process that looks after the workers was ended by signal %d.", -supervisor.exitcode)
        raise SystemExit(max(supervisor.exitcode, 1))


def _send(pid: int | None, sig: int) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, sig)


class _Supervise:
    """What the process that forks does.

    Raises:
        SystemExit: a worker failed at its start.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        self.config, self.service = config, service

    def __call__(self, sockets: list[socket]) -> None:
        supervisor = ForkingSupervisor(self.config, sockets, self.service)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        supervise(supervisor)


def supervise(supervisor: Multiprocess) -> None:
    """Run workers until the end is asked for.

    Raises:
        SystemExit: a worker failed at its start.
    """
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise SystemExit(STARTUP_FAILURE)


class ForkingSupervisor(Multiprocess):
    """uvicorn's supervisor, with workers that are forked. Main thread of a process that does nothing else."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], service: Service) -> None:
        super().__init__(config, sockets)
        self._service = service
        self._stamp: object = None
        self._prepared: ModuleType | None = None

    def run(self) -> None:
        """See `Multiprocess`; loads first what the workers share."""
        self._prepare()
        super().run()

    def init_processes(self) -> None:
        """Start the workers, unless the end was asked for meanwhile."""
        if self.signal_queue and not {*self.signal_queue}.isdisjoint(STOPS):
            self.should_exit.set()
        else:
            super().init_processes()

    def handle_hup(self) -> None:
        """Replace the workers one after another, by ones that share the snapshot that is current now."""
        self._prepare()
        super().handle_hup()

    def keep_subprocess_alive(self) -> None:
        """Look after the workers; hold no snapshot that is not current; end where who started this has died."""
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            log.error("The process that started this one has died.")
            self.should_exit.set()
        self._follow()
        super().keep_subprocess_alive()

    def _prepare(self) -> None:
        """Import the application and load the current snapshot; then workers are forked, else started afresh."""
        try:
            self._prepared = _prepare(self._service, Settings())
            self.config.get_loop_factory()  # imports uvloop
        except Exception:
            log.debug("What the workers share cannot be loaded; they say why.", exc_info=True)
        alone = _threads() == 1
        _processes.get_subprocess = _forked if alone else get_subprocess
        if not alone:
            log.warning("There are threads that forked workers would lack; workers are started afresh.")

    def _follow(self) -> None:
        """Let go of a snapshot that is not current any more."""
        held = None if self._prepared is None else self._prepared.held()
        if self._prepared is None or held is None:
            return
        registry, current = held
        stamp = registry.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            with suppress(MatineeError):  # the pointer is damaged: what is held stays
                if registry.current() != current:
                    self._prepared.drop()


def _prepare(service: Service, settings: Settings) -> ModuleType | None:
    """Import the application of a service, load the snapshot where it needs one, and return what holds it."""
    serve = import_module("matinee.api.serve")  # whose package has a function of the same name
    threadpool_limits(1)
    limit_arenas()
    if service == "encoder":
        serve.factory_of(service)
        gc.collect()
        gc.freeze()
        return None
    serve.hash_early(settings)
    serve.factory_of(service)
    from matinee.engine import prepared

    prepared.hold(settings, lists=service == "recommender" or (service == "core" and not settings.recommender_url))
    return prepared


def has_snapshot() -> bool:
    """Whether this process is a worker that was forked from one that had loaded a snapshot."""
    if not isinstance(multiprocessing.current_process(), _Forked):
        return False
    from matinee.engine import prepared

    return prepared.held() is not None


def _threads() -> int:
    """Threads of this process, those of libraries included (Linux)."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


class _Forked(ForkProcess):
    """A worker, with the signals that any new process has."""

    def start(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def run(self) -> None:
        for sig in SIGNALS:
            signal.signal(sig, signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        super().run()


def _forked(config: uvicorn.Config, target: Callable[..., None], sockets: list[socket]) -> Any:
    """As `get_subprocess` of uvicorn, by a fork."""
    try:
        stdin = sys.stdin.fileno()
    except (AttributeError, OSError):
        stdin = None
    given = {"config": config, "target": target, "sockets": sockets, "stdin_fileno": stdin}
    return _Forked(target=subprocess_started, kwargs=given)
