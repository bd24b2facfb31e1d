"""Commands that run the two user interfaces: web and studio."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matinee.cli.addresses import Host, Insecure, Port, announce, check_address, free_port
from matinee.cli.console import load_settings, note
from matinee.cli.processes import end_with_stdin
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.settings import Settings

App = Literal["web", "studio"]
NEEDED: dict[App, str] = {"web": "gradio", "studio": "streamlit"}
"""The package that each application needs, from its extra."""
NAMES: dict[App, str] = {"web": "Matinee", "studio": "Matinee studio"}

CoreUrl = Annotated[
    str | None, typer.Option("--core-url", metavar="URL", help="Core service to ask. Default: this machine's.")
]


def installed(app: App) -> bool:
    """Whether the extra of an application is installed."""
    return find_spec(NEEDED[app]) is not None


def need(app: App) -> None:
    """Check that an application is installed.

    Raises:
        InvalidInputError: its extra is not installed.
    """
    if not installed(app):
        raise InvalidInputError(
            f"The {'web app' if app == 'web' else 'studio'} is not installed.",
            f'Install it: pip install "matinee[{app}]", or make {"demo" if app == "web" else "studio"}.',
        )


def web(
    host: Host = None,
    port: Port = None,
    core_url: CoreUrl = None,
    insecure: Insecure = None,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
) -> None:
    """Serve the web app, for those who watch films; it asks a core service (`matinee serve`)."""
    if beside:  # started by `matinee demo`, which prints the URL
        from matinee.web.serve import serve

        end_with_stdin()
        serve(load_settings(host=host, web_port=port, core_url=core_url, insecure=insecure), quiet=True)
        return
    run("web", load_settings(host=host, web_port=port, core_url=core_url, insecure=insecure))


def studio(host: Host = None, port: Port = None, core_url: CoreUrl = None, insecure: Insecure = None) -> None:
    """Serve the studio, for those who build recommenders; it asks a core service (`matinee serve`)."""
    run("studio", load_settings(host=host, studio_port=port, core_url=core_url, insecure=insecure))


def run(app: App, settings: Settings) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Raises:
        InvalidInputError: it is not installed, its port is in use, the core's URL is not valid, or other
            machines would reach it without signing in.
    """
    from matinee.access.sign_in import check_app_start
    from matinee.remote.connection import is_address

    need(app)
    check_app_start(settings, "The web app" if app == "web" else "The studio")
    if settings.core_url and not is_address(settings.core_url):
        raise InvalidInputError(
            f"{settings.core_url!r} is not a valid address of a core service.", "Write it like http://localhost:8000."
        )
    port = settings.web_port if app == "web" else settings.studio_port
    check_address(settings.host, port, f"--port 9000, MATINEE_{app.upper()}_PORT=9000")
    if not port:  # choose one now, so that it can be printed
        port = free_port(settings.host)
        settings = settings.model_copy(update={f"{app}_port": port})
    core = settings.core_url or f"http://localhost:{settings.port}"
    announce(settings.host, port, f"{NAMES[app]} over the core service {core} · Ctrl-C stops")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is meant to end
        if app == "web":
            from matinee.web.serve import serve as serve_web

            serve_web(settings)
        else:
            from matinee.studio.serve import serve as serve_studio

            serve_studio(settings)
    note("Stopped.")
