from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.errors import SnapshotError
from matinee.models import Popularity, Query, weighted_score
from support import make_dataset


def test_by_hand() -> None:
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


def test_unrated_films_have_no_opinion_and_all_users_are_equal() -> None:
    movies = [{"movie_id": i, "title": i} for i in "abc"]
    data = make_dataset([("u", "a", 5, None), ("v", "a", 4, None), ("v", "b", 2, None)], movies)
    model = Popularity(prior=1).fit(data)
    scores = model.score([Query(), Query(np.array([0]), np.float32([1]))])
    np.testing.assert_array_equal(scores[0], scores[1])
    assert scores[0, 0] > scores[0, 1]
    assert np.isnan(scores[0, 2])
    assert model.knows(Query())
    with pytest.raises(SnapshotError):
        Popularity.from_state(model.config, {"scores": np.zeros(4, dtype=np.float32)}, data.catalog)
