"""SLIM, RP3β, higher-order EASE and feature-aware iALS against slow references in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.errors import MissingExtraError, SnapshotError
from matinee.models import Ease, FeatureALS, HigherOrderEase, ImplicitALS, Query, RP3Beta, Slim, slim
from matinee.models import linked_movies as links
from matinee.models.higher_order_ease import frequent_pairs
from support import make_dataset, random_dataset

WATCHED: dict[str, Any] = {"weighting": "stars", "feedback": "watched"}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(80, 40, 0.3)


def stars(data: Dataset) -> np.ndarray:
    result: np.ndarray = data.ratings.matrix().toarray().astype(np.float64) / 5
    return result


def history(data: Dataset, user: int = 0) -> Query:
    rows, values, _ = data.ratings.history(user)
    return Query(rows.astype(np.int64), values)


@pytest.mark.parametrize("positive", [True, False])
def test_slim_against_scikit_learn(data: Dataset, positive: bool) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x = stars(data)
    n, lasso, ridge = len(x), 0.3, 2.0
    model = Slim(
        lasso=lasso,
        ridge=ridge,
        non_negative=positive,
        candidates=None,
        sweeps=500,
        tolerance=0.0,
        min_ratings=1,
        **WATCHED,
    ).fit(data)
    expected = np.zeros((x.shape[1], x.shape[1]))
    for target in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), target)
        net = linear.ElasticNet(
            alpha=(lasso + ridge) / n,
            l1_ratio=lasso / (lasso + ridge),
            positive=positive,
            fit_intercept=False,
            max_iter=5000,
            tol=1e-8,
        )
        expected[others, target] = net.fit(x[:, others], x[:, target]).coef_
    query = history(data)
    np.testing.assert_allclose(model.similar(range(x.shape[1])), expected, atol=1e-4)
    np.testing.assert_allclose(model.score([query])[0], (query.ratings / 5) @ expected[query.rows], atol=1e-3)
    assert 0.05 < (expected == 0).mean() < 0.95  # the lasso had something to do, and did not do everything
    assert (expected.min() < 0) != positive


def test_slim_of_few_candidates(data: Dataset) -> None:
    """The movies that explain most of a movie alone are its candidates."""
    x = stars(data)
    gram = x.T @ x
    gains = gram**2 / np.diag(gram)
    np.fill_diagonal(gains, 0)
    found = Slim(lasso=0.0, ridge=1.0, candidates=3, non_negative=False, min_ratings=1, **WATCHED).fit(data)
    weights = np.asarray(found.similar(range(x.shape[1])))
    for target in range(x.shape[1]):
        assert set(np.flatnonzero(weights[:, target])) <= set(np.argsort(gains[target])[-3:])


def test_slim_needs_numba(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_package: str, what: str, extra: str) -> None:
        raise MissingExtraError(what, extra)

    monkeypatch.setattr(slim, "need", missing)
    with pytest.raises(MissingExtraError, match="Fitting slim"):
        Slim().fit(data)


@pytest.mark.parametrize("block", [16 * 40, 1 << 22])
def test_rp3beta_against_dense_arithmetic(data: Dataset, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "BLOCK_CELLS", block)
    model = RP3Beta(alpha=0.7, beta=0.4, shrinkage=3.0, neighbors=5, **WATCHED).fit(data)
    x = stars(data)
    to_movie = (x / np.maximum(x.sum(axis=1, keepdims=True), 1e-12)) ** 0.7
    to_user = (x.T / np.maximum(x.sum(axis=0)[:, None], 1e-12)) ** 0.7
    weights = to_user @ to_movie / ((x > 0).sum(axis=0) + 3.0) ** 0.4
    np.fill_diagonal(weights, 0)
    for source in range(len(weights)):
        weights[source, weights[source] < np.sort(weights[source])[-5]] = 0
    query = history(data)
    np.testing.assert_allclose(model.score([query])[0], (query.ratings / 5) @ weights[query.rows], rtol=1e-4, atol=1e-6)


def inputs(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    return np.hstack([x, x[:, pairs[:, 0]] * x[:, pairs[:, 1]]])


def test_higher_order_ease_against_one_regression_for_each_movie(data: Dataset) -> None:
    """The columns that may not be used are left out, which is what the constraints say."""
    model = HigherOrderEase(
        regularization=3.0, pair_regularization=9.0, dropout=0.3, pairs=25, min_ratings=1, **WATCHED
    ).fit(data)
    x, k, state = stars(data), len(data.catalog), model.state()
    pairs = state["pairs"]
    assert 10 < len(pairs) <= 25
    v = inputs(x, pairs)
    gram = v.T @ v
    gram += np.diag(np.diag(gram) * 0.3 / 0.7 + np.r_[np.full(k, 3.0), np.full(len(pairs), 9.0)])
    expected = np.zeros((k + len(pairs), k))
    for target in range(k):
        free = np.ones(len(gram), dtype=np.bool_)
        free[target] = False
        free[k:] = (pairs != target).all(axis=1)
        expected[free, target] = np.linalg.solve(gram[np.ix_(free, free)], (v.T @ x[:, target])[free])
    np.testing.assert_allclose(state["weights"], expected, rtol=1e-3, atol=1e-4)
    query = history(data)
    own = np.zeros((1, k))
    own[0, query.rows] = query.ratings / 5
    np.testing.assert_allclose(model.score([query])[0], (inputs(own, pairs) @ expected)[0], atol=1e-3)


def test_higher_order_ease_is_where_the_papers_descent_ends(data: Dataset) -> None:
    """ADMM as Steck & Liang write it, long enough, on the same data."""
    model = HigherOrderEase(
        regularization=5.0, pair_regularization=20.0, dropout=0.0, pairs=15, min_ratings=1, **WATCHED
    ).fit(data)
    x, k, state = stars(data), len(data.catalog), model.state()
    pairs = state["pairs"]
    z = inputs(x, pairs)[:, k:]
    allowed = np.ones((len(pairs), k))
    allowed[np.arange(len(pairs))[:, None], pairs] = 0
    rho = 20.0
    p = np.linalg.inv(x.T @ x + 5.0 * np.eye(k))
    q = np.linalg.inv(z.T @ z + (20.0 + rho) * np.eye(len(pairs)))
    free, dual = np.zeros((len(pairs), k)), np.zeros((len(pairs), k))
    for _ in range(2000):
        b = p @ (x.T @ (x - z @ free))
        b -= p * (np.diag(b) / np.diag(p))
        c = q @ (z.T @ (x - x @ b) + rho * (free - dual))
        free = (c + dual) * allowed
        dual += c - free
    np.testing.assert_allclose(state["weights"][k:], free, atol=2e-3)
    np.testing.assert_allclose(state["weights"][:k], b, atol=2e-3)


def test_higher_order_ease_without_pairs_is_ease(data: Dataset) -> None:
    settings = {"regularization": 4.0, "dropout": 0.4, "min_ratings": 1, **WATCHED}
    found = HigherOrderEase(pairs=0, **settings).fit(data).state()["weights"]
    np.testing.assert_allclose(found, Ease(**settings).fit(data).state()["weights"], rtol=1e-4, atol=1e-6)


def test_frequent_pairs_by_hand() -> None:
    """ab is rated by three users, bc by two, ac and cd by one each: of equals all or none."""
    histories = {"u": "ab", "v": "abc", "w": "ab", "x": "bc", "y": "cd"}
    rows = [(user, film, 4.0, None) for user, films in histories.items() for film in films]
    matrix = make_dataset(rows).ratings.matrix(binary=True)
    assert frequent_pairs(matrix, 1).tolist() == [[0, 1]]
    assert frequent_pairs(matrix, 3).tolist() == [[0, 1], [1, 2]]
    assert frequent_pairs(matrix, 4).tolist() == [[0, 1], [0, 2], [1, 2], [2, 3]]
    assert frequent_pairs(matrix, 0).shape == (0, 2)


def test_stored_pairs_are_checked(data: Dataset) -> None:
    model = HigherOrderEase(pairs=10, min_ratings=1).fit(data)
    state = model.state()
    with pytest.raises(SnapshotError, match="pairs"):
        HigherOrderEase.from_state(model.config, state | {"pairs": state["pairs"] + 1000}, data.catalog)


FEATURES: dict[str, Any] = {"n_factors": 6, "iterations": 30, "unobserved": 0.2, "regularization": 0.02, "min_films": 2}


def test_feature_als_against_dense_arithmetic(data: Dataset) -> None:
    """Each movie's equations hold, with the mapping of the sweep before; the mapping is the regression on features."""
    model = FeatureALS(feature_regularization=0.5, **FEATURES).fit(data)
    matrix = model._matrix(data.catalog, np.arange(len(data.catalog))).toarray().astype(np.float64)
    factors, mapping = (model.state()[name].astype(np.float64) for name in ("factors", "mapping"))
    ridge = 0.02 * (data.ratings.counts + 0.2 * data.ratings.n_users)
    left = matrix.T @ (ridge[:, None] * matrix) + 0.5 * ridge.mean() * np.eye(matrix.shape[1])
    np.testing.assert_allclose(mapping, np.linalg.solve(left, matrix.T @ (ridge[:, None] * factors)), atol=1e-3)
    users = model.user_factors([Query.of(data.ratings, user) for user in range(data.ratings.n_users)])
    assert np.isfinite(users).all()
    described = (matrix[:, 1:] > 0).any(axis=1)
    np.testing.assert_allclose(model.state()["predicted"][described], (matrix @ mapping)[described], atol=1e-4)


