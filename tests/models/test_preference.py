from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.errors import SnapshotError
from matinee.models.ials import TARGETS
from matinee.models.preference import DEVIATION_PRIOR, LOWEST, MEAN_PRIOR, WEIGHTS, StarScale
from support import make_dataset, random_dataset

SCALE = StarScale(0.5, 5.0, 3.5, 1.0)
STARS = st.lists(st.integers(1, 10).map(lambda half: half / 2), min_size=1, max_size=40)


def test_of_a_data_set() -> None:
    data = make_dataset([("u", "a", 5, None), ("u", "b", 3, None), ("v", "a", 1, None)])
    scale = StarScale.of(data)
    assert (scale.low, scale.high, scale.mean) == (0.5, 5.0, 3.0)
    assert scale.deviation == pytest.approx(np.std([5, 3, 1]))
    empty = data.with_ratings(data.ratings.select(np.zeros(3, dtype=np.bool_)))
    assert StarScale.of(empty).flat


def test_mean_and_deviation_by_hand() -> None:
    """Stars 5 and 3: the mean is (8 + 3·3.5)/(2 + 3) = 3.7, the deviation √((1.3² + .7² + 10)/12)."""
    assert pytest.approx(3.7) == (8 + MEAN_PRIOR * 3.5) / (2 + MEAN_PRIOR)
    deviation = np.sqrt((1.3**2 + 0.7**2 + DEVIATION_PRIOR) / (2 + DEVIATION_PRIOR))
    np.testing.assert_allclose(SCALE.standardized(np.float32([5, 3])), [1.3 / deviation, -0.7 / deviation], rtol=1e-5)


def test_a_history_of_one_value_is_measured_by_everybodys_scale() -> None:
    np.testing.assert_allclose(SCALE.standardized(np.float32([4.5, 4.5])), [1, 1])
    np.testing.assert_allclose(SCALE.preferences(np.float32([5])), [1])
    np.testing.assert_allclose(SCALE.preferences(np.float32([0.5] * 14)), [-1] * 14)


def test_everybodys_ends() -> None:
    """The highest stars are never a dislike and the lowest never a like, whoever gives them and however widely."""
    generous, harsh = np.float32([5] * 30 + [4.5]), np.float32([0.5] * 30 + [1])
    assert (SCALE.preferences(generous) > 0).all()
    assert SCALE.preferences(harsh)[0] < 0
    wide = StarScale(0.5, 5.0, 3.0, 2.0)
    assert wide.standardized(np.float32([0.5]))[0] == pytest.approx(-LOWEST)
    assert wide.weights(np.float32([0.5]), "signed")[0] < 0 < wide.weights(np.float32([5]), "signed")[0]


def test_without_stars() -> None:
    assert SCALE.preferences(np.float32([np.nan]))[0] == pytest.approx(0.5)
    assert SCALE.mild_like == pytest.approx(4.25)
    flat = StarScale(1.0, 1.0, 1.0, 0.0)
    assert flat.flat
    assert flat.mild_like == 1.0
    np.testing.assert_array_equal(flat.preferences(np.float32([1, 1])), [0.5, 0.5])
    np.testing.assert_array_equal(flat.weights(np.float32([1, 1]), "signed"), [1, 1])


def test_weights_at_their_points() -> None:
    for curve in (WEIGHTS, TARGETS):
        deviations, expected = (np.array(values) for values in zip(*curve, strict=True))
        stars = (SCALE.mean + deviations * SCALE.deviation).clip(0.5, 5)
        found = [SCALE.weights(np.float32([value]), "signed", curve=curve)[0] for value in stars]
        np.testing.assert_allclose(found[:4], expected[:4], atol=1e-5)
        assert np.all(np.diff(expected) > 0)
    np.testing.assert_allclose(SCALE.weights(np.float32([5, 1]), "watched", "stars"), [1, 0.2])
    np.testing.assert_array_equal(SCALE.weights(np.float32([5, 1]), "watched"), [1, 1])


@given(STARS)
def test_more_stars_are_never_liked_less(stars: list[float]) -> None:
    ratings = np.array(stars, dtype=np.float32)
    found = SCALE.preferences(ratings)
    assert ((found >= -1) & (found <= 1)).all()
    order = np.argsort(ratings, kind="stable")
    assert (np.diff(found[order]) >= -1e-6).all()
    assert (found[ratings == 5] > 0).all()
    assert (found[ratings == 0.5] < 0).all()


def test_training_weights_are_those_of_each_user() -> None:
    data = random_dataset(20, 15, 0.5)
    scale = StarScale.of(data)
    found = scale.training_weights(data.ratings)
    for user in range(data.ratings.n_users):
        rows = slice(int(data.ratings.indptr[user]), int(data.ratings.indptr[user + 1]))
        deviations = scale.standardized(data.ratings.values[rows])
        np.testing.assert_allclose(found[rows], np.interp(deviations, [-1.5, 0, 1], [0.3, 0.6, 1]), rtol=1e-5)


def test_state() -> None:
    assert StarScale.from_state(SCALE.state()) == SCALE
    with pytest.raises(SnapshotError):
        StarScale.from_state({})
