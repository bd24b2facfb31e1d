from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matinee._util.topk import top_n
from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.engine.catalog_cache import Rerankers
from matinee.engine.diversity import diversify
from matinee.errors import InvalidInputError
from matinee.models.preference import StarScale

SCORES = hnp.arrays(
    np.float32,
    st.integers(0, 40),
    elements=st.one_of(
        st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("-inf"), float("inf")]), st.floats(-3, 3, width=32)
    ),
)


@settings(deadline=None)
@given(SCORES, st.integers(-1, 50))
def test_top_n_is_a_stable_sort_cut_off(scores: np.ndarray, n: int) -> None:
    allowed = [row for row in range(len(scores)) if scores[row] > -np.inf]
    expected = sorted(allowed, key=lambda row: -scores[row])[: max(n, 0)]
    rows = top_n(scores, n)
    assert rows.dtype == np.int64
    assert rows.tolist() == expected


@pytest.mark.parametrize("kind", ["normal", "few values", "constant", "mostly nan", "all nan", "rising"])
@pytest.mark.parametrize("n", [1, 10, 300])
def test_top_n_of_many(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    scores = rng.normal(size=5001).astype(np.float32)
    if kind == "few values":
        scores = np.round(scores)
    elif kind == "constant":
        scores[:] = 1.5
    elif kind == "mostly nan":
        scores[rng.random(5001) < 0.99] = np.nan
    elif kind == "all nan":
        scores[:] = np.nan
    elif kind == "rising":
        scores.sort()
    expected = sorted((row for row in range(5001) if scores[row] > -np.inf), key=lambda row: -scores[row])[:n]
    assert top_n(scores, n).tolist() == expected


def unit(n: int, d: int, seed: int) -> np.ndarray:
    vectors = np.abs(np.random.default_rng(seed).normal(size=(n, d))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow_mmr(candidates, scores, vectors, n, diversity):  # type: ignore[no-untyped-def]
    span = (scores.max() - scores.min()) or 1.0
    relevance = (scores - scores.min()) / span
    chosen = [int(np.argmax(relevance))]
    while len(chosen) < n:
        rest = [i for i in range(len(candidates)) if i not in chosen]
        worth = [
            (1 - diversity) * relevance[i] - diversity * max(float(vectors[i] @ vectors[j]) for j in chosen)
            for i in rest
        ]
        chosen.append(rest[int(np.argmax(worth))])
    return candidates[chosen]


@settings(deadline=None)
@given(st.integers(2, 15), st.integers(1, 15), st.floats(0.01, 1.0), st.integers(0, 99))
def test_diversify_is_maximal_marginal_relevance(m: int, n: int, diversity: float, seed: int) -> None:
    n = min(n, m)
    scores = -np.sort(-np.random.default_rng(seed).random(m)).astype(np.float32)
    candidates = np.random.default_rng(seed).permutation(1000)[:m].astype(np.int64)
    vectors = unit(m, 4, seed)
    rows = diversify(candidates, scores, vectors, n, diversity)
    assert rows.tolist() == slow_mmr(candidates, scores, vectors.astype(np.float64), n, diversity).tolist()
    sparse = diversify(candidates, scores, sp.csr_matrix(vectors), n, diversity)
    assert sparse.tolist() == rows.tolist()
    assert rows[0] == candidates[0]
    assert len(set(rows.tolist())) == n


def intra_list_similarity(rows: np.ndarray, vectors: np.ndarray) -> float:
    gram = vectors[rows] @ vectors[rows].T
    return float((gram.sum() - np.trace(gram)) / (len(rows) * (len(rows) - 1)))


def test_more_diversity_gives_less_similar_lists() -> None:
    rng = np.random.default_rng(3)
    means = []
    for diversity in (0.0, 0.3, 0.6, 1.0):
        similarity = []
        for seed in range(20):
            vectors = unit(60, 5, seed)
            scores = -np.sort(-rng.random(60)).astype(np.float32)
            similarity.append(intra_list_similarity(diversify(np.arange(60), scores, vectors, 8, diversity), vectors))
        means.append(np.mean(similarity))
    assert means == sorted(means, reverse=True)
    assert means[-1] < means[0] - 0.1


def test_diversity_zero_and_edges() -> None:
    candidates = np.array([7, 3, 9])
    scores, vectors = np.array([3, 2, 1], dtype=np.float32), unit(3, 2, 0)
    assert diversify(candidates, scores, vectors, 2, 0.0).tolist() == [7, 3]
    assert diversify(candidates, scores, vectors, 9, 0.5).tolist()[0] == 7
    assert sorted(diversify(candidates, scores, vectors, 9, 0.5).tolist()) == [3, 7, 9]
    assert diversify(candidates, scores, vectors, 0, 0.5).tolist() == []
    assert diversify(candidates, np.ones(3, dtype=np.float32), vectors, 1, 1.0).tolist() == [7]
    nothing = np.zeros(0, dtype=np.int64)
    assert diversify(nothing, np.zeros(0, dtype=np.float32), np.zeros((0, 2), dtype=np.float32), 5, 0.5).tolist() == []


def test_a_duplicate_is_pushed_back() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = np.array([1.0, 0.9, 0.5], dtype=np.float32)
    assert diversify(np.array([10, 11, 12]), scores, vectors, 3, 0.7).tolist() == [10, 12, 11]
    equal = np.ones(3, dtype=np.float32)
    assert diversify(np.array([10, 11, 12]), equal, vectors, 3, 0.5).tolist() == [10, 12, 11]


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_diversity_out_of_range(diversity: float) -> None:
    with pytest.raises(InvalidInputError, match=r"outside 0\.\.1"):
        diversify(np.arange(3), np.ones(3, dtype=np.float32), unit(3, 2, 0), 2, diversity)


def test_lengths_must_fit() -> None:
    with pytest.raises(InvalidInputError, match="one score and one vector"):
        diversify(np.arange(3), np.ones(4, dtype=np.float32), unit(3, 2, 0), 2, 0.5)
    with pytest.raises(InvalidInputError, match="one score and one vector"):
        diversify(np.arange(3), np.ones(3, dtype=np.float32), unit(4, 2, 0), 2, 0.5)


# --- re-rankers of a growing catalogue ---------------------------------------------------------------------------
def test_one_reranker_for_each_state_of_the_catalogue(dataset: Dataset) -> None:
    rerankers, first = Rerankers(dataset.ratings.counts, lambda: StarScale.of(dataset)), dataset.catalog
    made = rerankers(first)
    assert rerankers(first) is made
    grown = first.with_changes([Movie(movie_id="new", title="New", genres=("Comedy",), countries=("France",))])
    after = rerankers(grown)
    assert rerankers(grown) is after
    assert after.traits.movies(after.traits.names.index((1, "france"))).tolist() == [len(first)]
    assert len(after.popularity) == len(first) + 1
    # A reader may still hold the state before.
    assert np.array_equal(rerankers(first).popularity, made.popularity)
    edited = first.with_changes([first.movie(0).model_copy(update={"genres": ("Western",)})])
    assert rerankers(edited).traits.movies(rerankers(edited).traits.names.index((0, "western"))).tolist() == [0]
