"""The demo: one command from the data to the web app."""

from __future__ import annotations

import os
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from matinee.cli import apps, servers
from matinee.cli.addresses import Host, Insecure, Port, announce, check_address, free_port, reached_at, url_of
from matinee.cli.console import console, load_settings, note, open_engine, progress_bar
from matinee.cli.processes import ChildProcess, in_a_process_of_its_own, own_terminal_group
from matinee.cli.queries import print_answer
from matinee.cli.training import DataOption
from matinee.errors import InvalidInputError, SnapshotError, UnknownUserError

if TYPE_CHECKING:
    from matinee.engine import Engine
    from matinee.settings import Settings

WebPort = Annotated[int | None, typer.Option("--web-port", min=0, max=65535, help="Port of the web app; 0: any.")]
OpenBrowser = Annotated[
    bool, typer.Option("--open/--no-open", help="Open the web app in a browser, where there is a screen.")
]


def demo(
    data: DataOption = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Id of the user to recommend to.")] = None,
    host: Host = None,
    port: Port = None,
    web_port: WebPort = None,
    workers: servers.Workers = None,
    serve: Annotated[bool, typer.Option(help="Serve afterwards.")] = True,
    web: Annotated[bool, typer.Option(help="Serve the web app as well.")] = True,
    open_browser: OpenBrowser = True,
    quick: Annotated[bool, typer.Option("--quick", help="With --no-serve: train three models only.")] = False,
    insecure: Insecure = None,
) -> None:
    """Fetch, train, recommend to one user with reasons, and serve. The second time it starts in seconds.

    It serves as soon as the first models are trained; the others follow in the background, and take over by themselves.
    """
    settings = load_settings(host=host, port=port, web_port=web_port, workers=workers, data=data, insecure=insecure)
    if not serve:
        train_and_recommend(settings, user, quick=quick)
        return
    servers.check_port(settings)
    with_web = web and apps.installed("web")
    if with_web:
        from matinee.access.sign_in import check_app_start

        check_app_start(settings, "The web app")
        settings = with_ports(settings)
        check_address(
            settings.host, settings.web_port, "--web-port 9001, MATINEE_WEB_PORT=9001, make demo WEB_PORT=9001"
        )
    with own_terminal_group():
        options = [*(("--data", data) if data is not None else ()), *(("--user", user) if user is not None else ())]
        in_a_process_of_its_own("demo", "--no-serve", "--quick", *options)
        with training_beside(settings):
            if with_web:
                with web_app(settings, open_browser):
                    servers.run_service(settings)
                return
            if web:
                note('The web app is not installed: pip install "matinee[web]" adds it.')
            servers.run_service(settings)


def with_ports(settings: Settings) -> Settings:
    """Settings with both ports chosen, because the web app needs the core's port.

    Raises:
        InvalidInputError: both ports are equal.
    """
    if settings.port and settings.port == settings.web_port:
        raise InvalidInputError(
            f"The core service and the web app cannot both listen on port {settings.port}.", "Change --web-port."
        )
    port = settings.port or free_port(settings.host)
    return settings.model_copy(update={"port": port, "web_port": settings.web_port or free_port(settings.host)})


@contextmanager
def web_app(settings: Settings, browse: bool) -> Iterator[None]:
    """Run the web app in a child process. Prints its URL when it is ready, and a note if it exits early."""
    core = reached_at(settings.host, settings.port)
    arguments = ("--host", settings.host, "--port", str(settings.web_port), "--core-url", core)
    app = ChildProcess("web", *arguments, "--beside", insecure=settings.insecure)

    def watch() -> None:
        if answer(app, f"{reached_at(settings.host, settings.web_port)}/health", f"{core}/ready"):
            announce(settings.host, settings.web_port, "Ctrl-C stops", "Open")
            if browse and has_screen():
                webbrowser.open(url_of(settings.host, settings.web_port))
        code = app.wait()
        if not app.is_stopping.is_set():
            note(f"The web app has ended (exit code {code}); `matinee web` starts it again. The core service goes on.")

    with watched(app, watch):
        yield


