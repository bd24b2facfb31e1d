"""The HTTP core service: `create_app` gives the ASGI application, `serve` runs it."""

from __future__ import annotations

from matinee.api.app import create_app
from matinee.api.serve import serve

__all__ = ["create_app", "serve"]
