"""Problem documents (RFC 9457) of the web app."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as an answer; the connection is closed, because a body may not have been read."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    given = {"connection": "close", **(headers or {})}
    return JSONResponse(document, status, headers=given, media_type="application/problem+json")
