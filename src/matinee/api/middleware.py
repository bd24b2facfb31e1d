"""ASGI middlewares around every service: requests are counted, HEAD is answered as GET, bodies are limited."""

from __future__ import annotations

from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee.api.errors import problem
from matinee.api.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_of(scope: Scope) -> str:
    """Template of the route that a request took: one of a few names, whatever is requested."""
    return getattr(scope.get("route"), "path", "unknown path")


class MeasureRequests:
    """Counts requests and their seconds by method, route and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, status, method = perf_counter(), 500, scope["method"]

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            known = method if method in METHODS else "other"
            self.metrics.count(known, route_of(scope), status, perf_counter() - start)


class AnswerHead:
    """Answers HEAD with the status and headers of GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def without_body(message: Message) -> None:
            await send(message if message["type"] == "http.response.start" else {**message, "body": b""})

        get = {**scope, "method": "GET"}
        try:
            await self.app(get, receive, without_body)
        finally:
            scope["route"] = get.get("route")


class LimitBody:
    """Refuses bodies of more than `limit` bytes (413)."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] == "http":
            too_large, receive = limit_body(scope, receive, self.limit)
            if too_large:
                answer = problem(413, instance=scope["path"], headers={"connection": "close"})
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


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
