"""The command up: several services in one container or on one machine, under one supervisor."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.addresses import Host, Insecure, check_address, reached_at
from matinee.cli.console import load_settings, note
from matinee.cli.processes import ChildProcess, in_a_process_of_its_own
from matinee.cli.servers import has_snapshot
from matinee.cli.training import DataOption
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.settings import Settings


class Role(StrEnum):
    """A service that can be started. The value is its name on the command line."""

    CORE = "core"
    RECOMMENDER = "recommender"
    ENCODER = "encoder"
    VECTORS = "vectors"
    WEB = "web"
    STUDIO = "studio"


PORTS = {
    Role.CORE: "port",
    Role.RECOMMENDER: "recommender_port",
    Role.ENCODER: "encoder_port",
    Role.VECTORS: "vectors_port",
    Role.WEB: "web_port",
    Role.STUDIO: "studio_port",
}
"""The setting that holds each service's port."""
URLS = {
    Role.CORE: "core_url",
    Role.RECOMMENDER: "recommender_url",
    Role.ENCODER: "encoder_url",
    Role.VECTORS: "vectors_url",
}
"""The setting by which other services find one, if they can ask it."""
APPS = (Role.WEB, Role.STUDIO)
"""What has a command of its own and is not started by `matinee serve`."""
READY = {Role.WEB: "/health", Role.STUDIO: "/_stcore/health"}
"""Paths that answer 200 as soon as a service can be used, where that is not /ready."""

DEFAULT = [Role.VECTORS, Role.CORE, Role.WEB]
STOPPED_BY = (signal.SIGTERM, signal.SIGINT)
POLL = 0.1
"""Seconds between two looks at the services."""


class _StopError(Exception):
    """SIGTERM or SIGINT was received."""


def up(
    services: Annotated[
        list[Role] | None,
        typer.Argument(help=f"Services in the order of their start. Default: {' '.join(DEFAULT)}.", show_default=False),
    ] = None,
    host: Host = None,
    data: DataOption = None,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How long a service may take until it is ready.")
    ] = 600,
    insecure: Insecure = None,
) -> None:
    """Run several services: each starts when the one before is ready, and all end together.

    A service that ends by itself ends the others, and the exit code is not 0. With --data, train first where no
    snapshot of these data is current.
    """
    from matinee.access import check_start

    settings = load_settings(host=host, data=data, insecure=insecure)
    check_start(settings, "A service")
    names = _checked(settings, services or DEFAULT)
    if data is not None and not has_snapshot(settings):
        in_a_process_of_its_own("train", "--data", data)
    with _wired(settings, names), _signals():
        raise typer.Exit(_supervise(settings, names, patience))


def _checked(settings: Settings, names: list[Role]) -> list[Role]:
    """The services, each once, if all their ports are free and differ.

    Raises:
        InvalidInputError: a service is named twice, two want one port, or a port is in use.
    """
    if len(set(names)) < len(names):
        raise InvalidInputError("A service is named twice.", f"Name each once: {' '.join(dict.fromkeys(names))}.")
    of: dict[int, Role] = {}
    for name in names:
        port, variable = getattr(settings, PORTS[name]), f"MATINEE_{PORTS[name].upper()}"
        if not port:
            raise InvalidInputError(f"{variable} is 0: the other services could not find it.", "Choose a port.")
        if port in of:
            raise InvalidInputError(f"{of[port]} and {name} cannot both listen on port {port}.", f"Set {variable}.")
        of[port] = name
        check_address(settings.host, port, f"{variable}=9000")
    return names


@contextmanager
def _wired(settings: Settings, names: list[Role]) -> Iterator[None]:
    """The environment of services that find each other: those named here are asked, unless a setting says otherwise."""
    given = {
        f"MATINEE_{URLS[name].upper()}": reached_at(settings.host, getattr(settings, PORTS[name]))
        for name in names
        if name in URLS and not getattr(settings, URLS[name])
    }
    os.environ.update(given)
    try:
        yield
    finally:
        for variable in given:
            os.environ.pop(variable, None)


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGINT raise `_StopError`, once; later ones are ignored, because the end is under way."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        for sig in STOPPED_BY:
            signal.signal(sig, signal.SIG_IGN)
        raise _StopError

    before = {sig: signal.signal(sig, stop) for sig in STOPPED_BY}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _supervise(settings: Settings, names: list[Role], patience: float) -> int:
    """Start the services, watch them, and stop them. Returns the exit code."""
    running: dict[Role, ChildProcess] = {}
    try:
        for name in names:
            words = (name,) if name in APPS else ("serve", name)
            port = getattr(settings, PORTS[name])
            running[name] = ChildProcess(
                *words, "--host", settings.host, "--port", str(port), insecure=settings.insecure
            )
            if not _wait_until_ready(settings, name, running, patience):
                return 1
            note(f"{name} is ready.")
        while _all_live(running):
            time.sleep(POLL)
        return 1
    except _StopError:
        return 0
    finally:
        for name in reversed(running):
            running[name].stop()
        note("Stopped.")
        sys.stderr.flush()


def _all_live(running: dict[Role, ChildProcess]) -> bool:
    """Whether no service has ended. Prints a note if one has."""
    for name, process in running.items():
        if not process.is_running:
            note(f"{name} has ended (exit code {process.wait()}): the others are stopped as well.")
            return False
    return True


def _wait_until_ready(settings: Settings, name: Role, running: dict[Role, ChildProcess], patience: float) -> bool:
    """Wait for a service. Prints a note if it takes too long, or if one of the services ends."""
    import httpx

    from matinee._util.bounded_http import ask, bounded

    root = settings.studio_root if name == "studio" else ""
    url = reached_at(settings.host, getattr(settings, PORTS[name])) + root + READY.get(name, "/ready")
    end = time.monotonic() + patience
    answer = ""
    with bounded(httpx.Client(timeout=5, trust_env=False)) as http:
        while _all_live(running):
            with suppress(httpx.HTTPError):
                response = ask(http, "GET", url, seconds=5)
                if response.is_success:
                    return True
                answer = f" It answers: {response.text[:500]}"
            if time.monotonic() > end:
                note(f"{name} was not ready within {patience:g} seconds: all are stopped.{answer}")
                return False
            time.sleep(POLL)
    return False
