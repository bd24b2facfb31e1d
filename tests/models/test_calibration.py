from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matinee._util.topk import top_n
from matinee.data.catalog import Catalog, Movie
from matinee.models.base import Query
from matinee.models.calibration import (
    LENGTH,
    MIN_POPULARITY,
    MIN_STANDARD_SCORE,
    SMOOTHING,
    Reranker,
    Taste,
    calibrate,
    log_scores,
    penalty,
    popularity,
)
from matinee.models.preference import StarScale

SCALE = StarScale(0.5, 5.0, 3.5, 1.0)
NAN = float("nan")


def world(n_items: int = 400, seed: int = 0) -> tuple[Catalog, np.ndarray]:
    """Films of which one in twenty is French, one a western, and counts with a long tail."""
    rng = np.random.default_rng(seed)
    films = [
        Movie(
            movie_id=str(row),
            title=f"Film {row}",
            year=1950 + int(rng.integers(0, 70)),
            genres=("Western",) if row % 20 == 7 else ("Comedy",) if row % 5 == 1 else ("Action",),
            countries=("France",) if row % 20 == 3 else ("United States",),
            languages=("French",) if row % 20 == 3 else ("English",),
        )
        for row in range(n_items)
    ]
    return Catalog.of(films), np.floor(rng.pareto(0.8, n_items) * 3).astype(np.int64)


CATALOG, COUNTS = world()
RERANKER = Reranker(CATALOG, COUNTS, SCALE)
FRENCH = np.arange(3, 400, 20)


def history(*rows: int, stars: float = 5.0) -> Query:
    return Query(np.array(rows, dtype=np.int64), np.full(len(rows), stars, dtype=np.float32))


