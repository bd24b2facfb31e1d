"""What every service is: FastAPI with problem documents, and middlewares around it."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from matinee import __version__
from matinee._util.allocator import freeze_heap, unfreeze_heap
from matinee._util.security_headers import SecurityHeaders, security_headers
from matinee._util.trusted_hosts import TrustedHosts
from matinee.api.access import Access, CheckAccess
from matinee.api.body_reader import ReadBody
from matinee.api.documentation import add_documentation
from matinee.api.encoded_paths import keep_encoded_slashes
from matinee.api.errors import Problem, on_failure, on_http_error, on_matinee_error, on_validation_error
from matinee.api.key_documents import describe_keys
from matinee.api.known_parameters import LENIENT, describe_refusals, refuse_unknown
from matinee.api.limits import add_limits
from matinee.api.metrics import Metrics
from matinee.api.middleware import AnswerHead, ObserveRequests, RefuseForeign
from matinee.api.observation import Observation
from matinee.errors import MatineeError
from matinee.settings import Settings

log = logging.getLogger("matinee.api")


class Service:
    """What the routes of a service share; subclasses add what they serve.

    Args:
        settings: `max_body`, and what is logged and sent as traces, count here; the rest is the service's own.

    Attributes:
        name: of the service, in logs and traces.
        max_body: largest body of a request, in bytes.
        max_bodies: bodies of that size that are held at a time; many more small ones.
        streamed: path whose POST reads a body of any length by itself.
        has_process: whether the process does nothing but serve it.
    """

    name = "matinee"
    streamed: str | None = None
    has_process = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.max_body = settings.max_body
        self.max_bodies = 8
        self.trusted = TrustedHosts(settings.host, settings.hosts, settings.origins)
        self.metrics = Metrics()
        self.observation = Observation(settings, self.metrics, self.name)

    def refresh_gauges(self) -> None:
        """Set the gauges; called in a thread whenever metrics are asked for."""


@contextmanager
def frozen_heap(service: Service) -> Iterator[None]:
    """Leave the objects made until now out of garbage collections, where the service has a process of its own.

    The catalog is hundreds of thousands of objects that live as long as the process: each collection over them would
    delay requests by a tenth of a second. The objects of a program that contains the application are left alone.
    """
    if not service.has_process:
        yield
        return
    freeze_heap()
    yield
    unfreeze_heap()


@asynccontextmanager
async def opened(service: Service, open_it: Callable[[], object], close_it: Callable[[], None]) -> AsyncIterator[None]:
    """The lifespan of a service that serves what is opened at its start and closed at its end, both in a thread."""
    try:
        await run_in_threadpool(open_it)
    except MatineeError as error:
        log.warning("Not ready: %s The service starts all the same and looks again at each request.", error)
    with frozen_heap(service):
        yield
    await run_in_threadpool(close_it)


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def _observed(service: Service, given: Lifespan | None) -> Lifespan:
    """A lifespan, around which spans that are still here are sent at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            if given is None:
                yield
            else:
                async with given(app):
                    yield
        finally:
            await run_in_threadpool(service.observation.close)

    return lifespan


def _pattern(path: str) -> str:
    """The regular expression of a path's template."""
    return re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))


