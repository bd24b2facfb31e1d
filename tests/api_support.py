"""A client of an ASGI application in this process: httpx over its ASGI transport, usable from any thread."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp, Receive, Scope, Send

from matinee.api.application import Application


class Client:
    """Requests to an application; errors of the server are answers, as in service."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def __enter__(self) -> Self:
        self._portals = start_blocking_portal()
        self._portal = self._portals.__enter__()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._client.aclose)
        self._portals.__exit__(kind, error, trace)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._client.request(method, url, **options)

        return self._portal.call(send)

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", url, **options)


def requests_only(app: ASGIApp) -> ASGIApp:
    """The application without its start and end, which Schemathesis has for each route: each walks through all objects
    of the test process. The engine opens at the first request; tests of servers have starts and ends.
    """

    async def requests(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    return requests