@contextmanager
def watched(process: ChildProcess, watch: Callable[[], None]) -> Iterator[None]:
    """Follow a child process in a thread, and stop it at the end."""
    watcher = threading.Thread(target=watch, name="watch a child process", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        process.stop()
        watcher.join(1)


@contextmanager
def training_beside(settings: Settings) -> Iterator[None]:
    """Train all models in a child process while the first ones are served, if only these are there.

    The servers take the new snapshot up by themselves. Where training fails, what is served stays.
    """
    if not only_quick(settings):
        yield
        return
    log = settings.data_dir / "training.log"
    with log.open("wb") as output:
        training = ChildProcess("train", "--data", settings.data, "--beside", output=output, nice=10)
    note("The other models are trained in the background; their lists take over in a minute or so.")

    def watch() -> None:
        code = training.wait()
        if code == 0:
            log.unlink(missing_ok=True)
            note("All models are trained: lists are made by them from now on.")
        elif not training.is_stopping.is_set():
            note(f"Training the other models has failed (see {log}); the first ones are served. Try `matinee train`.")

    with watched(training, watch):
        yield


def only_quick(settings: Settings) -> bool:
    """Whether the current snapshot holds the first models only."""
    from matinee.snapshots import SnapshotRegistry

    registry = SnapshotRegistry(settings.snapshots_dir)
    current = registry.current()
    return current is not None and bool(registry.show(current).settings.get("quick"))


def answer(app: ChildProcess, *addresses: str) -> bool:
    """Wait until all addresses answer with success; False if the app exits before."""
    import httpx

    from matinee._util.bounded_http import ask, bounded

    with bounded(httpx.Client(timeout=2, trust_env=False)) as http:
        for address in addresses:
            while True:
                if not app.is_running or app.is_stopping.is_set():
                    return False
                with suppress(httpx.HTTPError):
                    if ask(http, "GET", address, seconds=5).is_success:
                        break
                time.sleep(0.1)
    return True


def has_screen() -> bool:
    """Whether this probably is an interactive session with a display."""
    if os.environ.get("CI") or os.environ.get("SSH_CONNECTION") or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def train_and_recommend(settings: Settings, user: str | None, *, quick: bool = False) -> None:
    """Train if necessary, and recommend to one user."""
    if not (servers.has_snapshot(settings) and opens(settings)) or (not quick and only_quick(settings)):
        from matinee.training.pipeline import train

        note(f"Training on {settings.data} …")
        with progress_bar() as progress:
            train(settings, quick=quick, progress=progress)
    print_data(settings)
    # The hashes were just verified.
    with open_engine(settings.model_copy(update={"verify_on_load": "size"})) as engine:
        show_user(engine, user)


def show_user(engine: Engine, user: str | None) -> None:
    """Print what a user liked, and ten recommendations with reasons."""
    from matinee.engine import Request

    user_id = user if user is not None else some_user(engine)
    with suppress(UnknownUserError):
        best = sorted(engine.history(user_id), key=lambda rated: -rated.rating)[:5]
        liked = ", ".join(f"{rated.title} ({rated.rating:g})" for rated in best)
        console().print(Text.assemble((f"User {user_id}", "bold"), f" gave most stars to: {liked}"))
    print_answer(engine.recommend(user_id, Request(n=10, explain=True)), f"Ten films for user {user_id}", explain=True)


def some_user(engine: Engine) -> str:
    """User 42 if it has ratings, else the first user with ratings."""
    with suppress(UnknownUserError):
        return "42" if engine.history("42") else ""
    return next((row[0] for row in engine.export_ratings()), "42")


def opens(settings: Settings) -> bool:
    """Whether the current snapshot can be served by this version. Prints the reason if not."""
    from matinee.engine import Engine

    try:
        with Engine.open(settings.model_copy(update={"verify_on_load": "size"})) as engine:
            for warning in engine.warnings:
                note(warning)
            return not engine.warnings
    except SnapshotError as error:
        note(error.message)
        return False


def print_data(settings: Settings) -> None:
    """Print the data of the current snapshot and the notes of its training."""
    from matinee.snapshots import SnapshotRegistry

    registry = SnapshotRegistry(settings.snapshots_dir)
    current = registry.current()
    if current is not None:
        manifest = registry.show(current)
        people = f"{manifest.n_ratings:,} ratings of {manifest.n_items:,} films by {manifest.n_users:,} users"
        for line in (f"{manifest.dataset}: {people}.", *manifest.report.notes):
            note(line)
