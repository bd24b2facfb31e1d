"""The HTTP core service: `create_app` gives the ASGI application, `serve` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matinee.api.serve import serve

if TYPE_CHECKING:
    from matinee.api.app import create_app

__all__ = ["create_app", "serve"]


def __getattr__(name: str) -> object:
    # Not before it is asked for: a process that only looks after workers needs none of it.
    if name == "create_app":
        from matinee.api.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
