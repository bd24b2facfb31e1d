"""Filters asked for lately, and the gathered rows of those that are asked for again.

A filter is known by all its bits, not by a hash, so that no two are confused. Filters that differ in a few rows, such
as those of one genre without the movie that is asked about, share one gathering.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matinee.indexes.base import Items
from matinee.indexes.packed_mask import PackedMask, Words, differing_rows
from matinee.indexes.row_subset import RowSubset

FILTER_CACHE_BYTES = 128 << 20
"""Default of `FilterCache.max_bytes`."""
MAX_SEEN = 16
"""Filters whose uses are counted, besides those whose rows are gathered. A million rows take 125 kB each."""
MAX_DIFFERENCE = 128
"""Number of rows in which two filters may differ and share gathered rows."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Gathered rows for a filter.

    Attributes:
        subset: rows of this filter or a similar one.
        removed: increasing; rows of the subset that the filter does not allow.
        added: increasing; rows that the filter allows, but that are not in the subset.
    """

    subset: RowSubset
    removed: Items
    added: Items


@dataclass(eq=False)
class _Filter:
    """A filter that was asked for.

    Attributes:
        owner: see `FilterCache.gathered`.
        rows: bits, number of rows allowed, and the rows gathered for exactly these bits; replaced together, because
            they are read unlocked.
        uses: queries so far.
        busy: a thread is gathering.
    """

    owner: object
    rows: tuple[Words, int, Gathered | None]
    uses: int = 0
    busy: bool = False

    @property
    def nbytes(self) -> int:
        words, _, gathered = self.rows
        return words.nbytes + (0 if gathered is None else gathered.subset.nbytes)


class FilterCache:
    """A bounded cache of gathered rows, least recently used first to go; may be shared by indexes. Thread-safe.

    Args:
        max_bytes: memory of gathered rows and their bits; 0: nothing is gathered.
    """

    def __init__(self, max_bytes: int = FILTER_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._filters: list[_Filter] = []
        """The most recently used last."""

    @property
    def nbytes(self) -> int:
        """Memory of the gathered rows and their bits."""
        with self._lock:
            return self._nbytes()

    def __len__(self) -> int:
        """Number of filters whose rows are gathered."""
        with self._lock:
            return sum(one.rows[2] is not None for one in self._filters)

    def _latest(self, owner: object, mask: PackedMask) -> Gathered | None:
        """What is gathered for this very mask, if it was the last that was asked for; it takes no lock."""
        for one in self._filters[-1:]:
            words, _, gathered = one.rows
            if words is mask.words and one.owner is owner:
                return gathered
        return None

    def gathered(
        self, owner: object, mask: PackedMask, queries: int, enough: int, size: int, gather: Callable[[], RowSubset]
    ) -> Gathered | None:
        """Gathered rows for a filter, if it or a similar one was asked for often enough; counts this use.

        Args:
            owner: identifies the rows; only filters of equal owners are compared.
            mask: the filter.
            queries: number of queries of this use.
            enough: number of queries from which gathering is worth while; the caller that reaches it gathers.
            size: bytes that the gathered rows will take; more than `max_bytes` are not gathered.
            gather: gathers the rows that `mask` allows.
        """
        if (latest := self._latest(owner, mask)) is not None:
            return latest
        if size + mask.words.nbytes > self.max_bytes:
            return None
        with self._lock:
            filters = [one for one in reversed(self._filters) if one.owner is owner]
        none = np.zeros(0, dtype=np.int64)
        match, held, difference = None, None, none
        for one in filters:
            words, count, held = one.rows
            if abs(count - mask.count) > MAX_DIFFERENCE:
                continue
            found = none if words is mask.words else differing_rows(words, mask.words, MAX_DIFFERENCE)
            if found is not None:
                match, difference = one, found
                break
        with self._lock:
            if match is None:
                match, held = _Filter(owner, (mask.words, mask.count, None)), None
            elif match in self._filters:  # unless it was evicted in the meantime
                self._filters.remove(match)
            self._filters.append(match)
            match.uses += queries
            gathers = match.rows[2] is None and not match.busy and match.uses >= enough
            match.busy |= gathers
            if held is not None and match.rows[2] is held and not len(difference):
                match.rows = mask.words, mask.count, held  # the same bits; `latest` will know this object
            self._evict()
        if held is not None:
            if not len(difference):
                return held
            allowed = mask.mask[difference]
            return Gathered(held.subset, difference[~allowed], difference[allowed])
        return self._gather(match, mask, gather) if gathers else None

    def _gather(self, match: _Filter, mask: PackedMask, gather: Callable[[], RowSubset]) -> Gathered:
        try:
            subset = gather()
        finally:
            match.busy = False
        none = np.zeros(0, dtype=np.int64)
        gathered = Gathered(subset, none, none)
        with self._lock:
            match.rows = mask.words, mask.count, gathered
            self._evict()
        return gathered

    def _nbytes(self) -> int:
        return sum(one.nbytes for one in self._filters if one.rows[2] is not None)

    def _evict(self) -> None:
        """Drop the least recently used. Filters only seen do not push out gathered rows."""
        seen = [one for one in self._filters if one.rows[2] is None]
        for one in seen[: max(0, len(seen) - MAX_SEEN)]:
            self._filters.remove(one)
        while self._nbytes() > self.max_bytes:
            self._filters.remove(next(one for one in self._filters if one.rows[2] is not None))
