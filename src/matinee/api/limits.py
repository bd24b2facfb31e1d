"""The limit on request bodies, also where their length is not announced."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope


def limit_body(scope: Scope, receive: Receive, limit: int) -> tuple[bool, Receive]:
    """Whether the announced body is too large, and a `receive` that stops one which was not announced.

    Args:
        limit: most bytes accepted.
    """
    if scope["method"] in ("GET", "HEAD"):  # no route reads their bodies
        return False, receive
    for name, value in scope["headers"]:
        if name == b"content-length":
            return (not value.isdigit()) or int(value) > limit, receive
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise HTTPException(413, headers={"connection": "close"})
        return message

    return False, limited
