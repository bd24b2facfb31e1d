from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.ratings import NO_TIME
from matinee.models.charts import (
    DAY,
    By,
    Chart,
    decayed_counts,
    distinguished,
    half_life_of,
    liked_score,
    make_chart,
    weighted_score,
    years_of,
)
from support import make_dataset

KINDS = get_args(By)
NAN = float("nan")


def test_the_weighted_score_by_hand() -> None:
    # C = 30/10 = 3; film 0: v=8, R=3.5; film 1: v=2, R=1; film 2 unrated.
    found = weighted_score(np.array([8, 2, 0]), np.array([28.0, 2.0, 0.0]), 2)
    np.testing.assert_allclose(found, [8 / 10 * 3.5 + 2 / 10 * 3, 2 / 4 * 1 + 2 / 4 * 3, 3.0])


def test_the_default_prior_is_a_quantile_of_rated_films() -> None:
    counts = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0])
    sums = counts * 4.0
    sums[0] = 1.0
    np.testing.assert_allclose(weighted_score(counts, sums), weighted_score(counts, sums, 10))


def test_no_ratings_and_no_prior() -> None:
    assert not weighted_score(np.zeros(3, dtype=np.int64), np.zeros(3)).any()
    np.testing.assert_allclose(weighted_score(np.array([2, 0]), np.array([10.0, 0.0]), 0), [5.0, 5.0])


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.5, 5)), min_size=1, max_size=30), st.floats(0, 100))
def test_between_the_mean_of_the_film_and_of_all(films: list[tuple[int, float]], m: float) -> None:
    counts = np.array([count for count, _ in films])
    means = np.array([mean for _, mean in films])
    found = weighted_score(counts, counts * means, m)
    if counts.sum():
        mean = (counts * means).sum() / counts.sum()
        own = np.where(counts > 0, means, mean)
        assert (found >= np.minimum(own, mean) - 1e-6).all()
        assert (found <= np.maximum(own, mean) + 1e-6).all()


def test_a_vanishing_prior_leaves_unrated_films_the_mean() -> None:
    np.testing.assert_allclose(weighted_score(np.array([0, 4]), np.array([0.0, 5.0]), 5e-324), [1.25, 1.25])


def test_liked_by_hand() -> None:
    # Of 1 to 5 stars: 5, 5, 3 are 1 + 1 + ½ of the scale; 1 is 0 of it.
    found = liked_score(np.array([3, 1, 0]), np.array([13.0, 1.0, 0.0]), (1, 5))
    np.testing.assert_allclose(found, [3 + 2 * 2.5, 1.0, 0.0])
    np.testing.assert_allclose(liked_score(np.array([3]), np.array([13.0]), (1, 5), 0.5), [3 + 0.5 * 2.5])
    np.testing.assert_allclose(liked_score(np.array([3, 2]), np.array([3.0, 2.0]), (1, 1)), [3, 2])


def test_decay_by_hand() -> None:
    week = 7 * DAY
    rows = np.array([0, 0, 1, 2, 2])
    times = np.array([10 * week, 9 * week, 8 * week, NO_TIME, 7 * week])
    found = decayed_counts(rows, times, 4, 10 * week, 7.0)
    np.testing.assert_allclose(found, [1 + 1 / 2, 1 / 4, 1 / 8, 0])
    np.testing.assert_allclose(decayed_counts(rows, times, 4, 10 * week, 14.0)[1], 1 / 2)
    assert not decayed_counts(rows, np.full(5, NO_TIME), 4, NO_TIME, 7.0).any()
    assert decayed_counts(rows, times, 4, 10 * week, 5e-324).tolist() == [1, 0, 0, 0]


def test_the_half_life_is_what_the_newest_ratings_took() -> None:
    days = np.arange(10_000, dtype=np.int64)
    assert half_life_of(days * DAY) == pytest.approx(4_999)
    assert half_life_of(np.random.default_rng(0).permutation(np.append(days * DAY, [NO_TIME] * 50))) == 4_999
    assert half_life_of(days[:11] * DAY) == 10
    assert half_life_of(days) == half_life_of(np.array([NO_TIME])) == half_life_of(days[:0]) == 7


def ordered(by: By, films: list[tuple[int, float, float]], lately: list[float] | None = None) -> list[int]:
    """Rows of (count, mean stars, year) in the order of a chart of 1 to 5 stars with the prior 4."""
    counts = np.array([count for count, _, _ in films])
    sums = np.array([count * mean for count, mean, _ in films])
    years = np.array([year for _, _, year in films])
    recent = None if lately is None else np.array(lately)
    chart = make_chart(by, counts, sums, years, scale=(1, 5), lately=recent, prior=4)
    found: list[int] = chart.top(len(films)).tolist()
    ranks = np.argsort(-np.nan_to_num(chart.scores, nan=-np.inf), kind="stable")[: len(found)]
    assert ranks.tolist() == found
    return found