def random_scores(seed: int) -> np.ndarray:
    """Scores that follow popularity, as those of models do."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=len(COUNTS)) + 0.7 * np.log1p(COUNTS)).astype(np.float32)


# --- parts -----------------------------------------------------------------------------------------------------
def test_popularity_is_standardised_over_the_rated_films() -> None:
    found = popularity(np.array([0, 1, 3, 0]))
    assert found[1:3] == pytest.approx([-1.0, 1.0])
    assert found[0] == found[3] == MIN_POPULARITY == -2.0
    assert popularity(np.zeros(3, dtype=np.int64)).tolist() == [0.0, 0.0, 0.0]
    assert popularity(np.full(3, 7)).tolist() == [0.0, 0.0, 0.0]


def test_the_penalty_grows_and_waits_until_somebody_is_known() -> None:
    assert penalty(0.5, 0.0) == 0.0
    assert penalty(0.5, 10.0) == pytest.approx(0.05)
    assert penalty(0.0, 10.0) == -0.15
    assert penalty(1.0, 0.0) == penalty(1.0, 99.0) == 0.35
    for likes in (0.0, 3.0, 500.0):
        steps = [penalty(a, likes) for a in np.linspace(0, 1, 21)]
        assert steps == sorted(steps)


def test_log_scores_by_hand() -> None:
    found = log_scores(np.array([1.0, NAN, 3.0, -np.inf, 5.0], dtype=np.float32))
    deviation = math.sqrt(8 / 3)
    assert found[4] == pytest.approx(math.log(2 / deviation), rel=1e-5)
    assert found[2] == pytest.approx(math.log(MIN_STANDARD_SCORE) - MIN_STANDARD_SCORE, rel=1e-5)
    assert found[0] == pytest.approx(math.log(MIN_STANDARD_SCORE) - 2 / deviation - MIN_STANDARD_SCORE, rel=1e-5)
    assert np.isnan(found[[1, 3]]).all()
    assert np.isnan(log_scores(np.full(3, NAN, dtype=np.float32))).all()
    assert len(set(log_scores(np.full(3, 0.1, dtype=np.float32)).tolist())) == 1


@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=40))
def test_log_scores_keep_the_order(values: list[float]) -> None:
    scores = np.array(values, dtype=np.float32)
    found = log_scores(scores)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


def lost(relevance, shares, taste, chosen, strength):  # type: ignore[no-untyped-def]
    """By how much each choice falls short of the best one by the objective itself, for each candidate anew."""

    def worth(rows: list[int]) -> float:
        q = shares[:, rows].sum(axis=1) / LENGTH
        told = float((taste.weights * np.log(SMOOTHING * taste.shares + (1 - SMOOTHING) * q)).sum())
        return (1 - strength) * float(relevance[rows].sum()) + strength * LENGTH * told

    short = []
    for position, row in enumerate(chosen):
        before = chosen[:position]
        rest = [other for other in range(len(relevance)) if other not in before]
        short.append(max(worth([*before, other]) for other in rest) - worth([*before, row]))
    return short


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 14), st.floats(0, 1), st.integers(0, 999))
def test_calibrate_is_greedy_by_its_objective(m: int, n_traits: int, n: int, strength: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.random((n_traits, m)) * (rng.random((n_traits, m)) < 0.5)
    taste = Taste(np.arange(n_traits), rng.random(n_traits) * 0.9 + 0.05, rng.random(n_traits))
    relevance = rng.normal(size=m)
    chosen = calibrate(relevance, shares, taste, n, strength).tolist()
    assert len(set(chosen)) == len(chosen) == min(n, m)
    assert max(lost(relevance, shares, taste, chosen, strength), default=0.0) < 1e-9


# --- tastes ----------------------------------------------------------------------------------------------------
def named(taste: Taste) -> dict[str, float]:
    return {RERANKER.traits.names[t][1]: float(w) for t, w in zip(taste.traits, taste.weights, strict=True)}


def test_what_is_rare_and_loved_weighs_most() -> None:
    weights = named(RERANKER.taste(history(3, 23, 43)))
    assert max(weights, key=weights.__getitem__) == "france"
    assert "english" not in weights
    assert "united states" not in weights
    assert weights["france"] == pytest.approx(2 * weights["french"]), "languages count half"


def test_shares_and_weights_by_hand() -> None:
    france = RERANKER.traits.names.index((1, "france"))
    b = float((COUNTS + 1.0)[FRENCH].sum() / (COUNTS + 1.0).sum())
    liking = float(SCALE.preferences(np.array([5.0], dtype=np.float32))[0])
    taste = RERANKER.taste(history(3))
    p = (liking + 2 * b) / (liking + 2)
    position = taste.traits.tolist().index(france)
    assert taste.shares[position] == pytest.approx(p)
    assert taste.weights[position] == pytest.approx((p * math.log(p / b)) ** 2)


def test_what_is_disliked_or_missing_is_no_taste() -> None:
    assert named(RERANKER.taste(history(3, 23, stars=0.5))) == {}
    assert named(RERANKER.taste(Query())) == {}
    liked, disliked = history(7, 27), history(3, 23, stars=0.5)
    both = Query(np.concatenate([liked.rows, disliked.rows]), np.concatenate([liked.ratings, disliked.ratings]))
    assert "france" not in named(RERANKER.taste(both))


def test_everybody_is_nobody_in_particular() -> None:
    weights = RERANKER.taste(history(*np.argsort(-COUNTS)[:100].tolist())).weights
    assert weights.sum() < 0.1 * RERANKER.taste(history(3, 23, 43)).weights.sum()


# --- lists -----------------------------------------------------------------------------------------------------
def french(rows: np.ndarray) -> int:
    return int(np.isin(rows, FRENCH).sum())


def test_a_small_taste_is_shown_although_the_scores_drown_it() -> None:
    scores, query = random_scores(1), history(3, 23, 43)
    scores[FRENCH] -= 1.0  # none among the best hundred
    allowed = ~np.isin(np.arange(400), query.rows)
    assert french(top_n(scores, 10)) == 0
    assert french(RERANKER.pick(scores, query, 10, allowed=allowed, strength=0)) == 0
    assert french(RERANKER.pick(scores, query, 10, allowed=allowed, strength=0.8)) >= 5
    assert french(RERANKER.pick(scores, Query(), 10, allowed=allowed, strength=0.8)) == 0


def test_two_tastes_show_both() -> None:
    rows = RERANKER.pick(random_scores(2), history(3, 23, 43, 7, 27, 47), 10, strength=0.9)
    assert french(rows) >= 3
    assert int((rows % 20 == 7).sum()) >= 3


def test_more_strength_shows_more() -> None:
    query = history(3, 23, 43)
    shown = [
        np.mean([french(RERANKER.pick(random_scores(seed), query, 10, strength=s)) for seed in range(20)])
        for s in (0.0, 0.3, 0.6, 1.0)
    ]
    assert shown == sorted(shown)
    assert shown[-1] > shown[0] + 3


def mean_popularity(rows: np.ndarray) -> float:
    return float(RERANKER.popularity[rows].mean(dtype=np.float64))


@given(st.integers(0, 500), st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
def test_more_adventurous_is_never_better_known(seed: int, n: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    scores, query = random_scores(seed), history(2, 7, 11)
    known, unknown = (RERANKER.pick(scores, query, n, adventurous=a, strength=0) for a in (low, high))
    assert mean_popularity(unknown) <= mean_popularity(known) + 1e-5


def test_calibrated_lists_too_are_less_known_on_average() -> None:
    query = history(3, 23, 43)
    means = [
        np.mean([mean_popularity(RERANKER.pick(random_scores(s), query, 10, adventurous=a)) for s in range(20)])
        for a in (0, 0.5, 1)
    ]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1] + 0.1


def test_unknown_films_come_for_their_score_alone() -> None:
    counts = np.array([500, 400, 300, 0, 0])
    films = Catalog.of([Movie(movie_id=str(row), title=str(row)) for row in range(5)])
    reranker = Reranker(films, counts, SCALE)
    scores = np.array([2.0, 1.9, 0.1, 1.8, 0.0], dtype=np.float32)
    assert reranker.pick(scores, Query(), 5, adventurous=1.0).tolist()[0] == 3
    assert reranker.pick(scores, Query(), 5, adventurous=0.0).tolist()[:2] == [0, 1]
    last = reranker.pick(scores, Query(), 5, adventurous=1.0).tolist()[-2:]
    assert set(last) == {2, 4}, "nothing speaks for them, known or not"


@given(st.integers(0, 99), st.integers(1, 150), st.integers(1, 150), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_a_shorter_list_begins_a_longer_one(seed: int, m: int, n: int, adventurous: float, strength: float) -> None:
    scores, query = random_scores(seed), history(3, 23, 43, 6)
    short, long = (RERANKER.pick(scores, query, k, adventurous=adventurous, strength=strength) for k in sorted((m, n)))
    assert long[: len(short)].tolist() == short.tolist()


@given(
    st.integers(0, 99),
    st.sampled_from([0, 1, 10, 300, 1000]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.5, 0.97, 1.0]),
)
@settings(max_examples=60)
def test_any_list_is_sound(seed: int, n: int, adventurous: float, strength: float, hidden: float) -> None:
    rng = np.random.default_rng(seed)
    scores = random_scores(seed)
    scores[rng.random(400) < hidden] = rng.choice([np.nan, -np.inf, np.inf])
    allowed = rng.random(400) < 0.7
    query = history(*rng.choice(400, 5, replace=False).tolist())
    options = {"allowed": allowed, "adventurous": adventurous, "strength": strength}
    given = scores.copy(), allowed.copy()
    rows = RERANKER.pick(scores, query, n, **options)
    assert rows.dtype == np.int64
    assert len(rows) == min(n, int((allowed & np.isfinite(scores)).sum()))
    assert len(set(rows.tolist())) == len(rows)
    assert allowed[rows].all()
    assert np.isfinite(scores[rows]).all()
    assert rows.tolist() == RERANKER.pick(scores, query, n, **options).tolist()
    assert np.array_equal(scores, given[0], equal_nan=True), "what is given stays as it was"
    assert np.array_equal(allowed, given[1])


def test_lists_are_picks_without_the_history() -> None:
    queries = [history(3, 23), Query(), history(1)]
    scores = np.stack([random_scores(seed) for seed in range(3)])
    scores[2, 5:] = np.nan
    found = RERANKER.lists(scores, queries, 8)
    assert found.shape == (3, 8)
    for position, query in enumerate(queries):
        allowed = ~np.isin(np.arange(400), query.rows)
        rows = RERANKER.pick(scores[position], query, 8, allowed=allowed).tolist()
        assert found[position].tolist() == rows + [-1] * (8 - len(rows))
    assert (found[2] == -1).sum() == 4
    everything = np.ones((3, 400), dtype=np.bool_)
    assert (RERANKER.lists(scores, queries, 8, allowed=everything)[2] >= 0).sum() == 5


def test_a_scale_of_scores_does_not_matter() -> None:
    query = history(3, 23, 43)
    for seed in range(5):
        scores = random_scores(seed)
        assert RERANKER.pick(scores, query, 10).tolist() == RERANKER.pick(4 * scores, query, 10).tolist()


def test_a_grown_catalogue_is_like_a_new_one() -> None:
    film = Movie(movie_id="new", title="New", genres=("Silent",), countries=("France",))
    edited = CATALOG.movie(7).model_copy(update={"countries": ("France",)})
    grown = CATALOG.with_changes([film, edited])
    after, anew = RERANKER.with_catalog(grown), Reranker(grown, COUNTS, SCALE)
    scores = np.append(random_scores(4), np.float32(3.0))
    assert after.catalog is grown
    for query in (history(3, 23, 43), history(400), history(7)):
        assert after.pick(scores, query, 20).tolist() == anew.pick(scores, query, 20).tolist()
    assert RERANKER.pick(scores[:400], history(400), 5).tolist(), "films that it does not know are passed over"


def test_films_without_traits_or_ratings() -> None:
    films = Catalog.of([Movie(movie_id=str(row), title=str(row)) for row in range(4)])
    reranker = Reranker(films, np.zeros(4, dtype=np.int64), SCALE)
    scores = np.array([0.1, 0.4, 0.2, NAN], dtype=np.float32)
    assert reranker.pick(scores, history(3), 9).tolist() == [1, 2, 0]
    empty = Reranker(Catalog.of([]), np.zeros(0, dtype=np.int64), SCALE)
    assert empty.pick(np.zeros(0, dtype=np.float32), Query(), 9).tolist() == []
