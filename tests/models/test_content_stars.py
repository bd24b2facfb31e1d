"""Regressions of one user's stars on what movies are about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.errors import MissingExtraError
from matinee.models import ForestStars, Query, RidgeStars
from support import random_dataset


def with_texts(data: Dataset, dim: int = 6) -> Dataset:
    """Texts that tell the two tastes of the data apart; one movie has none."""
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((len(data.catalog), dim)).astype(np.float32)
    vectors[:, 0] += 2 * np.array([2.0 * (int(name[1:]) % 2) - 1 for name in data.catalog.column("movie_id")])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return replace(data, vectors={"text": MovieVectors(np.arange(1, len(vectors)), vectors[1:])})


def baseline(model: RidgeStars, query: Query) -> Any:
    """μ + b_u + b_i of all movies, from the state."""
    state = model.state()
    biases = np.zeros(model.n_items)
    biases[state["items"]] = state["biases"]
    mean = state["mean_scale"][0]
    own = (query.ratings - mean - biases[query.rows]).sum() / (15 + len(query))
    return mean + own + biases


def test_ridge_is_the_textbooks() -> None:
    data = with_texts(random_dataset(60, 40, 0.6))
    model = RidgeStars(regularization=2.0, min_ratings=3).fit(data)
    query = Query.of(data.ratings, 3)
    x = model.state()["content"].astype(np.float64)
    base = baseline(model, query)
    known = x[query.rows]
    ridge = 2.0 * np.mean((x**2).sum(axis=1)) * np.eye(x.shape[1])
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ (query.ratings - base[query.rows]))
    np.testing.assert_allclose(model.score([query])[0], np.clip(base + x @ weights, *data.scale), atol=1e-4)


@pytest.mark.parametrize("kind", [RidgeStars, ForestStars])
def test_few_ratings_are_answered_by_cosine(kind: type[RidgeStars] | type[ForestStars]) -> None:
    data = with_texts(random_dataset(60, 40, 0.6))
    model = kind(min_ratings=1000, prior=0.5).fit(data)
    query = Query.of(data.ratings, 3)
    x = model.state()["content"]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    weights = np.maximum(unit @ unit[query.rows].T, 0)
    base = baseline(model, query)  # type: ignore[arg-type]
    beyond = weights @ (query.ratings - base[query.rows]) / (weights.sum(axis=1) + 0.5)
    np.testing.assert_allclose(model.score([query])[0], np.clip(base + beyond, *data.scale), atol=1e-4)


@pytest.mark.parametrize("features", ["text", "sparse"])
def test_a_forest_learns_a_taste_that_no_bias_holds(features: Any) -> None:
    data = with_texts(random_dataset(60, 40, 0.5))
    model = ForestStars(features=features, trees=20, min_leaf=2, min_ratings=5).fit(data)
    odd = np.array([int(name[1:]) % 2 for name in data.catalog.column("movie_id")], dtype=np.bool_)
    rows = np.arange(0, 40, 3)
    query = Query(rows, np.where(odd[rows], 5, 1).astype(np.float32))
    others = np.setdiff1d(np.arange(40), rows)
    scores = model.score([query])[0]
    assert scores[others[odd[others]]].mean() > scores[others[~odd[others]]].mean() + 1.5
    half = ForestStars(features=features, trees=20, min_leaf=2, min_ratings=5, strength=0.0).fit(data)
    np.testing.assert_allclose(half.score([query])[0], np.clip(baseline(half, query), 0.5, 5), atol=1e-4)  # type: ignore[arg-type]


def test_added_movies_get_what_the_user_gives_on_the_whole() -> None:
    data = random_dataset(60, 40, 0.5)
    model = ForestStars(features="sparse", trees=5).fit(data)
    grown = model.with_catalog(data.catalog.with_changes([Movie(movie_id="new", title="New")]))
    query = Query.of(data.ratings, 2)
    assert grown.score([query])[0, -1] == pytest.approx(baseline(model, query)[query.rows].mean(), abs=1.5)  # type: ignore[arg-type]
    assert np.isnan(grown.score([Query()])[0, -1])
    assert np.isnan(grown.similar([40])).all()


def test_without_scikit_learn_it_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_dataset(10, 10)
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="classic"):
        ForestStars().fit(data)
