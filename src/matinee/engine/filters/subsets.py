"""Which movies filters allow, kept for the next request as long as nothing that they read changes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import ref

from cachetools import LRUCache

from matinee.data.catalog import Catalog
from matinee.engine.catalog_cache import PerCatalog
from matinee.engine.filters.evaluate import Filter
from matinee.indexes.base import frozen_mask
from matinee.models.base import Subset

if TYPE_CHECKING:
    from matinee.engine.rating_counts import Stats

KEPT, KEPT_BYTES = 256, 64 << 20
"""Subsets that are kept for a catalog, and bytes that they may take: a byte a movie each."""
EVERYTHING = Filter(None)


class Subsets:
    """The movies of one catalog that each filter allows; thread-safe.

    Args:
        n_items: movies of the catalog.
    """

    def __init__(self, n_items: int) -> None:
        most = max(min(KEPT, KEPT_BYTES // max(n_items, 1)), 4)
        self._made: LRUCache[Filter, tuple[ref[Stats] | None, Subset]] = LRUCache(most)
        self._lock = threading.Lock()

    def of(self, parsed: Filter, catalog: Catalog, stats: Stats) -> Subset:
        """Movies in service that a filter allows: the same object as before, where the same movies are.

        Raises:
            FilterError: the filter names what no movie has.
        """
        reads = parsed.reads_ratings
        with self._lock:
            made = self._made.get(parsed)
            if made is not None and (made[0] is None or made[0]() is stats):
                return made[1]
        if parsed:
            mask = parsed.mask(catalog, stats.for_filters() if reads else None)
            mask &= catalog.active
        else:
            mask = catalog.active
        subset = Subset(frozen_mask(mask))
        with self._lock:
            self._made[parsed] = ref(stats) if reads else None, subset
        return subset


subsets_of = PerCatalog(lambda catalog: Subsets(len(catalog)))
"""The subsets of a catalog."""
