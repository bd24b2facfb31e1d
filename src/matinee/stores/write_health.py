"""Whether a store on a server can be written, looked at about once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from matinee.errors import ReadOnlyError, StoreError

log = logging.getLogger("matinee.stores")
SECONDS = 1.0
"""Time between two looks."""


class WriteHealth:
    """Why nothing can be written. Thread-safe.

    Args:
        look: raises ReadOnlyError where nothing can be written; gets the problem known so far.
    """

    def __init__(self, look: Callable[[ReadOnlyError | None], object]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._next = 0.0
        self._problem: ReadOnlyError | None = None

    def note(self, problem: ReadOnlyError | None) -> None:
        """Note how a write ended."""
        if problem is not None and self._problem is None:
            log.error("%s Reading goes on.", problem)
        elif problem is None and self._problem is not None:
            log.warning("The store can be written again.")
        self._problem = problem

    def problem(self) -> ReadOnlyError | None:
        """What is known now."""
        if time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._next = time.monotonic() + SECONDS
                self._look(self._problem)
                self.note(None)
            except ReadOnlyError as error:
                self.note(error)
            except StoreError:  # it does not answer at all: what is known stays
                pass
            finally:
                self._lock.release()
        return self._problem
