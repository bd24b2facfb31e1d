"""Running the web app, with a faster import of Gradio."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

import uvicorn

from matinee._util.logs import logging_config
from matinee._util.signals import quiet_signals
from matinee.access.sign_in import check_app_start
from matinee.settings import Settings

GRACE = 2
"""Seconds that requests in progress get at shutdown. Browsers keep an event stream open forever."""
STUB_MODULE = "gradio.component_meta"
STUB_WRITER = "create_or_modify_pyi"


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if hasattr(module, STUB_WRITER):  # a later Gradio may lack it; then nothing changes
            setattr(module, STUB_WRITER, lambda *_: None)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != STUB_MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.name, spec.origin)
        return spec


def without_stubs() -> None:
    """Stop Gradio from writing stub files, which takes half of its import time. Call it before Gradio is imported.

    For every component class Gradio parses the source and writes a `.pyi` stub file next to it. The package already
    contains these files and a service does not need them. The folder may also be read-only.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def serve(settings: Settings | None = None, *, quiet: bool = False) -> None:
    """Serve the web app on `host`:`web_port` until SIGINT or SIGTERM.

    Args:
        quiet: log warnings only.

    Raises:
        InvalidInputError: other machines would reach it, and nobody has to sign in.
    """
    settings = settings or Settings()
    check_app_start(settings, "The web app")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    with tempfile.TemporaryDirectory(prefix="matinee-web-", ignore_cleanup_errors=True) as uploads:
        os.environ.setdefault("GRADIO_TEMP_DIR", uploads)
        _serve(settings, quiet)


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
