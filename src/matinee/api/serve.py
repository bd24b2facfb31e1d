"""Running the core service: uvicorn, one or several worker processes, and a clean stop."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from matinee.api.protocol import Protocol
from matinee.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

# The application is imported where it is made: it takes a second and a half of processor time, which the process
# that only starts workers would spend before the first of them begins.

log = logging.getLogger("matinee.api")
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""More BLAS threads than one slow a loaded server down many times over; workers read this before NumPy loads."""

GRACE = 20
"""Seconds that requests in progress get at a stop."""


def worker() -> FastAPI:
    """The application of one worker process; its settings come through the environment.

    Raises:
        SystemExit: it cannot be made; with this status the other processes end too, instead of trying for ever.
    """
    from matinee.api.app import create_app

    threadpool_limits(1)
    try:
        return create_app(Settings())
    except Exception as error:
        log.exception("A worker process cannot start.")
        raise SystemExit(STARTUP_FAILURE) from error


def as_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give the same settings in a worker process."""
    return {f"MATINEE_{name.upper()}": str(value) for name, value in settings.model_dump().items()}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Make SIGINT and SIGTERM end the server and nothing else.

    uvicorn raises the signal again after its clean stop, which would end the process before the caller's clean-up.
    """
    previous = {sig: signal.signal(sig, lambda *_: None) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sig, handler in previous.items():
            signal.signal(sig, handler)


def config_of(settings: Settings, app: FastAPI | None = None) -> uvicorn.Config:
    """uvicorn's configuration: uvloop where it is installed, no line per request."""
    return uvicorn.Config(
        app if app is not None else "matinee.api.serve:worker",
        factory=app is None,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=Protocol,
        access_log=False,
        server_header=False,
        log_level="info",
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )


def serve(settings: Settings | None = None) -> None:
    """Run the core service until SIGINT or SIGTERM; requests in progress are finished first.

    Several workers open the snapshot's memory-mapped files each, and share them and the store.

    Args:
        settings: `host`, `port` (0: any free one, see the log), `workers`, and everything the application reads.

    Raises:
        SystemExit: the address cannot be bound, or a worker failed at its start.
    """
    settings = settings or Settings()
    with _quiet_signals():
        if settings.workers == 1:
            from matinee.api.app import create_app

            with threadpool_limits(1):
                uvicorn.Server(config_of(settings, create_app(settings))).run()
            return
        shared = tempfile.mkdtemp(prefix="matinee-metrics-")
        try:
            values = as_environment(settings) | ONE_THREAD | {"PROMETHEUS_MULTIPROC_DIR": shared}
            with _environment(values):
                config = config_of(settings)
                supervisor = Multiprocess(config, [config.bind_socket()])
                supervisor.run()
                if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
                    raise SystemExit(STARTUP_FAILURE)
        finally:
            shutil.rmtree(Path(shared), ignore_errors=True)
