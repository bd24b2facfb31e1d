"""Ratings from vectors: what is predicted, what regularization is chosen, and histories that say little."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from matinee.errors import MissingExtraError
from matinee.models.vector_ratings import STRENGTHS, predict, rank


def taste(n: int, dim: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=dim)
    vectors = rng.normal(size=(n, dim))
    return vectors, 3 + vectors @ weights / np.sqrt(dim) + noise * rng.normal(size=n), weights


@pytest.mark.parametrize(("n", "dim"), [(200, 8), (12, 30), (3, 64)])
def test_the_regularization_is_that_of_least_leave_one_out_error(n: int, dim: int) -> None:
    """The closed form, against fitting without each rating in turn."""
    vectors, ratings, _ = taste(n, dim, noise=0.5)
    asked = np.random.default_rng(1).normal(size=(5, dim))

    def ridge(x: np.ndarray, y: np.ndarray, strength: float, other: np.ndarray) -> np.ndarray:
        center, mean = x.mean(axis=0), y.mean()
        gram = (x - center).T @ (x - center) + strength * np.eye(dim)
        return mean + (other - center) @ np.linalg.solve(gram, (x - center).T @ (y - mean))

    scale = np.linalg.norm(vectors - vectors.mean(axis=0), 2) ** 2
    errors = []
    for strength in STRENGTHS * scale:
        left = [
            ratings[i] - ridge(np.delete(vectors, i, 0), np.delete(ratings, i), strength, vectors[[i]])[0]
            for i in range(n)
        ]
        errors.append(np.mean(np.square(left)))
    best = STRENGTHS[int(np.argmin(errors))] * scale
    found = predict("ridge", vectors, ratings, asked)
    # Neighboring strengths predict nearly the same, so equal predictions mean that one of the best was chosen.
    assert found == pytest.approx(ridge(vectors, ratings, best, asked), abs=0.05)


@pytest.mark.parametrize(("kind", "least"), [("ridge", 0.95), ("forest", 0.6)])
def test_a_taste_is_learned(kind: str, least: float) -> None:
    vectors, ratings, weights = taste(150, 6, noise=0.2)
    asked = np.random.default_rng(2).normal(size=(100, 6))
    predicted = predict(kind, vectors, ratings, asked)  # type: ignore[arg-type]
    assert np.corrcoef(predicted, asked @ weights)[0, 1] > least
    order = rank(kind, vectors, ratings, asked)  # type: ignore[arg-type]
    assert order.tolist() == np.argsort(-predicted, kind="stable").tolist()
    assert rank(kind, vectors, ratings, asked).tolist() == order.tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ridge", "forest"])
@pytest.mark.parametrize(
    ("vectors", "ratings"),
    [
        ([[1.0, 0.0]], [4.0]),
        ([[1.0, 0.0], [0.9, 0.1], [1.0, 0.1]], [4.1, 4.1, 4.1]),
        ([[1.0, 0.2]] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([[1.0, 0.0], [1.0, 0.0]], [0.0, 0.0]),
    ],
    ids=["one rating", "equal ratings", "constant vectors", "zeros"],
)
def test_where_nothing_is_better_the_nearest_to_the_history_comes_first(
    kind: str, vectors: list[list[float]], ratings: list[float]
) -> None:
    asked = np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.7, 0.7], [1.0, 0.0], [0.0, 0.0]])
    order = rank(kind, np.array(vectors), np.array(ratings), asked)  # type: ignore[arg-type]
    assert order.tolist() == [1, 4, 3, 0, 5, 2] if vectors[0][1] == 0 else order.tolist()[0] in (1, 4, 3)
    assert sorted(order.tolist()) == list(range(6))
    predicted = predict(kind, np.array(vectors), np.array(ratings), asked)  # type: ignore[arg-type]
    assert predicted == pytest.approx(np.full(6, predicted[0]))
    assert predicted == pytest.approx(np.full(6, np.mean(ratings)), abs=0.1)  # a forest's trees draw their ratings


def test_two_ratings_tell_a_direction() -> None:
    vectors, ratings = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([5.0, 1.0])
    assert rank("ridge", vectors, ratings, np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])).tolist() == [1, 2, 0]


def test_nothing_is_asked() -> None:
    assert rank("ridge", np.ones((1, 2)), np.ones(1), np.zeros((0, 2))).tolist() == []


FLOATS = st.floats(-1e100, 1e100) | st.sampled_from([0.0, 1.0, -1.0, 1e-300])


@given(
    data=st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 6)).flatmap(
        lambda size: st.tuples(
            hnp.arrays(np.float64, (size[0], size[1]), elements=FLOATS),
            hnp.arrays(np.float64, size[0], elements=st.floats(-1e6, 1e6)),
            hnp.arrays(np.float64, (size[2], size[1]), elements=FLOATS),
        )
    )
)
def test_any_finite_numbers_are_ranked(data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    vectors, ratings, asked = data
    assert np.isfinite(predict("ridge", vectors, ratings, asked)).all()
    assert sorted(rank("ridge", vectors, ratings, asked).tolist()) == list(range(len(asked)))


def test_a_forest_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"A random forest needs matinee\[classic\]: pip install"):
        rank("forest", np.ones((1, 2)), np.ones(1), np.ones((1, 2)))
