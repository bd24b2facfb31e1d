"""What the routes of the core service share: the engine, ready answers, work in threads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee._util.atomic_files import remove_leftovers
from matinee._util.lazy import Lazy
from matinee._util.request_context import background
from matinee.api import application
from matinee.api.admission import queues_of
from matinee.api.cost import STREAM_PATH
from matinee.api.exposure_log import ExposureLog
from matinee.api.list_work import Work
from matinee.api.middleware import route_of
from matinee.api.render import Json
from matinee.api.response_cache import AdaptiveExecutor, CachedResponse, ResponseCache
from matinee.api.work_queue import WorkQueue
from matinee.engine import Engine
from matinee.engine.runtime import RequestView
from matinee.engine.treatment import Treatment, now
from matinee.engine.types import Request as Options
from matinee.errors import MatineeError
from matinee.experiments.definition import ExperimentFile
from matinee.settings import Settings
from matinee.stores.base import Exposure, Store

RETRY = 1.0
"""Seconds between two attempts to open an engine that could not be opened."""
LOOK_SECONDS = 0.25
"""Time after which an experiment that was started or stopped counts at the latest."""
PLAIN_OPTIONS = Options()
MAX_WAITING = 32
"""Maximum number of requests that wait for a recommender service or a store's server at the same time."""


class CoreService(application.Service):
    """The core service.

    Args:
        settings: limits, folders, cache.
        engine: served as it is and left open; without one the current snapshot is opened at the start, or as
            soon as there is one.

    Attributes:
        lazy_engine: its `value` is the engine, None before it is open.
    """

    name = "matinee-core"
    streamed = STREAM_PATH

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        super().__init__(settings)
        self.cache = ResponseCache(settings.answer_cache)
        self.store_is_remote = bool(settings.store_url)
        waits = bool(settings.recommender_url) or self.store_is_remote
        self.queues = queues_of(settings)
        writes = [self.queues[cost] for cost in ("write", "import", "stream")]
        self.executor = (
            AdaptiveExecutor(threads=MAX_WAITING, waits=True)
            if waits
            else AdaptiveExecutor(crowded=lambda: any(queue.busy for queue in writes))
        )
        self.work_queue = WorkQueue(settings.workers)
        self.experiments = ExperimentFile(settings.data_dir, LOOK_SECONDS)
        self.exposures = ExposureLog(self._store, lambda outcome, n: self.metrics.exposures.labels(outcome).inc(n))
        self.lazy_engine = Lazy(self._open, RETRY)
        self.lazy_engine.value = engine
        self._owned = engine is None

    def _open(self) -> Engine:
        engine = Engine.open(self.settings)
        for folder in (self.settings.cache_dir, self.settings.data_dir / "posters"):
            remove_leftovers(folder)
        with background(self.metrics.observe_stage):
            engine.backlog.start()
        return engine

    def open_engine(self) -> Engine:
        """The engine; opened where that has not happened yet (may take seconds: call it in a thread).

        Raises:
            MatineeError: it cannot be opened; the next attempt is made a second later.
        """
        return self.lazy_engine.get()

    def refresh_gauges(self) -> None:
        """Age of what is served, and the backlog; none where nothing is served."""
        engine = self.lazy_engine.value
        for cost, queue in self.queues.items():
            self.metrics.gauge("matinee_requests_waiting", "Requests that wait for a turn.", queue.waiting, cost=cost)
            self.metrics.gauge(
                "matinee_requests_refused",
                "Requests refused for want of room, since the start.",
                queue.refused,
                cost=cost,
            )
        if engine is None:
            return
        with suppress(MatineeError):  # of the store; /ready says so
            ages, backlog, gauge = engine.ages(), engine.backlog_state(), self.metrics.gauge
            gauge("matinee_snapshot_age_seconds", "Seconds since the snapshot in service was made.", ages.snapshot)
            gauge(
                "matinee_model_age_seconds",
                "Seconds since the newest rating that the models in service have learned from.",
                ages.model,
            )
            writable = float(engine.write_problem() is None)
            gauge("matinee_store_writable", "1: the store can be written; 0: it can only be read.", writable)
            for kind, count in (("text", backlog.texts), ("poster", backlog.posters)):
                gauge("matinee_embedding_backlog", "Films that wait for an encoder.", count, kind=kind)

    async def engine(self) -> Engine:
        """The engine, see `open_engine`."""
        engine = self.lazy_engine.value
        return engine if engine is not None else await run_in_threadpool(self.open_engine)

    async def view(self, engine: Engine) -> RequestView:
        """See `Engine.request_view`; in a thread where the store is on another machine."""
        return await run_in_threadpool(engine.request_view) if self.store_is_remote else engine.request_view()

    def close_engine(self) -> None:
        """Close the engine if it was opened here, and end the threads that encode."""
        self.work_queue.close()
        self.exposures.close()
        if self._owned:
            self.lazy_engine.close(Engine.close)

    async def answer(
        self, request: Request, view: RequestView, user_id: str | None, work: Work, *, heavy: bool
    ) -> Response:
        """Compute a cacheable answer and keep it.

        Args:
            view: that the answer depends on, taken before.
            user_id: the user on whose data it depends, None: on no user's.
            work: gives the bytes and whether they may be cached.
            heavy: it surely takes many milliseconds.
        """
        version = view.validity(user_id)
        made = await self.executor.run(work, key=user_id or "", heavy=heavy)
        if made.keep:
            scope = request.scope
            ready = CachedResponse.of(route_of(scope), user_id, version, made.body, made.arm, made.shown)
            self.cache.put(scope["path"], scope["query_string"], ready)
        if made.shown is not None:
            self.exposures.put(made.shown)
        return Json(made.body)

    def is_of_arm(self, cached: CachedResponse, view: RequestView) -> bool:
        """Whether an answer is the one of the arm that its user is in now."""
        if cached.arm is None:
            return True
        running = self.experiments.running()
        if running is None:
            return not cached.arm
        treatment = Treatment.of(running, cached.user_id or "", PLAIN_OPTIONS, view.models)
        return cached.arm == ("" if treatment is None else treatment.key)

    def log_again(self, shown: Exposure, view: RequestView) -> None:
        """Log a list that is answered again."""
        self.exposures.put(replace(shown, timestamp=now(), sequence=view.sequence))

    def _store(self) -> Store:
        return self.open_engine().request_view().runtime.store


def service_of(request: Request) -> CoreService:
    """The core service, which answers this request."""
    service = request.app.service
    assert isinstance(service, CoreService)
    return service


async def engine_of(request: Request) -> Engine:
    """The engine of the application that answers this request.

    Raises:
        MatineeError: there is none yet (503).
    """
    return await service_of(request).engine()


EMBEDDING_HEADER = {
    "X-Matinee-Embedding": {
        "description": "`pending`: the film waits for the vector of its text or its poster; see `/ready`.",
        "schema": {"type": "string"},
    }
}


def embedding_header(engine: Engine, *movie_ids: str) -> dict[str, str]:
    """A header of the answer of a write, where one of these films waits for an encoder."""
    return {"x-matinee-embedding": "pending"} if engine.waits(*movie_ids) else {}


EngineDep = Annotated[Engine, Depends(engine_of)]


__all__ = ["CoreService", "EngineDep", "engine_of", "service_of"]