def test_every_kind_by_hand() -> None:
    films = [(10, 3.0, 1990.0), (9, 4.5, 1991.0), (4, 5.0, 1992.0), (0, 0.0, 2000.0), (1, 5.0, 1993.0)]
    assert ordered("counts", films) == [0, 1, 2, 4]
    # 10 + 2·10·½ = 20; 9 + 2·9·⅞ = 24.75; 4 + 2·4 = 12; 1 + 2 = 3.
    assert ordered("liked", films) == [1, 0, 2, 4]
    # C = 95.5 / 24 = 3.98: 3.28, 4.34, 4.49, 4.18.
    assert ordered("top_rated", films) == [2, 1, 4, 0]
    assert ordered("trending", films, [0.5, 0.25, 2.0, 0.0, 0.75]) == [2, 4, 0, 1]


def test_ties_are_told_apart_by_the_next_criterion() -> None:
    films = [(5, 3.0, 1990.0), (5, 4.0, 1980.0), (5, 4.0, 1999.0), (5, 4.0, -1.0), (6, 1.0, 1950.0)]
    assert ordered("counts", films) == [4, 2, 1, 3, 0]
    assert ordered("trending", films, [0.5, 0.5, 0.5, 0.5, 0.5]) == [4, 2, 1, 3, 0]
    # Where all stars are equal the best rated are the most rated.
    flat = [(2, 4.0, 1990.0), (9, 4.0, 1990.0), (5, 4.0, 1990.0), (5, 4.0, 1995.0)]
    for by in KINDS:
        assert ordered(by, flat) == [1, 3, 2, 0]


def test_without_times_trending_is_counts() -> None:
    films = [(2, 4.0, 1990.0), (9, 3.0, 1990.0), (5, 4.0, 1990.0)]
    assert ordered("trending", films) == ordered("trending", films, [0.0, 0.0, 0.0]) == [1, 2, 0]


FILMS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from([1.0, 2.5, 5.0]), st.integers(1990, 1993)), max_size=25)


@given(FILMS, st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_numbering_does_not_matter(films: list[tuple[int, float, int]], by: By, random: object) -> None:
    """What films have in place n is the same, however they are numbered."""
    lately = [count * (year - 1989) / 8 for count, _, year in films]
    position = list(range(len(films)))
    random.shuffle(position)  # type: ignore[attr-defined]
    moved = [films[row] for row in position]
    before = ordered(by, films, lately)
    after = ordered(by, moved, [lately[row] for row in position])
    assert [films[row] for row in before] == [moved[row] for row in after]
    assert len(before) == sum(count > 0 for count, _, _ in films)


@given(FILMS, st.integers(-1, 30), st.data())
def test_the_top_is_the_beginning_of_the_order(
    films: list[tuple[int, float, int]], n: int, data: st.DataObject
) -> None:
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(films), max_size=len(films))), dtype=np.bool_)
    counts = np.array([count for count, _, _ in films], dtype=np.int64)
    sums = np.array([count * mean for count, mean, _ in films])
    chart = make_chart("counts", counts, sums, np.array([float(year) for *_, year in films]), scale=(1, 5))
    whole = chart.top(len(films))
    assert chart.top(n).tolist() == whole.tolist()[: max(n, 0)]
    assert chart.top(n, allowed).tolist() == [row for row in whole.tolist() if allowed[row]][: max(n, 0)]


def test_equal_films_have_equal_scores_and_unrated_ones_none() -> None:
    chart = Chart(np.array([2.0, NAN, 2.0, 2.0, -1.0]), (np.array([1.0, 9.0, 1.0, 2.0, 0.0]),))
    scores = chart.scores
    assert np.isnan(scores[1])
    assert scores[0] == scores[2] == 2
    assert scores[3] == np.nextafter(np.float32(2), np.float32(3))
    assert scores[4] == -1
    assert chart.scores is scores
    with pytest.raises(ValueError, match="read-only"):
        scores[0] = 1


@given(st.lists(st.sampled_from([-3.0, -1e-45, 0.0, 1.0, 1.0 + 1e-9, 2.0, 1e7]), max_size=30))
def test_scores_told_apart_decrease_by_next_to_nothing(values: list[float]) -> None:
    descending = np.array(sorted(values, reverse=True))
    found = distinguished(descending)
    assert found.dtype == np.float32
    assert (np.diff(found) < 0).all()
    np.testing.assert_allclose(found, descending, rtol=1e-5, atol=1e-40)


def test_unknown_years_are_oldest() -> None:
    movies: list[dict[str, object]] = [{"movie_id": "a", "title": "a", "year": 1999}, {"movie_id": "b", "title": "b"}]
    assert years_of(make_dataset([("u", "a", 4, None)], movies).catalog).tolist() == [1999, -1]
