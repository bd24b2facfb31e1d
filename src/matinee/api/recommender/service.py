"""The application class of the recommender service."""

from __future__ import annotations

import logging
import threading
from time import monotonic

from fastapi import Request

from matinee._util.lazy import Lazy
from matinee.api import application
from matinee.api.recommender.queries import QueryCache
from matinee.api.response_cache import AdaptiveExecutor
from matinee.api.work_queue import WorkQueue
from matinee.engine import Engine
from matinee.engine.runtime import RequestView, Runtime
from matinee.errors import ConflictError, ServiceError
from matinee.settings import Settings

log = logging.getLogger("matinee.api")
RETRY = 1.0
"""Seconds between two attempts to open an engine that could not be opened."""
LOADING_SECONDS = 8.0
"""Time that a request waits for the snapshot that it names, where that is being loaded; less than the core waits."""
EARLIER_SECONDS = 600.0
"""Time for which the snapshot before this one is kept, for cores that have not followed the promotion yet."""
MAX_RECENT = 2
"""Snapshots that are kept, the one in service included."""


class RecommenderService(application.Service):
    """The recommender service.

    Args:
        settings: limits, folders and the store, which are the core's.
        engine: served as it is and left open; without one the current snapshot is opened at the start, or as soon
            as there is one.
    """

    name = "matinee-recommender"

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        super().__init__(settings)
        self.max_body, self.max_bodies = settings.recommender_max_body, 4  # of vectors, which are large
        self.work_queue = WorkQueue(settings.workers, doing="work on", failure=ServiceError, max_waiting=32)
        self.executor = AdaptiveExecutor()
        self.queries = QueryCache()
        here = settings.model_copy(update={"recommender_url": ""})  # it asks nobody else, least of all itself
        self._engine = Lazy(lambda: Engine.open(here), RETRY)
        self._engine.value = engine
        self._owned = engine is None
        self._lock = threading.Lock()
        self._recent: dict[str, tuple[float, Runtime]] = {}
        """When a snapshot was last seen in service, and its runtime; the newest one last."""

    def open_engine(self) -> Engine:
        """The engine; opened where that has not happened yet (may take seconds: call it in a thread).

        Raises:
            MatineeError: it cannot be opened; the next attempt is made a second later.
        """
        engine = self._engine.get()
        self._remember(engine.request_view())
        return engine

    def close_engine(self) -> None:
        """Close the engine if it was opened here, and end the threads."""
        self.work_queue.close()
        with self._lock:
            self._recent.clear()
        if self._owned:
            self._engine.close(Engine.close)

    def view(self, snapshot: str | None, sequence: int) -> RequestView:
        """What a request sees. May wait for a snapshot that is being loaded: call it in a thread.

        Args:
            snapshot: that must be in service, or have been a moment ago; None: any.
            sequence: how far the store must have come.

        Raises:
            ConflictError: another snapshot is in service, or the store is another one.
            MatineeError: nothing can be served yet.
        """
        engine = self.open_engine()
        view = engine.request_view()
        if snapshot not in (None, view.snapshot.id):
            earlier = self._recent.get(snapshot or "")
            if earlier is not None:
                view = earlier[1].sync()
            else:
                engine.settle(LOADING_SECONDS)
                view = engine.request_view()
                self._remember(view)
        if snapshot not in (None, view.snapshot.id):
            raise ConflictError(
                f"The recommender service has the snapshot {view.snapshot.id}, not {snapshot}.",
                "Give it the data folder of the core service.",
            )
        if view.sequence < sequence:
            raise ConflictError(
                f"The recommender service has another store: it ends at {view.sequence}, the core's at {sequence}.",
                "Give it the data folder and the store of the core service.",
            )
        return view

    def _remember(self, view: RequestView) -> None:
        """Note that a snapshot is in service, and forget those that were long ago.

        Views may be handed in out of order: a thread may have taken its view before a promotion that another has seen.
        """
        name, now = view.snapshot.id, monotonic()
        with self._lock:
            self._recent.pop(name, None)
            self._recent[name] = now, view.runtime
            for other, (seen, _) in list(self._recent.items())[:-1]:
                if now - seen > EARLIER_SECONDS or len(self._recent) > MAX_RECENT:
                    del self._recent[other]


def service_of(request: Request) -> RecommenderService:
    """The recommender service, which answers this request."""
    service = application.service_of(request)
    assert isinstance(service, RecommenderService)
    return service
