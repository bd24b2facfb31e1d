"""An index that changes while it serves: an immutable main index, a small exact delta over it, and what was deleted."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from matinee.errors import InvalidInputError, NotFoundError
from matinee.indexes.approximate import Approximate, Recipe
from matinee.indexes.base import Found, Items, Mask, Vectors, check_k, check_vectors, whole_numbers
from matinee.indexes.exact import ExactIndex
from matinee.indexes.kinds import build_approximate
from matinee.indexes.scoring import Rows, Similarities, rescore
from matinee.indexes.storage import write_index

DELTA_ROWS = 1000
DELTA_SHARE = 0.1
"""An exact index takes its delta in when it has more than so many rows and more than this share of the main index."""
EXACT_ROWS = 16
"""An approximate search that must fetch m candidates costs about as much as scoring m times as many rows exactly."""
MAX_CANDIDATES = 1 << 20
"""Candidates fetched at a time, over all queries of a batch: so memory stays small."""
MARGIN = 10
"""Candidates fetched under a filter beyond those expected to be needed."""


@dataclass(frozen=True)
class _State:
    """What a search sees; never changed, only replaced.

    Attributes:
        alive: rows of the main index that were neither deleted nor replaced; None: all.
        delta: items added or replaced since the main index was built.
    """

    main: ExactIndex
    approximate: Approximate | None
    alive: Mask | None
    delta: ExactIndex
    count: int

    @property
    def changed(self) -> bool:
        return self.alive is not None or len(self.delta) > 0

    def items(self) -> Items:
        if not self.changed:
            return self.main.items()
        kept = self.main.items() if self.alive is None else self.main.items()[self.alive]
        return np.sort(np.concatenate([kept, self.delta.items()]))

    def living(self) -> ExactIndex:
        """All that can be found, as one index."""
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

    A change makes a new state and puts it in place in one step (copy on write): searches in other threads see the
    state before or after. Changes wait for each other.

    Args:
        main: the vectors; memory-mapped ones stay so until a change takes them in.
        approximate: over the rows of `main`; None: search exactly.
        recipe: how the approximate index was built, which `save` does again after changes; None: exact.
    """

    def __init__(self, main: ExactIndex, approximate: Approximate | None = None, recipe: Recipe | None = None) -> None:
        self._recipe = recipe or Recipe()
        self._state = _State(main, approximate, None, _nothing(main.dim), len(main))
        self._changes = threading.Lock()

    @property
    def kind(self) -> str:
        """One of `Kind`."""
        return self._recipe.kind

    @property
    def dim(self) -> int:
        """Values in a vector."""
        return self._state.main.dim

    @property
    def approximate(self) -> Approximate | None:
        """The search structure of the main index; None where it is searched exactly."""
        return self._state.approximate

    @property
    def main(self) -> ExactIndex:
        """The vectors that it was made of, or those taken in last."""
        return self._state.main

    @property
    def given_up(self) -> bool:
        """Whether it is searched exactly because its kind misses too much."""
        return self._recipe.given_up

    def exactly(self) -> UpdatableIndex:
        """The same items, before any change, searched exactly; its kind stays."""
        return UpdatableIndex(self._state.main, None, replace(self._recipe, given_up=True))

    def with_effort(self, effort: int) -> UpdatableIndex:
        """The same index, before any change, searched with another effort."""
        approximate = self._state.approximate
        return UpdatableIndex(
            self._state.main, None if approximate is None else approximate.with_effort(effort), self._recipe
        )

    def __len__(self) -> int:
        return self._state.count

    def items(self) -> Items:
        """See `VectorIndex.items`."""
        return self._state.items()

    def vectors(self, items: Items) -> Vectors:
        """See `VectorIndex.vectors`."""
        state = self._state
        items = whole_numbers(items)
        main, delta = _places(state, items)
        found = np.empty((len(items), self.dim), dtype=np.float32)
        found[main >= 0] = state.main.matrix[main[main >= 0]]
        found[delta >= 0] = state.delta.matrix[delta[delta >= 0]]
        return found

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> Found:
        """See `VectorIndex.search`."""
        state = self._state
        queries = check_vectors(queries, state.main.dim)
        k = min(check_k(k), state.count)
        mask = state.alive
        if allowed is not None:
            mask = state.main.mask(allowed)
            if state.alive is not None:
                mask = mask & state.alive
        rows, similarities = _search_main(state, queries, min(k, len(state.main)), mask)
        items = state.main.items_of(rows)
        if len(state.delta):
            mask = None if allowed is None else state.delta.mask(allowed)
            rows, more = state.delta.nearest(queries, min(k, len(state.delta)), mask)
            items, similarities = _merged(items, similarities, state.delta.items_of(rows), more, k)
        return Found(items, similarities)

    def add(self, items: Items, vectors: Vectors) -> None:
        """See `VectorIndex.add`."""
        items = whole_numbers(items)
        if len(items) == 0:
            return
        added = check_vectors(vectors, self.dim)
        if int(items.min()) < 0:
            raise InvalidInputError(f"The item number {int(items.min())} is negative.", "Send catalog rows.")
        if len(items) != len(added):
            raise InvalidInputError(f"{len(items)} items came with {len(added)} vectors.", "Send one for each.")
        if len(np.unique(items)) != len(items):
            raise InvalidInputError("An item number is repeated.", "Send each item once.")
        with self._changes:
            state = self._state
            kept = ~np.isin(state.delta.items(), items)
            delta = _joined(state.delta.items()[kept], state.delta.matrix[kept], items, added)
            self._put(replace(state, alive=_without(state, state.main.rows_of(items)), delta=delta))

    def delete(self, items: Items) -> None:
        """See `VectorIndex.delete`."""
        items = whole_numbers(items)
        if len(items) == 0:
            return
        with self._changes:
            state = self._state
            main, delta = _places(state, items)
            kept = np.ones(len(state.delta), dtype=np.bool_)
            kept[delta[delta >= 0]] = False
            left = ExactIndex.trusted(state.delta.items()[kept], state.delta.matrix[kept])
            self._put(replace(state, alive=_without(state, main), delta=left))

    def _put(self, state: _State) -> None:
        """Put a state in place, with its delta taken in where it has grown large."""
        left = len(state.main) if state.alive is None else int(np.count_nonzero(state.alive))
        state = replace(state, count=left + len(state.delta))
        if state.approximate is None and len(state.delta) > max(DELTA_ROWS, DELTA_SHARE * len(state.main)):
            state = _State(state.living(), None, None, _nothing(self.dim), state.count)
        self._state = state

    def save(self, folder: Path) -> None:
        """See `StoredIndex.save`; an approximate index that was changed is built again first."""
        state = self._state
        main, approximate = state.living(), state.approximate
        if state.changed or approximate is None:
            approximate = build_approximate(self._recipe, main)
        write_index(folder, self._recipe, main, approximate)


