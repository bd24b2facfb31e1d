"""Running the web app."""

from __future__ import annotations

import os
from contextlib import suppress

import uvicorn

from matinee.settings import Settings

GRACE = 5
"""Seconds that answers in progress get at a stop; browsers keep an event stream open for ever."""


def serve(settings: Settings | None = None) -> None:
    """Serve the web app on `host`:`web_port` until SIGINT or SIGTERM."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from matinee.web.app import create_app

    settings = settings or Settings()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.web_port,
        access_log=False,
        server_header=False,
        log_level="info",
        timeout_graceful_shutdown=GRACE,
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run()
