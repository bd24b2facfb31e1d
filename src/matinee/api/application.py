"""What every service is: FastAPI with a limit on bodies, metrics, problem documents and documentation around it."""

from __future__ import annotations

import re
from functools import cached_property
from time import perf_counter
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from matinee import __version__
from matinee.api.errors import Problem, on_failure, on_http_error, on_matinee_error, on_validation_error, problem
from matinee.api.metrics import Metrics
from matinee.errors import MatineeError
from matinee.settings import Settings

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _operation_id(route: APIRoute) -> str:
    return route.name


class BaseService(FastAPI):
    """A service: every error is a problem document, every body has a limit, every request is counted.

    Args:
        settings: `max_body` counts here; the rest is the service's own.
        options: FastAPI's.
    """

    UNLISTED: ClassVar[str] = "/"
    """Pattern of paths that answer GET and are not in the interface's description, besides the documentation."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        self.settings = settings
        self.most_body = settings.max_body
        self.metrics = Metrics()
        super().__init__(
            version=__version__,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            generate_unique_id_function=_operation_id,
            exception_handlers={
                MatineeError: on_matinee_error,
                HTTPException: on_http_error,
                RequestValidationError: on_validation_error,
                Exception: on_failure,
            },
            **options,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return await super().__call__(scope, receive, send)
        return await self.ordinary(scope, receive, send, perf_counter())

    async def ordinary(self, scope: Scope, receive: Receive, send: Send, start: float) -> None:
        """Answer one HTTP request through FastAPI, and count it.

        Args:
            start: when it came, by `perf_counter`.
        """
        method, status, head = scope["method"], 500, scope["method"] == "HEAD"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif head:
                message = {**message, "body": b""}
            await send(message)

        if head:
            scope = {**scope, "method": "GET"}
        try:
            too_large, receive = limit_body(scope, receive, self.most_body)
            if too_large:
                await problem(413, instance=scope["path"], headers={"connection": "close"})(scope, receive, watch)
            else:
                await super().__call__(scope, receive, watch)
        finally:
            self.metrics.count(
                method if method in METHODS else "other", route_of(scope), status, perf_counter() - start
            )

    # --- description ------------------------------------------------------------------------------------------
    def openapi(self) -> dict[str, Any]:
        """The interface's description, with the schema of problem documents."""
        if self.openapi_schema is None:
            schema = super().openapi()
            own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schema["components"]["schemas"] |= own.pop("$defs") | {"Problem": own}
        return super().openapi()

    @cached_property
    def _methods(self) -> list[tuple[re.Pattern[str], set[str]]]:
        paths = self.openapi()["paths"].items()
        found = [
            (re.compile("^" + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$"), {m.upper() for m in methods})
            for path, methods in paths
        ]
        unlisted = rf"^({self.UNLISTED}|/docs|/redoc|/openapi\.json|/static-docs/.+)$"
        return [*found, (re.compile(unlisted), {"GET"})]

    def methods_by_path(self) -> list[tuple[re.Pattern[str], set[str]]]:
        """Pattern of each path and the methods that it answers."""
        return self._methods


def route_of(scope: Scope) -> str:
    """Template of the route that a request took: one of a few names, whatever is requested."""
    return getattr(scope.get("route"), "path", "unknown path")


def base_of(request: Request) -> BaseService:
    """The application that answers this request."""
    service = request.app
    assert isinstance(service, BaseService)
    return service


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
