"""Cells of inverted lists under filters: how far searches look, what they find, and that one is as good as many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from index_support import assert_sound, make_index, random_vectors, recall
from matinee.indexes import UpdatableIndex, build_index
from matinee.indexes.base import Mask
from matinee.indexes.cell_search import search_cells
from matinee.indexes.cells import Cells, nearest_cells
from matinee.indexes.faiss import FaissIndex
from matinee.indexes.inverted_subset import InvertedSubset
from matinee.indexes.main_search import GATHER_ROWS
from matinee.indexes.reach import MIN_EFFORT, MOST, Reach, rest_of
from matinee.indexes.scoring import Rows, nearest_rows, rescore

N, DIM, K = GATHER_ROWS + 1000, 16, 10
ITEMS = np.arange(N, dtype=np.int64)
EFFORT = 40


@pytest.fixture(scope="module")
def everything() -> Any:
    return random_vectors(N + 200, DIM, clusters=300)


@pytest.fixture(scope="module")
def vectors(everything: Any) -> Any:
    return np.ascontiguousarray(everything[200:])


@pytest.fixture(scope="module")
def queries(everything: Any) -> Any:
    return np.ascontiguousarray(everything[:200])


@pytest.fixture(scope="module")
def lists(vectors: Any) -> UpdatableIndex:
    index: UpdatableIndex = make_index("faiss", ITEMS, vectors, variant="ivf", nprobe=EFFORT // 4)
    return index


@pytest.fixture(scope="module")
def cells(lists: UpdatableIndex) -> Cells:
    assert isinstance(lists.approximate, FaissIndex)
    return Cells.of(lists.approximate._index)


@pytest.fixture(scope="module")
def reach(vectors: Any, cells: Cells) -> Reach:
    return Reach(vectors, cells, 0)


def share(part: float, seed: int = 0) -> Mask:
    return np.random.default_rng(seed).random(N) < part


def fixed(vectors: Any, queries: Any, cells: Cells, count: int, mask: Mask) -> Rows:
    """The nearest in so many cells."""
    return search_cells(vectors, cells, queries, K, count, None, mask)[0]


def hits(found: Rows, true: Rows) -> float:
    return sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True)) / true.size


# --- cells ------------------------------------------------------------------------------------------------------
def test_every_row_is_in_one_cell(cells: Cells) -> None:
    assert np.sort(cells.order).tolist() == ITEMS.tolist()
    every = np.arange(len(cells))
    assert np.sort(cells.rows(every)).tolist() == ITEMS.tolist()
    assert len(cells.rows(every[:0])) == 0
    for cell in (0, len(cells) // 2, len(cells) - 1):
        assert set(cells.of_rows(cells.rows(np.array([cell])).astype(np.int64)).tolist()) <= {cell}


def test_one_query_has_the_similarities_that_it_has_among_many(cells: Cells, queries: Any) -> None:
    many = cells.similarities(queries)
    for i in (0, 7):
        assert np.allclose(cells.similarities(queries[i : i + 1]), many[i : i + 1], atol=1e-6)
    for count in (1, 5, len(cells), len(cells) + 9):
        near = np.sort(np.take_along_axis(many, nearest_cells(many, count), axis=1))
        assert (near == np.sort(many)[:, -count:]).all()


@pytest.mark.parametrize("part", [0.05, 0.5])
def test_all_cells_hold_what_an_exact_search_finds(vectors: Any, queries: Any, cells: Cells, part: float) -> None:
    mask = share(part)
    exact = nearest_rows(vectors, queries[:20], K, mask)
    for effort, reach in ((len(cells), None), (40, np.float32(4))):
        enough = max(effort, -(-len(cells) // MOST))
        found = search_cells(vectors, cells, queries[:20], K, enough, reach, mask)
        assert found[0].tolist() == exact[0].tolist()
        assert found[1].tolist() == exact[1].tolist()


def test_equal_vectors_come_by_row(vectors: Any, queries: Any) -> None:
    twice = np.concatenate([vectors[: N // 2]] * 2)
    index = make_index("faiss", np.arange(len(twice)), twice, variant="ivf", nprobe=EFFORT)
    assert isinstance(index.approximate, FaissIndex)
    mask = np.random.default_rng(0).random(len(twice)) < 0.5
    rows, similarities = search_cells(
        twice, Cells.of(index.approximate._index), queries, K, EFFORT, np.float32(0.1), mask
    )
    same = similarities[:, 1:] == similarities[:, :-1]
    assert same.sum() > 100
    assert (np.diff(rows)[same] > 0).all()


def test_fewer_rows_than_asked_for_are_padded(vectors: Any, queries: Any, cells: Cells) -> None:
    mask = np.zeros(N, dtype=np.bool_)
    mask[[5, 900]] = True
    rows, similarities = search_cells(vectors, cells, queries[:3], K, len(cells), np.float32(0.1), mask)
    assert (np.sort(rows[:, :2]) == [5, 900]).all()
    assert (rows[:, 2:] == -1).all()
    assert np.isnan(similarities[:, 2:]).all()


# --- reach ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("part", [0.1, 0.3])
def test_a_reach_finds_as_many_as_a_fixed_number_of_cells_and_looks_into_fewer(
    vectors: Any, queries: Any, cells: Cells, reach: Reach, part: float
) -> None:
    mask = share(part)
    distance = reach.of(K / part, EFFORT)
    assert distance is not None
    true = nearest_rows(vectors, queries, K, mask)[0]
    found = search_cells(vectors, cells, queries, K, EFFORT, distance, mask)[0]
    assert hits(found, true) >= hits(fixed(vectors, queries, cells, EFFORT, mask), true) - 0.01
    near = cells.similarities(queries)
    kth = np.vecdot(vectors[found[:, -1]], queries)
    assert (near >= kth[:, None] - distance).sum(axis=1).mean() < EFFORT


def test_queries_far_from_what_a_filter_allows_look_farther(
    vectors: Any, queries: Any, cells: Cells, reach: Reach
) -> None:
    order = np.argsort(vectors @ queries[0])
    mask = np.zeros(N, dtype=np.bool_)
    mask[order[: N // 10]] = True  # the tenth that is least like this query
    true = nearest_rows(vectors, queries, K, mask)[0]
    found = search_cells(vectors, cells, queries, K, EFFORT, reach.of(10 * K, EFFORT), mask)[0]
    whole = found[:, -1] >= 0  # an index searches the others exactly
    assert whole.mean() > 0.8
    before = hits(fixed(vectors, queries, cells, EFFORT, mask)[whole], true[whole])
    assert hits(found[whole], true[whole]) > max(before + 0.05, 0.95)


def test_a_reach_is_measured_where_there_is_something_to_save(reach: Reach, cells: Cells) -> None:
    assert reach.of(K, MIN_EFFORT - 1) is None
    assert reach.of(K, len(cells)) is None
    assert reach.of(1e6, EFFORT) is None
    distance = reach.of(K, EFFORT)
    assert distance is not None
    assert 0 <= distance < 2
    longer = reach.of(K, 4 * EFFORT)
    assert longer is not None
    assert longer > distance
    assert reach.of(K, EFFORT) is distance


def test_no_query_looks_into_more_cells_than_the_limit() -> None:
    similarities = np.linspace(-1, 1, 1000, dtype=np.float32)
    first = np.array([999, 998])
    rest = rest_of(similarities.copy(), first, np.float32(-1), 10)
    assert sorted(rest.tolist()) == list(range(998 - MOST * 10, 998))
    rest = rest_of(similarities.copy(), first, None, 10)
    assert sorted(rest.tolist()) == list(range(990, 998))
    assert len(rest_of(similarities.copy(), first, np.float32(0.9999), 10)) == 0


# --- gathered rows ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("distance", [None, 0.0, 0.2])
@pytest.mark.parametrize("threads", [1, 2])
def test_one_query_finds_what_it_finds_among_many(
    vectors: Any, queries: Any, cells: Cells, distance: float | None, threads: int
) -> None:
    import faiss

    mask = share(0.1)
    reach = None if distance is None else np.float32(distance)
    subset = InvertedSubset(vectors, mask, cells, lambda effort: reach)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        many = rescore(vectors, queries, subset.candidates(queries, K, EFFORT), K)[0]
        single = [subset.candidates(query[None], K, EFFORT) for query in queries]
        assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    first = search_cells(vectors, cells, queries, K, EFFORT, reach, mask)[0]
    ones = np.concatenate(
        [rescore(vectors, query[None], each, K)[0] for query, each in zip(queries, single, strict=True)]
    )
    assert ones.tolist() == many.tolist()
    assert hits(ones, first) >= 0.995  # the same, but for cells at the very edge
    assert mask[ones].all()


def test_filters_that_leave_few_rows_near_a_query_are_searched_in_the_fixed_number_of_cells(
    vectors: Any, queries: Any, cells: Cells
) -> None:
    subset = InvertedSubset(vectors, share(0.0005), cells, lambda effort: np.float32(0))
    true = nearest_rows(vectors, queries, K, share(0.0005))[0]
    many = rescore(vectors, queries, subset.candidates(queries, K, len(cells) - 1), K)[0]
    assert hits(many, true) > 0.95
    one = rescore(vectors, queries[:1], subset.candidates(queries[:1], K, len(cells) - 1), K)[0]
    assert one.tolist() == many[:1].tolist()


@pytest.mark.parametrize("k", [1, 10, 60])
def test_filters_of_any_kind_are_kept(lists: UpdatableIndex, vectors: Any, queries: Any, k: int) -> None:
    exact = build_index("exact", ITEMS, vectors)
    region = vectors[:, 0] > np.quantile(vectors[:, 0], 0.8)
    for mask in (share(0.2), region, ~region):
        index = UpdatableIndex(lists.main, lists.approximate)
        assert index.approximate is not None
        for effort in (index.approximate.effort, 4 * index.approximate.effort):
            found = index.with_effort(effort).search(queries[:50], k, mask)
            assert_sound(found, queries[:50], k, ITEMS, vectors, mask, False)
        assert recall(found, exact.search(queries[:50], k, mask)) > 0.9
