"""Running a service: uvicorn, one or several worker processes, and a clean stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, get_args

import uvicorn
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from matinee._util.allocator import limit_arenas
from matinee._util.early_hashes import begin as begin_hashes
from matinee._util.file_lock import FileLock
from matinee._util.logs import logging_config
from matinee._util.signals import quiet_signals
from matinee.access import check_start
from matinee.api import forked_workers
from matinee.api.protocol import BoundedHttpProtocol
from matinee.settings import Settings

if TYPE_CHECKING:
    from matinee.api.application import Application

# The application is imported where it is made: it takes a second and a half of processor time, which a
# process that only starts workers would spend before the first of them starts.

log = logging.getLogger("matinee.api")
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""More BLAS threads than one slow a loaded server down many times over; services read this before NumPy loads."""

SWITCH_SECONDS = 0.0005
"""Time after which a thread hands the interpreter's lock to one that waits for it, a tenth of Python's default: a list
asks for it some three hundred times, and waited for threads that write each time."""

Service = Literal["core", "vectors", "encoder", "recommender"]
SERVICES: tuple[Service, ...] = get_args(Service)
PORTS: dict[Service, str] = {
    "core": "port",
    "vectors": "vectors_port",
    "encoder": "encoder_port",
    "recommender": "recommender_port",
}
"""The setting that holds each service's port."""

METRICS, IN_USE = "matinee-metrics-", ".in-use"
"""Beginning of the name of a folder of workers' figures, and the file in it that is locked while it is used."""
GRACE = 20
"""Seconds that requests in progress get at a stop."""


def port_of(settings: Settings, service: Service = "core") -> int:
    """The port that a service listens on; 0: any free one."""
    port: int = getattr(settings, PORTS[service])
    return port


def factory_of(service: Service) -> Callable[[Settings], Application]:
    """What makes the application of a service; imports it."""
    if service == "vectors":
        from matinee.api.vectors.app import create_vectors_app

        return create_vectors_app
    if service == "encoder":
        from matinee.api.encoder.app import create_encoder_app

        return create_encoder_app
    if service == "recommender":
        from matinee.api.recommender.app import create_recommender_app

        return create_recommender_app
    from matinee.api.app import create_app

    return create_app


def create(service: Service, settings: Settings) -> Application:
    """The application of a service."""
    return factory_of(service)(settings)


def hash_early(settings: Settings) -> None:
    """Begin to hash the files of the current snapshot, which is loaded when the application has been imported."""
    if settings.verify_on_load != "full" or forked_workers.has_snapshot():
        return
    root = settings.snapshots_dir
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # whoever loads it tells what is wrong
        folder = root / json.loads((root / "pointer.json").read_text())["current"]
        files = json.loads((folder / "manifest.json").read_text())["files"]
        largest = sorted(files, key=lambda name: files[name]["bytes"], reverse=True)
        paths = [folder / name for name in largest if ".." not in name]
        begin_hashes([path for path in paths if path.is_file() and folder in path.parents])


def _for_this_process(service: Service, settings: Settings) -> Application:
    """The application of a service that is all that this process does."""
    sys.setswitchinterval(SWITCH_SECONDS)
    if service != "encoder":
        hash_early(settings)
    app = create(service, settings)
    app.service.has_process = True
    return app


def worker() -> Application:
    """The application of one worker process of the core service, see `_worker`."""
    return _worker("core")


def vectors_worker() -> Application:
    """The application of one worker process of the vector service."""
    return _worker("vectors")


def encoder_worker() -> Application:
    """The application of one worker process of the encoder service."""
    return _worker("encoder")


def recommender_worker() -> Application:
    """The application of one worker process of the recommender service."""
    return _worker("recommender")


def _worker(service: Service) -> Application:
    """The application of one worker process; its settings come through the environment.

    Raises:
        SystemExit: it cannot be made; with this status the other processes end too, instead of being restarted forever.
    """
    threadpool_limits(1)
    limit_arenas()
    try:
        return _for_this_process(service, Settings())
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


def config_of(settings: Settings, app: Application | None = None, service: Service = "core") -> uvicorn.Config:
    """uvicorn's configuration: uvloop where it is installed, no line per request."""
    factory = "worker" if service == "core" else f"{service}_worker"
    return uvicorn.Config(
        app if app is not None else f"matinee.api.serve:{factory}",
        factory=app is None,
        host=settings.host,
        port=port_of(settings, service),
        workers=settings.workers,
        http=BoundedHttpProtocol,
        access_log=False,
        server_header=False,
        log_config=logging_config(settings.log_format, settings.log_level, f"matinee-{service}"),
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE,
    )


def serve(settings: Settings | None = None, service: Service = "core") -> None:
    """Run a service until SIGINT or SIGTERM; requests in progress are finished first.

    Several workers share the snapshot and the store; on Linux they also share what is made of the snapshot, and code
    (see `forked_workers`).

    Args:
        settings: `host`, the service's port (0: any free one, see the log), `workers`, and everything the
            application reads.
        service: which one.

    Raises:
        InvalidInputError: other machines could ask it, and there is no API key (see `access.check_start`).
        SystemExit: the address cannot be bound, or a worker failed at its start.
    """
    settings = settings or Settings()
    check_start(settings)
    with quiet_signals():
        if settings.workers == 1:
            limit_arenas()
            # The variables for the libraries that the application loads, the call for those that are loaded.
            with _environment(ONE_THREAD), threadpool_limits(1):
                uvicorn.Server(config_of(settings, _for_this_process(service, settings), service)).run()
            return
        _remove_metrics_of_the_dead()
        shared = tempfile.mkdtemp(prefix=METRICS)
        in_use = FileLock(Path(shared) / IN_USE)
        in_use.acquire(monotonic())
        try:
            values = as_environment(settings) | ONE_THREAD | {"PROMETHEUS_MULTIPROC_DIR": shared}
            with _environment(values):
                config = config_of(settings, service=service)
                if forked_workers.AVAILABLE:
                    forked_workers.run(config, service)
                else:
                    forked_workers.supervise(Multiprocess(config, [config.bind_socket()]))
        finally:
            shutil.rmtree(Path(shared), ignore_errors=True)
            in_use.close()


def _remove_metrics_of_the_dead() -> None:
    """Delete the folders of metrics that killed services have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{METRICS}*"):
        with suppress(OSError):  # another user's, or it has just been deleted
            if not (folder / IN_USE).exists():
                continue
            lock = FileLock(folder / IN_USE)
            if lock.acquire(monotonic()):
                shutil.rmtree(folder, ignore_errors=True)
            lock.close()
