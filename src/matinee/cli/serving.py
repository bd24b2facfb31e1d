"""Commands that run: serve, demo, settings."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from matinee.cli.console import (
    INTERRUPTED,
    AsJson,
    Told,
    console,
    load_settings,
    note,
    notes,
    open_engine,
    print_json,
    progress_bar,
    table,
)
from matinee.cli.reading import print_answer
from matinee.cli.training import DataOption
from matinee.errors import InvalidInputError, SnapshotError, UnknownUserError

if TYPE_CHECKING:
    from matinee.api.serve import Service
    from matinee.engine import Engine
    from matinee.settings import Settings

SECRETS = ("tmdb_key",)
"""Settings whose values are not printed."""
HIDDEN = "********"
ServiceName = Literal["core", "vectors", "encoder"]
Host = Annotated[str | None, typer.Option(help="Address to bind to.")]
Port = Annotated[int | None, typer.Option("--port", "-p", min=0, max=65535, help="Port to listen on; 0: any.")]
Workers = Annotated[int | None, typer.Option("--workers", "-w", min=1, max=256, help="Worker processes.")]


def serve(
    service: Annotated[ServiceName, typer.Argument(help="Which service.", show_default=True)] = "core",
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    data: DataOption = None,
) -> None:
    """Serve HTTP: the whole of Matinee (core), or only nearest vectors, or only encoders of texts and images.

    With --data, train first where no snapshot of these data is current.
    """
    from matinee.api.serve import PORTS

    settings = load_settings(host=host, workers=workers, data=data, **{PORTS[service]: port})
    check_port(settings, service)
    if data is not None and service != "encoder" and not has_snapshot(settings):
        in_a_process_of_its_own("train", "--data", data)
    _serve(settings, service)


def demo(
    data: DataOption = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Id of the user to recommend to.")] = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    serve: Annotated[bool, typer.Option(help="Serve afterwards.")] = True,
) -> None:
    """Fetch, train, recommend to one user with reasons, and serve. The second time it starts in seconds."""
    settings = load_settings(host=host, port=port, workers=workers, data=data)
    if serve:
        check_port(settings)
        with own_terminal_group():
            options = [*(("--data", data) if data is not None else ()), *(("--user", user) if user is not None else ())]
            in_a_process_of_its_own("demo", "--no-serve", *options)
            _serve(settings)
        return
    if not (has_snapshot(settings) and opens(settings)):
        note(f"Training on {settings.data} …")
        train_with_progress(settings)
    tell_data(settings)
    # The files' hashes were compared a moment ago.
    with open_engine(settings.model_copy(update={"verify_on_load": "size"})) as engine:
        show_user(engine, user)


def in_a_process_of_its_own(*words: str) -> None:
    """Run another command and return once it is done: a server should not carry the memory that training took.

    Raises:
        typer.Exit: it failed, and has said why.
    """
    sys.stdout.flush()
    asked: list[int] = []
    process = subprocess.Popen([sys.executable, "-m", "matinee", *words])
    before = {sig: signal.signal(sig, lambda sig, _: asked.append(sig)) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        while process.poll() is None:
            heard = bool(asked)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
                break
            # A terminal tells both, and the other has had a second; who told this process alone means both.
            if heard:
                process.terminate()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    if process.returncode < 0 and (screen := notes()).is_terminal:
        screen.show_cursor(True)  # the progress bar could not put it back
    if asked:  # whatever became of it: done a moment before, stopped by the signal, or ended from here
        if process.returncode == INTERRUPTED:
            raise Told(INTERRUPTED)
        raise typer.Exit(128 + asked[0])
    if process.returncode:
        raise typer.Exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


def show_user(engine: Engine, user: str | None) -> None:
    """What a user liked, and ten recommendations with reasons."""
    from matinee.engine import Request

    user_id = user if user is not None else some_user(engine)
    with suppress(UnknownUserError):
        best = sorted(engine.history(user_id), key=lambda rated: -rated.rating)[:5]
        liked = ", ".join(f"{rated.title} ({rated.rating:g})" for rated in best)
        console().print(Text.assemble((f"User {user_id}", "bold"), f" gave most stars to: {liked}"))
    print_answer(engine.recommend(user_id, Request(n=10, explain=True)), f"Ten films for user {user_id}", explain=True)


def some_user(engine: Engine) -> str:
    """User 42, or the first who has rated anything."""
    with suppress(UnknownUserError):
        return "42" if engine.history("42") else ""
    return next((row[0] for row in engine.export_ratings()), "42")


def has_snapshot(settings: Settings) -> bool:
    """Whether a snapshot of the data that the settings name is in service, or was before; says which it is."""
    from matinee.engine.training import snapshot_of

    found = snapshot_of(settings)
    if found is not None:
        note(f"Using the snapshot {found} of {settings.snapshots_dir} (train anew with `matinee train`).")
    return found is not None


def opens(settings: Settings) -> bool:
    """Whether the current snapshot can be served by this version; says why where it cannot."""
    from matinee.engine import Engine

    try:
        with Engine.open(settings.model_copy(update={"verify_on_load": "size"})) as engine:
            for warning in engine.warnings:
                note(warning)
            return not engine.warnings
    except SnapshotError as error:
        note(error.message)
        return False


def tell_data(settings: Settings) -> None:
    """Which data the current snapshot is made from, and what had to be done differently when it was made."""
    from matinee.snapshots import SnapshotShelf

    shelf = SnapshotShelf(settings.snapshots_dir)
    current = shelf.current()
    if current is not None:
        manifest = shelf.show(current)
        people = f"{manifest.n_ratings:,} ratings of {manifest.n_items:,} films by {manifest.n_users:,} users"
        for line in (f"{manifest.dataset}: {people}.", *manifest.report.notes):
            note(line)


def train_with_progress(settings: Settings) -> None:
    """Train and promote, with a progress bar."""
    from matinee.engine.training import train

    with progress_bar() as progress:
        train(settings, progress=progress)


def check_port(settings: Settings, service: Service = "core") -> None:
    """See that the port is free before anything slow is begun.

    Raises:
        InvalidInputError: it is taken, or the address is not this machine's.
    """
    from matinee.api.serve import PORTS, port_of

    port = port_of(settings, service)
    if port == 0:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # as the server does; on Windows it would let two servers share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidInputError(
            f"Cannot listen on {settings.host}:{port}: {error.strerror or error}.",
            f"Stop the program that uses the port, or choose another: --port 9000, "
            f"MATINEE_{PORTS[service].upper()}=9000{', or make demo PORT=9000' if service == 'core' else ''}.",
        ) from error


def _serve(settings: Settings, service: Service = "core") -> None:
    from matinee.api.serve import port_of
    from matinee.api.serve import serve as run

    shown = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0", "::", "::1", "localhost") else settings.host
    if port := port_of(settings, service):
        url = f"http://{shown}:{port}"
        console().print(Text.assemble("Serving ", (url, f"bold link {url}"), f" · try {url}/docs · Ctrl-C stops"))
        sys.stdout.flush()
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is meant to end
        run(settings, service)
    note("Stopped.")


@contextmanager
def own_terminal_group() -> Iterator[None]:
    """Under make on a terminal: be the foreground process group, so that Ctrl-C reaches this program alone.

    make dies of any Ctrl-C that reaches it ("*** Interrupt", exit code 130), however well its recipe ends.
    """
    if os.name != "posix" or not os.environ.get("MAKELEVEL") or not os.isatty(0) or os.getpgrp() == os.getpid():
        yield
        return
    group = os.getpgrp()
    try:
        if os.tcgetpgrp(0) != group:
            yield
            return
    except OSError:
        yield
        return
    old = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # tcsetpgrp from the background would stop us
    stop = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # the shell could not continue a group that it does not know
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        with suppress(OSError):
            os.tcsetpgrp(0, group)
            os.setpgid(0, group)
        signal.signal(signal.SIGTTOU, old)
        signal.signal(signal.SIGTSTP, stop)


def settings(json: AsJson = False) -> None:
    """All settings: value, where it comes from, what it does."""
    from matinee.settings import CLASSIC_NAMES, Settings

    values = load_settings()
    classic = {setting: name for name, setting in CLASSIC_NAMES.items() if os.environ.get(name)}
    config = os.environ.get("MATINEE_CONFIG", "matinee.toml")
    in_file = _names_in(Path(config))
    environment = {name.upper() for name in os.environ}
    rows = []
    for name, field in Settings.model_fields.items():
        variable = f"MATINEE_{name.upper()}"
        elsewhere = classic.get(name) or (config if name in in_file else "default")
        source = variable if variable in environment else elsewhere
        value = getattr(values, name)
        shown = HIDDEN if name in SECRETS and value else value
        rows.append((name, shown, source, variable, field.description or ""))
    if json:
        keys = ("name", "value", "source", "variable", "description")
        print_json({"items": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    cells = [
        [variable, str(value), "" if source == "default" else source, text] for _, value, source, variable, text in rows
    ]
    table("", ["Variable", "Value", "Set by", "Meaning"], cells, whole=("Variable",))


def _names_in(path: Path) -> set[str]:
    import tomllib

    return set(tomllib.loads(path.read_text(encoding="utf-8"))) if path.is_file() else set()
