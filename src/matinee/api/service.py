"""The core service's class: ready answers around what every service is, and the engine within."""

from __future__ import annotations

import logging
import threading
from time import monotonic, perf_counter
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from matinee.api.application import BaseService, route_of
from matinee.api.fast_path import ROUTE, Work, plan
from matinee.api.render import Json
from matinee.api.response_cache import AdaptiveExecutor, CachedResponse, ResponseCache
from matinee.api.work_queue import Workshop
from matinee.engine import Engine
from matinee.errors import MatineeError
from matinee.settings import Settings

log = logging.getLogger("matinee.api")
RETRY = 1.0
"""Seconds between two attempts to open an engine that could not be opened."""


class Service(BaseService):
    """The core service.

    Requests whose answer is ready leave before FastAPI sees them, and so do plain requests for recommendations:
    routing, dependencies and middlewares cost more than everything else that such an answer needs.

    Args:
        settings: limits, folders, cache.
        engine: served as it is and left open; without one the current snapshot is opened at the start, or as
            soon as there is one.
    """

    UNLISTED = "/|/classic/?|/classic/titles/?"

    def __init__(self, settings: Settings, engine: Engine | None = None, **options: Any) -> None:
        self.answers = ResponseCache(settings.answer_cache)
        self.pace = AdaptiveExecutor()
        self.workshop = Workshop(settings.workers, settings.max_body)
        self._engine = engine
        self._owned = False
        self._opening = threading.Lock()
        self._failed: tuple[float, MatineeError] | None = None
        super().__init__(settings, **options)

    # --- the engine -------------------------------------------------------------------------------------------
    def open_engine(self) -> Engine:
        """The engine; opens it where that has not happened yet (may take seconds: call it in a thread).

        Raises:
            MatineeError: it cannot be opened; the next attempt is made a second later.
        """
        with self._opening:
            if self._engine is not None:
                return self._engine
            if self._failed is not None and monotonic() - self._failed[0] < RETRY:
                raise self._failed[1]
            try:
                self._engine, self._owned, self._failed = Engine.open(self.settings), True, None
            except MatineeError as error:
                self._failed = monotonic(), error
                raise
            return self._engine

    async def engine(self) -> Engine:
        """The engine, see `open_engine`."""
        return self._engine if self._engine is not None else await run_in_threadpool(self.open_engine)

    def close_engine(self) -> None:
        """Close the engine if it was opened here, and end the threads that encode."""
        self.workshop.close()
        with self._opening:
            if self._engine is not None and self._owned:
                self._engine.close()
                self._engine = None

    # --- answers ----------------------------------------------------------------------------------------------
    async def answer(self, request: Request, engine: Engine, user_id: str | None, work: Work, heavy: bool) -> Response:
        """Compute a cacheable answer and keep it.

        Args:
            user_id: the user on whose data it depends, None: on no user's.
            work: gives the bytes, and whether they may be kept.
            heavy: it surely takes many milliseconds.
        """
        version = engine.validity(user_id)
        body, keep = await self.pace.run(work, key=user_id or "", heavy=heavy)
        if keep:
            scope = request.scope
            ready = CachedResponse.of(route_of(scope), user_id, version, body)
            self.answers.put(scope["path"], scope["query_string"], ready)
        return Json(body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return await super().__call__(scope, receive, send)
        start, engine = perf_counter(), self._engine
        if engine is not None and scope["method"] == "GET":
            ready = await self._ready(engine, scope["path"], scope["query_string"])
            if ready is not None:
                await send({"type": "http.response.start", "status": 200, "headers": ready.headers})
                await send({"type": "http.response.body", "body": ready.body})
                self.metrics.count("GET", ready.route, 200, perf_counter() - start)
                return None
        return await self.ordinary(scope, receive, send, start)

    async def _ready(self, engine: Engine, path: str, query: bytes) -> CachedResponse | None:
        """A ready answer, or one that can be had the short way; None: take the ordinary way."""
        try:
            ready = self.answers.find(path, query, engine)
            if ready is not None:
                self.metrics.ready.inc()
                return ready
            quick = plan(engine, path, query)
            if quick is None:
                return None
            version = engine.validity(quick.user_id)
            body, keep = await self.pace.run(quick.work, key=quick.user_id, heavy=quick.heavy)
        except Exception:  # whatever it is, the ordinary way meets it again and says so
            return None
        answer = CachedResponse.of(ROUTE, quick.user_id, version, body)
        if keep:
            self.answers.put(path, query, answer)
        return answer


def service_of(request: Request) -> Service:
    """The application that answers this request."""
    service = request.app
    assert isinstance(service, Service)
    return service


async def engine_of(request: Request) -> Engine:
    """The engine of the application that answers this request.

    Raises:
        MatineeError: there is none yet (503).
    """
    return await service_of(request).engine()


EngineDep = Annotated[Engine, Depends(engine_of)]


__all__ = ["EngineDep", "Service", "engine_of", "service_of"]