def test_features_draw_factors_together(data: Dataset) -> None:
    """The more features count, the nearer the factors are to what they say."""

    def distance(regularization: float) -> float:
        state = FeatureALS(feature_regularization=regularization, **FEATURES).fit(data).state()
        gap = np.linalg.norm(state["factors"] - state["predicted"], axis=1)
        return float(np.nanmean(gap / np.linalg.norm(state["factors"], axis=1)))

    assert distance(0.1) < distance(1000.0)


def test_a_new_movie_has_factors_from_its_features(data: Dataset) -> None:
    model = FeatureALS(**FEATURES).fit(data)
    likes_comedy = history(data, 0)
    new = [Movie(movie_id=name, title=name, genres=(genre,)) for name, genre in (("n1", "Comedy"), ("n2", "Horror"))]
    grown = model.with_catalog(data.catalog.with_changes(new))
    n = len(data.catalog)
    scores = grown.score([likes_comedy, Query()])
    assert np.isfinite(scores[0, n])
    assert np.isnan(scores[1]).all()
    found, known = grown.factors(np.array([0, n, n + 1, n + 2]))
    assert known[:2].all()
    assert not known[3]
    np.testing.assert_allclose(scores[0, n], grown.user_factors([likes_comedy])[0] @ found[1], rtol=1e-4)
    again = FeatureALS.from_state(model.config, model.state(), data.catalog).with_catalog(grown._catalog)
    np.testing.assert_allclose(again.score([likes_comedy]), scores[:1], rtol=1e-5)
    with pytest.raises(SnapshotError):
        FeatureALS.from_state(model.config, model.state() | {"cuts": model.state()["cuts"][::-1].copy()}, data.catalog)


def test_features_do_not_change_what_ials_is_without_them(data: Dataset) -> None:
    """Features that say nothing, as all movies have but one in common, leave iALS's lists nearly as they were."""
    settings = {name: value for name, value in FEATURES.items() if name != "min_films"}
    query = history(data)
    plain = ImplicitALS(**settings).fit(data).score([query])[0]
    found = FeatureALS(min_films=1000, feature_regularization=1e6, **settings).fit(data).score([query])[0]
    np.testing.assert_allclose(found, plain, atol=0.02)
