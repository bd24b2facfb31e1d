"""Histories of requests as queries; the last ones are cached, so that reasons use what their list has worked out."""

from __future__ import annotations

import threading

import numpy as np
from cachetools import LRUCache

from matinee.api.parameters import refuse
from matinee.api.recommender.bodies import HistoryIn
from matinee.data.ids import id_text
from matinee.engine.runtime import RequestView
from matinee.models.base import Query

MAX_CACHED = 8
"""Histories cached, each with what models have derived of it: some megabytes where there are many films."""


class QueryCache:
    """Makes queries of histories, of one view at a time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view: RequestView | None = None
        self._cached: LRUCache[object, Query] = LRUCache(MAX_CACHED)

    def of(self, view: RequestView, history: HistoryIn, location: tuple[str | int, ...]) -> Query:
        """The query of a history; films that the catalog does not have are left out.

        Args:
            location: of the history in the body, for the message.

        Raises:
            RequestValidationError: the lengths differ, or a film comes twice.
        """
        n = len(history.movie_ids)
        for name, values in (("ratings", history.ratings), ("times", history.times)):
            if values is not None and len(values) != n:
                raise refuse((*location, name), f"There are {n} films and {len(values)} {name}; give one each")
        key = (
            tuple(history.movie_ids),
            tuple(history.ratings),
            None if history.times is None else tuple(history.times),
        )
        with self._lock:
            if self._view is not view:
                self._view = view
                self._cached.clear()
            query = self._cached.get(key)
        if query is None:
            query = _query(view, history, location)
            with self._lock:
                if self._view is view:
                    self._cached[key] = query
        return query


def _query(view: RequestView, history: HistoryIn, location: tuple[str | int, ...]) -> Query:
    rows = np.array(
        [-1 if (row := view.catalog.find_any(id_text(film))) is None else row for film in history.movie_ids],
        dtype=np.int64,
    )
    mask = rows >= 0
    if len(np.unique(rows[mask])) < int(mask.sum()):
        raise refuse((*location, "movie_ids"), "A film comes twice")
    stars = np.array(history.ratings, dtype=np.float32)
    times = None if history.times is None else np.array(history.times, dtype=np.int64)
    return Query(rows[mask], stars[mask], None if times is None else times[mask])
