"""Running the web app."""

from __future__ import annotations

import os
import tempfile

import uvicorn

from matinee._util.logs import logging_config
from matinee._util.signals import quiet_signals
from matinee.settings import Settings
from matinee.web.gradio_stubs import without_stubs

GRACE = 2
"""Seconds that requests in progress get at shutdown. Browsers keep an event stream open forever."""


def serve(settings: Settings | None = None, *, quiet: bool = False) -> None:
    """Serve the web app on `host`:`web_port` until SIGINT or SIGTERM.

    Args:
        quiet: log warnings only.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    with tempfile.TemporaryDirectory(prefix="matinee-web-", ignore_cleanup_errors=True) as uploads:
        os.environ.setdefault("GRADIO_TEMP_DIR", uploads)
        _serve(settings or Settings(), quiet)


def _serve(settings: Settings, quiet: bool) -> None:
    without_stubs()
    from matinee.web.app import create_app

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.web_port,
        access_log=False,
        server_header=False,
        log_config=logging_config(settings.log_format, "warning" if quiet else settings.log_level, "matinee-web"),
        timeout_graceful_shutdown=GRACE,
    )
    with quiet_signals():
        uvicorn.Server(config).run()
