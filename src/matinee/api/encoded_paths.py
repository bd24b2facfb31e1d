"""Ids with a `/` in a path: written as %2F, they are one part of it, though servers decode paths first."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import Scope

from matinee.data.ids import ENCODED_SLASH


def keep_encoded_slashes(scope: Scope) -> None:
    """In a request's path, put `ENCODED_SLASH` in place of each `/` that came as %2F; `parameters` turns it back."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2" not in raw:  # nearly every request
        return
    raw = raw.partition(b"?")[0]
    if b"%2f" in raw.lower():
        parts = raw.decode("ascii", "replace").split("/")
        scope["path"] = "/".join(unquote(part, errors="replace").replace("/", ENCODED_SLASH) for part in parts)
