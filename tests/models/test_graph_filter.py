from __future__ import annotations

import numpy as np
import pytest

from matinee.models import GraphFilter, Query
from matinee.models.graph_filter import EXPONENTS, LENGTHS
from matinee.models.preference import StarScale
from support import make_dataset, random_dataset


def dense(data: object, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """R̂ and the films' roots, in double precision."""
    ratings = data.ratings  # type: ignore[attr-defined]
    matrix = np.zeros((ratings.n_users, ratings.n_items))
    users = np.repeat(np.arange(ratings.n_users), np.diff(ratings.indptr))
    matrix[users, ratings.indices] = StarScale.of(data).training_weights(ratings)  # type: ignore[arg-type]
    roots = np.sqrt((matrix**2).sum(axis=0) + shrinkage)
    return matrix / np.sqrt((matrix**2).sum(axis=1, keepdims=True)) / roots, roots


@pytest.mark.parametrize("length", [1, 3, 10])
def test_against_the_filter_in_double_precision(length: int) -> None:
    """h·D^−½·(R̂ᵀR̂)^(γ/2)·D^½ by an eigendecomposition, at full rank."""
    data = random_dataset(60, 30, 0.4, seed=2)
    model = GraphFilter(rank=30).fit(data)
    scaled, roots = dense(data, 3.0)
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    values = np.maximum(values, 0)
    rows = np.arange(length)
    stars = np.linspace(2, 5, length).astype(np.float32)
    history = np.zeros(30)
    history[rows] = StarScale.of(data).weights(stars, "signed")
    exponent = EXPONENTS[LENGTHS.index(length)]
    expected = ((history / roots) @ vectors * values ** (exponent / 2)) @ vectors.T * roots
    np.testing.assert_allclose(model.score([Query(rows, stars)])[0], expected, rtol=2e-2, atol=2e-4)


def test_between_lengths_the_exponent_is_linear_in_the_logarithm() -> None:
    model = GraphFilter(rank=4).fit(random_dataset())
    assert model._exponent(1) == model._exponent(0) == 2.0
    assert model._exponent(10**6) == EXPONENTS[-1]
    middle = np.sqrt(3 * 10)
    share = np.log(5 / 3) / np.log(10 / 3)
    assert model._exponent(5) == pytest.approx(1.3 - 0.3 * share)
    assert 1.0 < model._exponent(round(middle)) < 1.3


def test_one_film_finds_those_of_the_same_users() -> None:
    pairs = ["ua", "ub", "va", "vb", "wc", "wd", "xc", "xd"]
    data = make_dataset([(user, film, 4.0, None) for user, film in pairs])
    scores = GraphFilter(shrinkage=0.0).fit(data).score([Query(np.array([0]), np.float32([4]))])[0]
    assert scores[1] > 0.1
    np.testing.assert_allclose(scores[2:], 0, atol=1e-6)


def test_every_film_counts_alike_where_only_watching_counts() -> None:
    data = random_dataset()
    model = GraphFilter(feedback="watched").fit(data)
    low, high = (model.score([Query(np.array([0, 3]), np.full(2, stars, np.float32))]) for stars in (0.5, 5))
    np.testing.assert_array_equal(low, high)
