"""The log of lists that experiments serve: written by one thread, in batches, never waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from time import monotonic

from matinee.errors import MatineeError
from matinee.stores import Store
from matinee.stores.base import Exposure

log = logging.getLogger("matinee.api")
LIMIT = 10_000
"""Lists that wait to be written, at most."""
BATCH = 1000
"""Lists of one write, at most."""
DELAY = 0.2
"""Seconds that a list waits for others."""
CLOSING = 5.0
"""Seconds that the end of the service waits for the last lists."""


class ExposureLog:
    """Takes lists from the answers and writes them to the store. What does not fit, or cannot be written, is dropped.

    No thread is made before the first list. Thread-safe.

    Args:
        store: that is in service.
        told: is told how many lists were `written` or `dropped`.
        limit: lists that wait, at most.
    """

    def __init__(self, store: Callable[[], Store], told: Callable[[str, int], None], limit: int = LIMIT) -> None:
        self._store, self._told = store, told
        self._waiting: Queue[Exposure | None] = Queue(limit)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failing = False

    def put(self, shown: Exposure) -> None:
        """Log a list; microseconds."""
        try:
            self._waiting.put_nowait(shown)
        except Full:
            self._told("dropped", 1)
            return
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="matinee-exposures", daemon=True)
                    self._thread.start()

    def close(self, seconds: float = CLOSING) -> None:
        """Write what waits, for some seconds at most."""
        if self._thread is not None:
            end = monotonic() + seconds
            try:
                self._waiting.put(None, timeout=seconds)
            except Full:
                return
            self._thread.join(max(0.0, end - monotonic()))
            self._thread = None

    def _run(self) -> None:
        ended = False
        while not ended:
            batch: list[Exposure] = []
            first = self._waiting.get()
            end = monotonic() + DELAY
            while first is not None:
                batch.append(first)
                if len(batch) == BATCH:
                    break
                try:
                    first = self._waiting.get(timeout=max(0.0, end - monotonic()))
                except Empty:
                    break
            ended = first is None
            if batch:
                self._write(batch)

    def _write(self, batch: list[Exposure]) -> None:
        try:
            self._store().log_exposures(batch)
        except MatineeError as error:
            if not self._failing:
                log.warning("Lists of the experiment are not logged: %s", error)
            self._failing = True
            self._told("dropped", len(batch))
        else:
            self._failing = False
            self._told("written", len(batch))
