"""Running the studio."""

from __future__ import annotations

import os
from pathlib import Path

from matinee._util.trusted_hosts import TrustedHosts
from matinee.access.sign_in import check_app_start
from matinee.client import core_url
from matinee.settings import Settings
from matinee.studio.style import OPTIONS

APP = Path(__file__).with_name("app.py")


def refuse_unreadable_origins() -> None:
    """Make Streamlit refuse a connection whose `Origin` is no address; by itself it fails on it (500)."""
    from streamlit.web.server.starlette import starlette_websocket

    allowed = starlette_websocket._is_origin_allowed

    def is_allowed(origin: str | None, host: str | None) -> bool:
        try:
            return allowed(origin, host)
        except ValueError:
            return False

    starlette_websocket._is_origin_allowed = is_allowed


def serve(settings: Settings | None = None) -> None:
    """Serve the studio on `host`:`studio_port` until SIGINT or SIGTERM.

    Raises:
        InvalidInputError: other machines would reach it, and nobody has to sign in.
    """
    settings = settings or Settings()
    check_app_start(settings, "The studio")
    # Import these now, because two first visitors in two threads could see a partially imported pandas.
    import pandas  # noqa: F401
    import plotly.graph_objects  # noqa: F401
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web import bootstrap

    refuse_unreadable_origins()
    os.environ["MATINEE_CORE_URL"] = core_url(settings)  # read by the pages
    if settings.web_password:
        os.environ["MATINEE_WEB_PASSWORD"] = settings.web_password
    options = OPTIONS | {
        "server.address": settings.host,
        "server.port": settings.studio_port,
        "server.allowedHosts": TrustedHosts(settings.host, settings.hosts).patterns(),
        "server.baseUrlPath": settings.studio_root.strip("/"),
    }
    flags = {name.replace(".", "_"): value for name, value in options.items()}
    PagesManager.uses_pages_directory = False  # `pages` contains modules, not scripts
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)
