"""ASGI middlewares around every service: requests are observed, HEAD is answered as GET, bodies are limited."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.request_context import current
from matinee.api.errors import problem
from matinee.api.observation import Observation


def route_of(scope: Scope) -> str:
    """Template of the route that a request took: one of a few names, whatever is requested."""
    return getattr(scope.get("route"), "path", "unknown path")


class ObserveRequests:
    """Gives each request its context and each answer its id, and records it: see `observation`."""

    def __init__(self, app: ASGIApp, observation: Observation) -> None:
        self.app, self.observation = app, observation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        context, status, method = self.observation.begin(scope), 500, scope["method"]

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (b"x-request-id", context.request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        token = current.set(context)
        try:
            await self.app(scope, receive, watch)
            # Not where it fails: the server logs the failure afterwards, with the id of the request.
            current.reset(token)
        finally:
            self.observation.end(context, method, route_of(scope), status)


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
