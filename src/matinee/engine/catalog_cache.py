"""What is made of a catalog on first use, and forgotten with it: indexes of columns and of titles, re-rankers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.models.calibration import Reranker
from matinee.models.preference import StarScale

log = logging.getLogger("matinee.engine")

T = TypeVar("T")

KEPT_AMONG = 16
"""Re-rankers of some movies that are kept, the last ones asked for: up to 2 MB each."""


class PerCatalog(Generic[T]):
    """Makes one thing for each catalog, once, whoever asks first; thread-safe.

    Args:
        make: what it makes may not refer to the catalog, which would then never be forgotten.
    """

    def __init__(self, make: Callable[[Catalog], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Catalog, T] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, catalog: Catalog) -> T:
        """The thing made of this catalog."""
        with self._lock:
            made = self._made.get(catalog)
            if made is None:
                made = self._made[catalog] = self._make(catalog)
            return made


class Rerankers:
    """The re-ranker of each state of a catalog, made on first use. Thread-safe.

    Popularity is the snapshot's: with current counts every answer would change with everybody's ratings.

    Args:
        counts: the snapshot's ratings of each movie, (n_items,).
        scale: gives the scale of its stars.
    """

    def __init__(self, counts: NDArray[np.int64], scale: Callable[[], StarScale]) -> None:
        self._counts, self._scale = counts, scale
        self._lock = threading.Lock()
        self._made: Reranker | None = None
        self._among: LRUCache[int, tuple[Reranker, NDArray[np.int64], Reranker]] = LRUCache(KEPT_AMONG)

    def __call__(self, catalog: Catalog) -> Reranker:
        """The re-ranker over this state's movies; only what changed since the last state is recomputed."""
        with self._lock:
            made = self._made
            if made is not None and made.catalog is catalog:
                return made
            if made is None or len(made.catalog) > len(catalog):
                made = Reranker(catalog, self._counts, self._scale())
            else:
                made = made.with_catalog(catalog)
            self._made = made
            return made

    def among(self, catalog: Catalog, rows: NDArray[np.int64]) -> Reranker:
        """`Reranker.among` of some movies; those of the last ones asked for are kept.

        Args:
            rows: the same object for the same movies.
        """
        whole = self(catalog)
        with self._lock:
            made = self._among.get(id(rows))
            if made is None or made[0] is not whole or made[1] is not rows:
                made = self._among[id(rows)] = whole, rows, whole.among(rows)
            return made[2]


class BackgroundPerCatalog(Generic[T]):
    """Makes one thing for each catalog, in the background where the one of an earlier state will do meanwhile.

    For what is slow to make and may miss the newest movies for a second. Thread-safe.

    Args:
        make: as in `PerCatalog`.
    """

    def __init__(self, make: Callable[[Catalog], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Catalog, tuple[ref[Catalog], T]] = WeakKeyDictionary()
        self._making: WeakSet[Catalog] = WeakSet()
        self._lock = threading.Lock()

    def __call__(self, catalog: Catalog, root: Catalog) -> T:
        """The thing made of this catalog, or of an earlier state of it.

        Args:
            root: the first state (the snapshot's), the same for all states; they share their first rows.
        """
        with self._lock:
            cached = self._made.get(root)
            if cached is None:  # no earlier one to answer with: all callers wait
                cached = self._made[root] = ref(catalog), self._make(catalog)
            elif cached[0]() is not catalog and root not in self._making:
                self._making.add(root)
                threading.Thread(target=self._renew, args=(catalog, root), name="matinee-derive", daemon=True).start()
            return cached[1]

    def _renew(self, catalog: Catalog, root: Catalog) -> None:
        try:
            made = self._make(catalog)
            with self._lock:
                self._made[root] = ref(catalog), made
        except Exception:
            log.exception("The index of a changed catalog could not be rebuilt.")
        finally:
            with self._lock:
                self._making.discard(root)
