"""An index that can change while it serves: an immutable main index, a small exact delta, and deleted rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
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
from matinee.indexes.kinds import build_approximate
from matinee.indexes.scoring import Rows, Similarities, rescore
from matinee.indexes.storage import write_index

DELTA_ROWS = 1000
DELTA_SHARE = 0.1
"""An exact index merges its delta when that has more than both this many rows and this share of the main index."""
EXACT_ROWS = 16
"""An approximate search for m candidates costs about as much as scoring this many times m rows exactly."""
MAX_CANDIDATES = 1 << 20
"""Maximum number of candidates fetched at a time, over all queries of a batch; it limits memory."""
MARGIN = 10
"""Additional candidates fetched under a filter; of equal vectors the lower rows come first."""


@dataclass(frozen=True)
class _State:
    """An immutable state of the index. A search uses one state; a change replaces it.

    Attributes:
        alive: mask of the rows of the main index that were neither deleted nor replaced; None: all.
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
    """

    def __init__(self, main: ExactIndex, approximate: Approximate | None = None, recipe: Recipe | None = None) -> None:
        self._recipe = recipe or Recipe()
        self._state = _State(main, approximate, None, _empty(main.dim), len(main))
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
        return self._state.approximate

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
        return UpdatableIndex(self._state.main, None, replace(self._recipe, given_up=True))

    def with_effort(self, effort: int) -> UpdatableIndex:
        """The main index, searched with another effort."""
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
        if state.approximate is None and len(state.delta) > max(DELTA_ROWS, DELTA_SHARE * len(state.main)):
            state = _State(state.merged(), None, None, _empty(self.dim), state.count)
        self._state = state

    def save(self, folder: Path) -> None:
        """See `StoredIndex.save`. An approximate index that was changed is rebuilt first."""
        state = self._state
        main, approximate = state.merged(), state.approximate
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


def _search_main(state: _State, queries: Vectors, k: int, mask: Mask | None) -> tuple[Rows, Similarities]:
    """Like `ExactIndex.nearest`, but with the approximate index if that is faster.

    Queries with too few results, because the filter allows few rows near them, are searched exactly.
    """
    main, approximate = state.main, state.approximate
    n = len(main)
    if approximate is None or k == 0 or len(queries) == 0:
        return main.nearest(queries, k, mask)
    fetch, rank, count = k, float(k), n
    if mask is not None:
        count = state.count - len(state.delta) if mask is state.alive else int(np.count_nonzero(mask))
        if count < n:
            rank = min(k, count) * n / max(count, 1)  # expected rank among all rows if count of n are allowed
            fetch = int(rank * 1.2) + MARGIN
    if count <= EXACT_ROWS * fetch:
        return main.nearest(queries, k, mask)
    batch = max(1, MAX_CANDIDATES // fetch)
    if len(queries) > batch:
        parts = [queries[start : start + batch] for start in range(0, len(queries), batch)]
        results = [_search_main(state, part, k, mask) for part in parts]
        return np.concatenate([rows for rows, _ in results]), np.concatenate([cosines for _, cosines in results])
    candidates = _candidates(approximate, queries, fetch, k, rank, mask if count < n else None)
    rows, similarities = rescore(main.matrix, queries, candidates, k)
    if rows.shape[1] == k and (len(rows) == 1 or not bool((rows[:, -1] < 0).any())):
        return rows, similarities
    incomplete = np.ones(len(rows), dtype=np.bool_) if rows.shape[1] < k else rows[:, -1] < 0
    all_rows = np.full((len(queries), k), -1, dtype=np.int64)
    all_similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    if rows.shape[1] == k:
        all_rows[:], all_similarities[:] = rows, similarities
    all_rows[incomplete], all_similarities[incomplete] = main.nearest(queries[incomplete], k, mask)
    return all_rows, all_similarities


def _candidates(approximate: Approximate, queries: Vectors, fetch: int, k: int, rank: float, mask: Mask | None) -> Rows:
    """Allowed rows near each query: by an index that filters while it searches, else by fetching more of them."""
    effort = approximate.effort_for(rank)
    if mask is None:
        return approximate.candidates(queries, fetch, effort)
    filtered = approximate.filtered_candidates(queries, min(k + MARGIN, len(mask)), effort, mask)
    if filtered is not None:
        return filtered
    candidates = approximate.candidates(queries, fetch, effort)
    return np.where(mask[candidates], candidates, -1)  # row −1 reads the last one, and stays −1 either way


def _merged(
    items: Items, similarities: Similarities, more_items: Items, more: Similarities, k: int
) -> tuple[Items, Similarities]:
    """The k best of two results; ties go to the lower item."""
    items = np.concatenate([items, more_items], axis=1)
    similarities = np.concatenate([similarities, more], axis=1)
    # NaN sorts last.
    order = np.lexsort((items, -similarities), axis=-1)[:, :k]
    return np.take_along_axis(items, order, axis=1), np.take_along_axis(similarities, order, axis=1)
