"""Ids of requests to the web app: in its answers, its logs, and its calls of the core."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.request_context import RequestContext, current


class RequestIds:
    """Middleware that gives each request its context: see `request_context`.

    Events of Gradio's queue run outside of the request that sent them; each of their calls of the core is a trace of
    its own (`Core`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = RequestContext.of(scope["headers"])
        header = (b"x-request-id", context.request_id.encode())

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        token = current.set(context)
        await self.app(scope, receive, named)
        # Not reset after an exception, which the server logs later, with the id.
        current.reset(token)
        context.finished = True  # tasks of Gradio that began here go on
