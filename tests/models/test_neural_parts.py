"""What the networks are made of, without training any."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from matinee.models.neural.dense import layer_norm, mlp, sigmoid, swish
from matinee.models.neural.early_stopping import EarlyStopping
from matinee.models.neural.history_training import hold_out, ndcg
from matinee.models.neural.logistic_fold_in import fold_in
from matinee.models.neural.movie_features import movie_features
from matinee.models.neural.rating_table import Baseline, RatingTable
from matinee.models.neural.schedule import learning_rates
from matinee.models.neural.session_features import session_features
from support import make_dataset


def test_activations_by_hand() -> None:
    values = np.float32([-100, -1, 0, 2])
    np.testing.assert_allclose(sigmoid(values), [0, 0.268941, 0.5, 0.880797], atol=1e-6)
    np.testing.assert_allclose(swish(values), [0, -0.268941, 0, 1.761594], atol=1e-6)
    normal = layer_norm(np.float32([[1, 3]]), np.float32([2, 2]), np.float32([0, 1]), 0.0)
    np.testing.assert_allclose(normal, [[-2, 3]], atol=1e-6)
    layers = [(np.float32([[1, -1]]), np.float32([0, 5])), (np.float32([[1], [1]]), np.float32([-1]))]
    np.testing.assert_allclose(mlp(np.float32([[2]]), layers), [[4]])


def test_the_learning_rate_falls() -> None:
    np.testing.assert_allclose(learning_rates("constant", 0.1, 4), 0.1)
    np.testing.assert_allclose(learning_rates("cosine", 1.0, 2), [1, 0.5], atol=1e-7)
    exponential = learning_rates("exponential", 1.0, 100)
    assert exponential[0] == 1
    assert 0.01 < exponential[-1] < 0.011
    np.testing.assert_allclose(learning_rates("constant", 1.0, 4, warmup=2), [0.5, 1, 1, 1])


def test_early_stopping_keeps_the_best_round() -> None:
    stopping = EarlyStopping(patience=2)
    assert [stopping.improved(loss) for loss in (3.0, 2.0, 2.5, float("nan"))] == [True, True, False, False]
    assert (stopping.best, stopping.best_round, stopping.enough) == (2.0, 2, True)


def test_fold_in_is_the_minimum_of_the_ridge_logistic_regression() -> None:
    rng = np.random.default_rng(3)
    features, targets = rng.standard_normal((30, 4)).astype(np.float32), rng.random(30).astype(np.float32)
    offsets, ridge = rng.standard_normal(30).astype(np.float32), np.float32([0.5, 1, 2, 3])

    def loss(weights: np.ndarray) -> float:
        logit = offsets + features @ weights
        return float((np.logaddexp(0, logit) - targets * logit).sum() + 0.5 * (ridge * weights**2).sum())

    expected = scipy.optimize.minimize(loss, np.zeros(4), method="BFGS").x
    np.testing.assert_allclose(fold_in(features, targets, offsets, ridge), expected, atol=2e-3)


def test_features_of_movies() -> None:
    movies: list[dict[str, object]] = [
        {"movie_id": "a", "title": "A", "year": 1985, "genres": ["Drama", "Comedy"]},
        {"movie_id": "b", "title": "B", "year": None, "genres": []},
    ]
    catalog = make_dataset([("u", "a", 4.0, None)], movies).catalog
    found = movie_features(catalog, genres=True, years=True)
    np.testing.assert_array_equal(found[0, :2], [1, 1])
    np.testing.assert_array_equal(found[0, 2 + 5 : 2 + 7], [0.5, 0.5])  # half of the eighties, half of the nineties
    assert not found[1].any()
    assert movie_features(catalog, genres=False, years=False).shape == (2, 0)


def test_session_features_by_hand() -> None:
    times = np.array([0, 60, 10**9, -1])
    deviations = np.float32([0.2, 0.4, -0.3, 0.9])
    own = np.arange(4)
    found = session_features(times, times, deviations, own)
    near = np.exp(-60 / 600)
    np.testing.assert_allclose(found[0, 0], 10 * near * 0.4 / (near + 10), rtol=1e-5)
    np.testing.assert_allclose(found[1, 0], 10 * near * 0.2 / (near + 10), rtol=1e-5)
    assert abs(float(found[2, 0])) < 1e-6  # nobody else was there
    assert not found[3].any()  # no time is known
    assert not session_features(times, np.full(4, -1), deviations).any()


def test_no_rating_tells_of_itself() -> None:
    """Time features of a rating do not change with what it was."""
    rows = [("u", f"m{i}", 2.0 + i % 3, 1000 + i) for i in range(6)]
    data = make_dataset(rows)
    table = RatingTable.of(data.ratings, data.ratings.values / 5)
    usual = Baseline(0.6, np.zeros(6, dtype=np.float32))
    before = table.with_sessions(table, usual, same=True).sessions
    changed = table.targets.copy()
    changed[2] += 0.1
    after = RatingTable(table.users, table.movies, changed, table.times, table.sessions)
    after = after.with_sessions(after, usual, same=True)
    # What is left is the share in the user's own mean, the same for all ratings.
    assert abs(after.sessions[2] - before[2]).max() < abs(after.sessions[1] - before[1]).max()


def test_what_is_held_out_is_not_shown() -> None:
    matrix = sp.random(40, 30, density=0.4, format="csr", random_state=1, dtype=np.float32)
    held = hold_out(matrix, 0, 0.5)
    assert held.train.nnz + held.asked.nnz == matrix.nnz
    assert held.shown.multiply(held.asked).nnz == 0
    assert hold_out(matrix, 0, 0.0).asked.nnz == 0


def test_ndcg_by_hand() -> None:
    shown, asked = sp.csr_matrix(np.float32([[1, 0, 0, 0]])), sp.csr_matrix(np.float32([[0, 0, 1, 0]]))
    assert ndcg(np.float32([[9, 3, 2, 1]]), shown, asked) == pytest.approx(1 / np.log2(3))