def _nothing(dim: int) -> ExactIndex:
    return ExactIndex.trusted(np.zeros(0, dtype=np.int64), np.zeros((0, dim), dtype=np.float32))


def _places(state: _State, items: Items) -> tuple[Rows, Rows]:
    """Living rows of items in the main index and in the delta; −1 for those that are not in it.

    Raises:
        NotFoundError: an item that is in neither.
    """
    main, delta = state.main.rows_of(items), state.delta.rows_of(items)
    if state.alive is not None:
        main = np.where(state.alive[main], main, -1)  # −1 reads the last row, and stays −1 either way
    absent = (main < 0) & (delta < 0)
    if absent.any():
        raise NotFoundError(f"The index has no item {int(items[int(np.argmax(absent))])}.", "Nothing was changed.")
    return main, delta


def _without(state: _State, rows: Rows) -> Mask | None:
    """The living rows of the main index less some (−1 is none)."""
    rows = rows[rows >= 0]
    if len(rows) == 0:
        return state.alive
    alive = np.ones(len(state.main), dtype=np.bool_) if state.alive is None else state.alive.copy()
    alive[rows] = False
    return alive


def _search_main(state: _State, queries: Vectors, k: int, mask: Mask | None) -> tuple[Rows, Similarities]:
    """As `ExactIndex.nearest`, by the approximate index where that is faster.

    Queries for which it finds too few, because a filter leaves few near them, are searched exactly.
    """
    main, approximate = state.main, state.approximate
    n = len(main)
    if approximate is None or k == 0 or len(queries) == 0:
        return main.nearest(queries, k, mask)
    fetch, rank, count = k, float(k), n
    if mask is not None:
        count = state.count - len(state.delta) if mask is state.alive else int(np.count_nonzero(mask))
        if count < n:
            rank = min(k, count) * n / max(count, 1)  # among all rows, where every count-th of n is allowed
            fetch = int(rank * 1.2) + MARGIN
    if count <= EXACT_ROWS * fetch:
        return main.nearest(queries, k, mask)
    together = max(1, MAX_CANDIDATES // fetch)
    if len(queries) > together:
        parts = [queries[start : start + together] for start in range(0, len(queries), together)]
        found = [_search_main(state, part, k, mask) for part in parts]
        return np.concatenate([rows for rows, _ in found]), np.concatenate([cosines for _, cosines in found])
    candidates = approximate.candidates(queries, fetch, approximate.effort_for(rank))
    if mask is not None and count < n:
        candidates = np.where(mask[candidates], candidates, -1)  # −1 reads the last row, and stays −1 either way
    rows, similarities = rescore(main.matrix, queries, candidates, k)
    if rows.shape[1] == k and (len(rows) == 1 or not bool((rows[:, -1] < 0).any())):
        return rows, similarities
    poor = np.ones(len(rows), dtype=np.bool_) if rows.shape[1] < k else rows[:, -1] < 0
    all_rows = np.full((len(queries), k), -1, dtype=np.int64)
    all_similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    if rows.shape[1] == k:
        all_rows[:], all_similarities[:] = rows, similarities
    all_rows[poor], all_similarities[poor] = main.nearest(queries[poor], k, mask)
    return all_rows, all_similarities


def _merged(
    items: Items, similarities: Similarities, more_items: Items, more: Similarities, k: int
) -> tuple[Items, Similarities]:
    """The k best of two answers; ties go to the lower item."""
    items = np.concatenate([items, more_items], axis=1)
    similarities = np.concatenate([similarities, more], axis=1)
    # NaN comes last in a sort.
    order = np.lexsort((items, -similarities), axis=-1)[:, :k]
    return np.take_along_axis(items, order, axis=1), np.take_along_axis(similarities, order, axis=1)