class Api(FastAPI):
    """The routes of a service; every error is a problem document.

    Args:
        service: what the routes share.
        routers: the routes.
        unlisted: pattern of paths that answer GET and are not in the OpenAPI document, besides the documentation.
        classic: paths of classic routes, which are also served with a slash at their end.
        options: FastAPI's.
    """

    def __init__(
        self,
        service: Service,
        routers: Iterable[APIRouter],
        unlisted: str = "/",
        classic: Iterable[str] = (),
        **options: Any,
    ) -> None:
        given: Lifespan | None = options.pop("lifespan", None)
        super().__init__(
            lifespan=_observed(service, given),
            version=__version__,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            dependencies=[Depends(refuse_unknown)],
            generate_unique_id_function=lambda route: route.name,
            exception_handlers={
                MatineeError: on_matinee_error,
                HTTPException: on_http_error,
                RequestValidationError: on_validation_error,
                Exception: on_failure,
            },
            **options,
        )
        self.service = service
        self._unlisted = unlisted
        self._classic = tuple(classic)
        self._slashed = re.compile("|".join(f"(?:{_pattern(path)}/)" for path in self._classic) or "(?!)")
        for router in routers:
            self.include_router(router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        # No redirect: clients of earlier systems would repeat a POST as a GET, or not at all.
        if scope["type"] == "http" and self._slashed.fullmatch(scope["path"]):
            scope["path"] = scope["path"][:-1]
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document: with problem documents, the limits of requests, and which key each route needs."""
        if self.openapi_schema is None:
            schema = super().openapi()
            own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schema["components"]["schemas"] |= own.pop("$defs") | {"Problem": own}
            describe_refusals(schema, {*LENIENT, *self._classic})
            describe_keys(schema)
            add_limits(schema, self.service)
        return super().openapi()

    def is_lenient(self, path: str) -> bool:
        """Whether the route of this template ignores query parameters that it does not declare."""
        return path in LENIENT or path in self._classic

    def answers(self, method: str, path: str) -> bool:
        """Whether a route answers this method at this path."""
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        return any(route.matches(scope)[0] is Match.FULL for route in self.router.routes)

    @cached_property
    def methods_by_path(self) -> list[tuple[re.Pattern[str], set[str]]]:
        """Pattern of each path and the methods that it answers."""
        paths = {path: {method.upper() for method in methods} for path, methods in self.openapi()["paths"].items()}
        for path in self._classic:  # below a prefix they are not in the document
            paths.setdefault(path, {m for other, methods in paths.items() if path.endswith(other) for m in methods})
        listed = [(re.compile(f"^{_pattern(path)}$"), methods) for path, methods in paths.items()]
        unlisted = rf"^({self._unlisted}|/docs|/redoc|/openapi\.json|/static-docs/.+)$"
        return [*listed, (re.compile(unlisted), {"GET"})]


class Application:
    """A service as an ASGI application.

    Attributes:
        api: the FastAPI application in it.
        service: what its routes share.
        access: who may ask for what.
        headers: security headers of answers that are no pages.
    """

    def __init__(self, api: Api) -> None:
        self.api, self.service = api, api.service
        add_documentation(api)
        memory = self.service.max_bodies * self.service.max_body
        whole = ReadBody(self.admitted(api), self.service.max_body, memory, streamed=self.service.streamed)
        self.access = Access(self.service.settings, api.answers)
        checked: ASGIApp = RefuseForeign(CheckAccess(whole, self.access), self.service.trusted)
        if self.service.trusted.origins:
            checked = CORSMiddleware(
                checked, allow_origins=sorted(self.service.trusted.origins), allow_methods=["*"], allow_headers=["*"]
            )
        # A page of another site whose scripts may read the answers may also show them, such as posters.
        readable_by = "cross-origin" if self.service.trusted.origins else "same-site"
        self.headers = security_headers(readable_by=readable_by)
        pages = security_headers(readable_by=readable_by, page=True)
        self._app = SecurityHeaders(ObserveRequests(AnswerHead(checked), self.service.observation), self.headers, pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        keep_encoded_slashes(scope)
        await self._app(scope, receive, send)

    def admitted(self, app: ASGIApp) -> ASGIApp:
        """The routes behind queues, where the service has some."""
        return app

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return self.api.openapi()

    def lifespan(self) -> AbstractAsyncContextManager[Any]:
        """Start the service, and stop it at the end; for use without a server."""
        return self.api.router.lifespan_context(self.api)


def service_of(request: Request) -> Service:
    """The service that answers this request."""
    api = request.app
    assert isinstance(api, Api)
    return api.service
