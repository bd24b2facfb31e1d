"""ASGI middlewares around every service: requests are observed, foreign ones refused, HEAD is answered as GET."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.request_context import current
from matinee._util.trusted_hosts import TrustedHosts
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


class RefuseForeign:
    """Refuses requests by another name than the service's (421), and changes by pages of other sites (403)."""

    def __init__(self, app: ASGIApp, trusted: TrustedHosts) -> None:
        self.app, self.trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        refused = self.trusted.refusal(scope["method"], scope["headers"]) if scope["type"] == "http" else None
        answer = self.app
        if refused is not None:
            answer = problem(refused.status, refused.detail, instance=scope["path"], headers={"connection": "close"})
        await answer(scope, receive, send)
