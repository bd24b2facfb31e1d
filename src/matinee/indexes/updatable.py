"""An index that can change while it serves: an immutable main index, a small exact delta, and deleted rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from matinee.indexes.approximate import Approximate, Recipe
from matinee.indexes.base import (
    Found,
    Items,
    Mask,
    Vectors,
    check_added,
    check_k,
    check_known,
    check_vectors,
    whole_numbers,
)
from matinee.indexes.exact import ExactIndex
from matinee.indexes.filter_cache import FilterCache
from matinee.indexes.kinds import build_approximate
from matinee.indexes.main_search import MainPart
from matinee.indexes.packed_mask import FrozenMasks, PackedMask, Words
from matinee.indexes.scoring import Rows, Similarities
from matinee.indexes.storage import write_index

DELTA_ROWS = 1000
DELTA_SHARE = 0.1
"""An exact index merges its delta when that has more than both this many rows and this share of the main index."""


@dataclass(frozen=True)
class _State:
    """An immutable state of the index. A search uses one state; a change replaces it.

    Attributes:
        part: the main index.
        alive: mask of the rows of the main index that were neither deleted nor replaced; None: all.
        delta: items added or replaced since the main index was built.
    """

    part: MainPart
    alive: Mask | None
    delta: ExactIndex
    count: int

    @property
    def main(self) -> ExactIndex:
        return self.part.main

    @cached_property
    def packed_alive(self) -> PackedMask | None:
        return None if self.alive is None else PackedMask.of(self.alive)

    @property
    def changed(self) -> bool:
        return self.alive is not None or len(self.delta) > 0

    def items(self) -> Items:
        if not self.changed:
            return self.main.items()
        alive = self.main.items() if self.alive is None else self.main.items()[self.alive]
        return np.sort(np.concatenate([alive, self.delta.items()]))

    def merged(self) -> ExactIndex:
        """Main index and delta as one index."""
        if not self.changed:
            return self.main
        rows = slice(None) if self.alive is None else self.alive
        return _joined(self.main.items()[rows], self.main.matrix[rows], self.delta.items(), self.delta.matrix)


def _joined(items: Items, vectors: Vectors, more_items: Items, more_vectors: Vectors) -> ExactIndex:
    items = np.concatenate([items, more_items])
    order = np.argsort(items)
    return ExactIndex.trusted(items[order], np.concatenate([vectors, more_vectors])[order])


class UpdatableIndex:
    """A `StoredIndex` of any kind.

    A change makes a new state and replaces the old one atomically (copy on write): searches in other threads see the
    state before or after it. Changes are serialized.

    Args:
        main: the vectors; memory maps are not copied until the delta is merged.
        approximate: search structure over the rows of `main`; None: search exactly.
        recipe: how the approximate index was built, so that `save` can rebuild it after changes; None: exact.
        filters: cache of the rows of filters that are asked for repeatedly; None: one of its own.
    """

    def __init__(
        self,
        main: ExactIndex,
        approximate: Approximate | None = None,
        recipe: Recipe | None = None,
        filters: FilterCache | None = None,
    ) -> None:
        self._recipe = recipe or Recipe()
        self._filters = FilterCache() if filters is None else filters
        self._frozen = FrozenMasks()
        self._last: tuple[Words, int] | None = None
        """Bits and number of rows of the last mask that was read; the next is often equal."""
        self._state = _State(MainPart(main, approximate, self._filters), None, _empty(main.dim), len(main))
        self._changes = threading.Lock()

    @property
    def kind(self) -> str:
        """One of `Kind`."""
        return self._recipe.kind

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        return self._state.main.dim

    @property
    def approximate(self) -> Approximate | None:
        """The search structure of the main index; None if it is searched exactly."""
        return self._state.part.approximate

    @property
    def main(self) -> ExactIndex:
        """The main index, without the changes in the delta."""
        return self._state.main

    @property
    def given_up(self) -> bool:
        """Whether it is searched exactly because the recall of its kind is too low."""
        return self._recipe.given_up

    def exactly(self) -> UpdatableIndex:
        """The main index, searched exactly; its kind stays."""
        return UpdatableIndex(self._state.main, None, replace(self._recipe, given_up=True), self._filters)

    def with_effort(self, effort: int) -> UpdatableIndex:
        """The main index, searched with another effort."""
        main, approximate = self._state.main, self.approximate
        effective = None if approximate is None else approximate.with_effort(effort)
        return UpdatableIndex(main, effective, self._recipe, self._filters)

    def __len__(self) -> int:
        return self._state.count

    def items(self) -> Items:
        """See `VectorIndex.items`."""
        return self._state.items()

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        state = self._state
        items = whole_numbers(items)
        main, delta = _rows_of(state, items)
        vectors = np.empty((len(items), self.dim), dtype=np.float32)
        vectors[main >= 0] = state.main.matrix[main[main >= 0]]
        vectors[delta >= 0] = state.delta.matrix[delta[delta >= 0]]
        return vectors

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        state = self._state
        queries = check_vectors(queries, state.main.dim)
        k = min(check_k(k), state.count)
        mask = self._mask(state, allowed)
        rows, similarities = state.part.nearest(queries, min(k, len(state.main)), mask)
        items = state.main.items_of(rows)
        if len(state.delta):
            few = None if allowed is None else state.delta.mask(allowed)
            rows, more = state.delta.nearest(queries, min(k, len(state.delta)), few)
            items, similarities = _merged(items, similarities, state.delta.items_of(rows), more, k)
        return Found(items, similarities)

    def _mask(self, state: _State, allowed: Mask | None) -> PackedMask | None:
        """The rows of the main index that may be found; None: all."""
        alive = state.alive
        if allowed is None:
            return state.packed_alive

        def pack() -> PackedMask:
            mask = state.main.mask(allowed)
            packed, last = PackedMask.of(mask if alive is None else mask & alive), self._last
            if last is not None:
                packed = packed.sharing(*last)
            self._last = packed.words, packed.count
            return packed

        return self._frozen.packed(allowed, state.part, alive, pack)

    def add(self, items: Items, vectors: Vectors) -> None:
        """See `VectorIndex.add`."""
        items, added = check_added(items, vectors, self.dim)
        if len(items) == 0:
            return
        with self._changes:
            state = self._state
            unchanged = ~np.isin(state.delta.items(), items)
            delta = _joined(state.delta.items()[unchanged], state.delta.matrix[unchanged], items, added)
            self._put(replace(state, alive=_without(state, state.main.rows_of(items)), delta=delta))

    def delete(self, items: Items) -> None:
        """See `VectorIndex.delete`."""
        items = whole_numbers(items)
        if len(items) == 0:
            return
        with self._changes:
            state = self._state
            main, delta = _rows_of(state, items)
            remaining = np.ones(len(state.delta), dtype=np.bool_)
            remaining[delta[delta >= 0]] = False
            index = ExactIndex.trusted(state.delta.items()[remaining], state.delta.matrix[remaining])
            self._put(replace(state, alive=_without(state, main), delta=index))

    def _put(self, state: _State) -> None:
        """Replace the state. Merges a delta that has grown too large."""
        n_alive = len(state.main) if state.alive is None else int(np.count_nonzero(state.alive))
        state = replace(state, count=n_alive + len(state.delta))
        if state.part.approximate is None and len(state.delta) > max(DELTA_ROWS, DELTA_SHARE * len(state.main)):
            part = MainPart(state.merged(), None, self._filters)
            state = _State(part, None, _empty(self.dim), state.count)
        self._state = state

    def save(self, folder: Path) -> None:
        """See `StoredIndex.save`. An approximate index that was changed is rebuilt first."""
        state = self._state
        main, approximate = state.merged(), state.part.approximate
        if state.changed or approximate is None:
            approximate = build_approximate(self._recipe, main)
        write_index(folder, self._recipe, main, approximate)


def _empty(dim: int) -> ExactIndex:
    return ExactIndex.trusted(np.zeros(0, dtype=np.int64), np.zeros((0, dim), dtype=np.float32))


def _rows_of(state: _State, items: Items) -> tuple[Rows, Rows]:
    """Rows of items in the main index and in the delta; −1 if not there.

    Raises:
        NotFoundError: an item is in neither.
    """
    main, delta = state.main.rows_of(items), state.delta.rows_of(items)
    if state.alive is not None:
        main = np.where(state.alive[main], main, -1)  # row −1 reads the last one, and stays −1 either way
    check_known(items, (main >= 0) | (delta >= 0))
    return main, delta


def _without(state: _State, rows: Rows) -> Mask | None:
    """The mask of rows of the main index, without the given rows (−1 is ignored)."""
    rows = rows[rows >= 0]
    if len(rows) == 0:
        return state.alive
    alive = np.ones(len(state.main), dtype=np.bool_) if state.alive is None else state.alive.copy()
    alive[rows] = False
    return alive


def _merged(
    items: Items, similarities: Similarities, more_items: Items, more: Similarities, k: int
) -> tuple[Items, Similarities]:
    """The k best of two results; ties go to the lower item."""
    items = np.concatenate([items, more_items], axis=1)
    similarities = np.concatenate([similarities, more], axis=1)
    # NaN sorts last.
    order = np.lexsort((items, -similarities), axis=-1)[:, :k]
    return np.take_along_axis(items, order, axis=1), np.take_along_axis(similarities, order, axis=1)
