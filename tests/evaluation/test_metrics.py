"""Metrics against a slow reference in plain Python, by properties, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee.evaluation import metrics as m
from matinee.evaluation.metrics import rank


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, sp.csr_matrix, int]:
    """Lists of distinct films (some end early), what is relevant, and the number of films."""
    n_items, k, n_users = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(st.integers(1, 5))
    ranked = np.full((n_users, k), -1, dtype=np.int64)
    relevant = np.zeros((n_users, n_items), dtype=np.float32)
    for user in range(n_users):
        films = draw(st.permutations(range(n_items)))[: draw(st.integers(0, min(k, n_items)))]
        ranked[user, : len(films)] = films
        for film in draw(st.sets(st.integers(0, n_items - 1))):
            relevant[user, film] = 1
    return ranked, sp.csr_matrix(relevant), n_items


def slow(name: str, films: list[int], relevant: set[int], k: int) -> float:
    """One user's metric, in plain Python."""
    if not relevant:
        return math.nan
    places = [place for place, film in enumerate(films, start=1) if film in relevant]
    if name == "ndcg":
        best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))
        return sum(1 / math.log2(place + 1) for place in places) / best
    if name == "precision":
        return len(places) / k
    if name == "recall":
        return len(places) / len(relevant)
    if name == "map":
        return sum(hit / place for hit, place in enumerate(places, start=1)) / len(relevant)
    if name == "mrr":
        return 1 / places[0] if places else 0.0
    return float(bool(places))


@settings(deadline=None)
@given(cases())
def test_ranking_metrics_agree_with_the_slow_reference(case: tuple[np.ndarray, sp.csr_matrix, int]) -> None:
    ranked, relevant, _ = case
    hits, n_relevant = m.hits_of(ranked, relevant)
    for name, metric in m.RANKING.items():
        expected = [
            slow(name, [f for f in row if f >= 0], set(relevant[user].indices.tolist()), ranked.shape[1])
            for user, row in enumerate(ranked.tolist())
        ]
        np.testing.assert_allclose(metric(hits, n_relevant), expected, err_msg=name)


@settings(deadline=None)
@given(cases())
def test_ranking_metrics_are_bounded_and_perfect_lists_reach_the_bound(
    case: tuple[np.ndarray, sp.csr_matrix, int],
) -> None:
    ranked, relevant, n_items = case
    k = ranked.shape[1]
    hits, n_relevant = m.hits_of(ranked, relevant)
    for metric in m.RANKING.values():
        values = metric(hits, n_relevant)
        values = values[~np.isnan(values)]
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    best = np.full_like(ranked, -1)
    for user in range(len(ranked)):
        films = relevant[user].indices[:k]
        best[user, : len(films)] = films
    hits, n_relevant = m.hits_of(best, relevant)
    for metric in (m.ndcg, m.reciprocal_rank, m.hit_rate):
        np.testing.assert_allclose(metric(hits, n_relevant)[n_relevant > 0], 1.0)
    assert 0 <= m.coverage(ranked, n_items) <= 1
    assert 0 <= m.gini(ranked, n_items) < 1


@settings(deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_moving_a_hit_forward_never_hurts(case: tuple[np.ndarray, sp.csr_matrix, int], random) -> None:  # type: ignore[no-untyped-def]
    ranked, relevant, _ = case
    hits, n_relevant = m.hits_of(ranked, relevant)
    better = hits.copy()
    for row in better:
        places = np.flatnonzero(row)
        if len(places) and places[-1] > 0:
            place = random.choice(places.tolist())
            if place and not row[place - 1]:
                row[[place - 1, place]] = True, False
    for metric in m.RANKING.values():
        before, after = metric(hits, n_relevant), metric(better, n_relevant)
        assert (after[n_relevant > 0] >= before[n_relevant > 0] - 1e-12).all()


def test_by_hand() -> None:
    ranked = np.array([[3, 1, 0]])
    relevant = sp.csr_matrix(np.array([[1, 0, 1, 1, 0]], dtype=np.float32))
    hits, n_relevant = m.hits_of(ranked, relevant)
    assert hits.tolist() == [[True, False, True]]
    assert n_relevant.tolist() == [3]
    assert m.ndcg(hits, n_relevant)[0] == pytest.approx(1.5 / (1 + 1 / math.log2(3) + 0.5))
    assert m.precision(hits, n_relevant)[0] == pytest.approx(2 / 3)
    assert m.recall(hits, n_relevant)[0] == pytest.approx(2 / 3)
    assert m.average_precision(hits, n_relevant)[0] == pytest.approx((1 + 2 / 3) / 3)
    assert m.reciprocal_rank(hits, n_relevant)[0] == 1.0


def test_whole_list_metrics_by_hand() -> None:
    ranked = np.array([[0, 1], [0, -1]])
    assert m.exposure(ranked, 4).tolist() == [2, 1, 0, 0]
    assert m.coverage(ranked, 4) == 0.5
    assert m.coverage(ranked, 0) == 0.0
    # Lorenz curve of (0, 0, 1, 2): G = Σ(2i − n − 1)x_i / (n Σx) = (1·1 + 3·2) / 12
    assert m.gini(ranked, 4) == pytest.approx(7 / 12)
    assert m.gini(np.array([[0, 1, 2, 3]]), 4) == pytest.approx(0.0)
    assert m.gini(np.full((2, 2), -1), 4) == 0.0
    assert m.novelty(ranked, np.array([8, 2, 0, 0]), 8) == pytest.approx((0 + 2 + 0) / 3)
    assert m.novelty(np.array([[3]]), np.array([8, 2, 0, 0]), 8) == pytest.approx(3.0)
    assert m.novelty(np.full((1, 2), -1), np.ones(4, dtype=np.int64), 8) == 0.0


def test_intra_list_diversity_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(9, 4)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ranked = np.array([[0, 1, 2], [5, 8, -1], [3, -1, -1], [-1, -1, -1]])
    expected = [
        np.mean([1 - vectors[a] @ vectors[b] for a in row for b in row if a < b]) for row in ([0, 1, 2], [5, 8])
    ]
    for form in (vectors, sp.csr_matrix(vectors)):
        found = m.intra_list_diversity(ranked, form)
        np.testing.assert_allclose(found[:2], expected)
        assert np.isnan(found[2:]).all()


def test_errors_of_stars() -> None:
    assert m.rmse(np.array([1.0, 3.0]), np.array([2.0, 5.0])) == pytest.approx(math.sqrt(2.5))
    assert m.mae(np.array([1.0, 3.0]), np.array([2.0, 5.0])) == 1.5
    assert math.isnan(m.rmse(np.zeros(0), np.zeros(0)))
    assert math.isnan(m.mae(np.zeros(0), np.zeros(0)))


def test_rank_leaves_out_what_was_seen_and_what_has_no_score() -> None:
    scores = np.array([[5, 4, 3, np.nan], [np.nan] * 4], dtype=np.float32)
    scores.setflags(write=False)
    seen = sp.csr_matrix(np.array([[1, 0, 0, 0], [0, 0, 0, 0]], dtype=np.float32))
    assert rank(scores, seen, 3).tolist() == [[1, 2, -1], [-1, -1, -1]]
