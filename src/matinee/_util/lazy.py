"""Opening something at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from matinee.errors import MatineeError

T = TypeVar("T")


class Lazy(Generic[T]):
    """Something that is opened at its first use; thread-safe.

    Args:
        open: opens it; may take seconds.
        retry: seconds between two attempts, where it cannot be opened.

    Attributes:
        value: what was opened; None before.
    """

    def __init__(self, open: Callable[[], T], retry: float) -> None:
        self._open, self.retry = open, retry
        self._lock = threading.Lock()
        self._failed: tuple[float, MatineeError] | None = None
        self.value: T | None = None

    def get(self) -> T:
        """What was opened, opened now where it is not yet.

        Raises:
            MatineeError: it cannot be opened; the same error is raised until the next attempt.
        """
        if self.value is not None:
            return self.value
        with self._lock:
            if self.value is None:
                if self._failed is not None and monotonic() - self._failed[0] < self.retry:
                    raise self._failed[1]
                try:
                    self.value, self._failed = self._open(), None
                except MatineeError as error:
                    self._failed = monotonic(), error
                    raise
            return self.value

    def close(self, close: Callable[[T], None]) -> None:
        """Close what was opened, if it was; a later use opens it again."""
        with self._lock:
            if self.value is not None:
                close(self.value)
                self.value = None
