"""What is made of a catalogue on first use, and forgotten with it: indexes of columns and of titles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from matinee.data.catalog import Catalog

T = TypeVar("T")


class PerCatalog(Generic[T]):
    """Makes one thing for each catalogue, once, whoever asks first; thread-safe.

    Args:
        make: what it makes may not refer to the catalogue, which would then never be forgotten.
    """

    def __init__(self, make: Callable[[Catalog], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Catalog, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, catalog: Catalog) -> T:
        """The thing made of this catalogue."""
        with self._lock:
            made = self._made.get(catalog)
            if made is None:
                made = self._made[catalog] = self._make(catalog)
            return made
