from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_support import random_vectors
from matinee.indexes import scoring
from matinee.indexes.base import Mask, Vectors
from matinee.indexes.scoring import Rows, nearest_rows, rescore


def reference(vectors: Vectors, queries: Vectors, k: int, mask: Mask | None) -> tuple[Rows, Vectors]:
    """One row, one query at a time."""
    rows = np.full((len(queries), k), -1)
    similarities = np.full((len(queries), k), np.nan, dtype=np.float32)
    allowed = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    for i, query in enumerate(queries):
        scores = np.array([np.vecdot(vectors[row], query) for row in allowed], dtype=np.float32)
        best = np.lexsort((allowed, -scores))[:k]
        rows[i, : len(best)], similarities[i, : len(best)] = allowed[best], np.clip(scores[best], -1, 1)
    return rows, similarities


def assert_equal(got: tuple[Rows, Vectors], want: tuple[Rows, Vectors]) -> None:
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


@given(
    n=st.integers(1, 400),
    n_queries=st.integers(0, 90),
    dim=st.sampled_from([1, 2, 7, 64]),
    k=st.integers(0, 400),
    share=st.sampled_from([None, 0.0, 0.02, 0.2, 0.3, 0.9]),
    equal=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
def test_nearest_rows_are_those_of_the_slow_way(
    n: int, n_queries: int, dim: int, k: int, share: float | None, equal: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = random_vectors(n, dim, seed)
    vectors[rng.random(n) < equal] = vectors[0]
    queries = vectors[rng.integers(0, n, n_queries)]
    mask = None if share is None else rng.random(n) < share
    k = min(k, n)
    some = slice(0, 6)  # of the slow way
    rows, similarities = nearest_rows(vectors, queries, k, mask)
    assert rows.shape == similarities.shape == (n_queries, k)
    assert_equal((rows[some], similarities[some]), reference(vectors, queries[some], k, mask))


@pytest.mark.parametrize("k", [1, 10, 90])
@pytest.mark.parametrize("share", [None, 0.1, 0.6])
def test_many_blocks(k: int, share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BLOCK_VALUES", 2000)
    vectors, queries = random_vectors(4000, 16, clusters=9), random_vectors(130, 16, seed=1, clusters=9)
    vectors = vectors[np.argsort(vectors[:, 0])]  # so that blocks differ
    mask = None if share is None else np.random.default_rng(0).random(4000) < share
    rows, similarities = nearest_rows(vectors, queries, k, mask)
    for i in range(130):
        assert_equal((rows[i : i + 1], similarities[i : i + 1]), nearest_rows(vectors, queries[i : i + 1], k, mask))


def test_masses_of_equal_vectors_are_searched_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_PAIRS", 5000)
    vectors = np.repeat(random_vectors(1, 8), 1000, axis=0)
    rows, similarities = nearest_rows(vectors, np.repeat(vectors[:1], 20, axis=0), 7)
    assert (rows == np.arange(7)).all()
    assert (similarities == similarities[0, 0]).all()


@given(seed=st.integers(0, 20), n_queries=st.integers(1, 5), m=st.integers(0, 9), k=st.integers(0, 12))
def test_rescored_candidates_are_those_of_the_slow_way(seed: int, n_queries: int, m: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = random_vectors(30, 6, seed), random_vectors(n_queries, 6, seed + 100)
    candidates = np.stack([rng.permutation(30)[:m] for _ in range(n_queries)]).reshape(n_queries, m)
    candidates[rng.random(candidates.shape) < 0.3] = -1
    rows, similarities = rescore(vectors, queries, candidates, k)
    assert rows.shape[1] <= min(k, m)
    for i in range(n_queries):
        mask = np.isin(np.arange(30), candidates[i])
        want = reference(vectors, queries[i : i + 1], rows.shape[1], mask)
        assert_equal((rows[i : i + 1], similarities[i : i + 1]), want)
