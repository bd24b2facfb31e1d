from __future__ import annotations

import numpy as np
import pytest

from matinee.errors import MatineeError
from matinee.models import Query, UserKernel
from matinee.models.preference import StarScale
from matinee.models.user_kernel import _kernel
from support import random_dataset


def kernel(cosine: np.ndarray) -> np.ndarray:
    """Cho & Saul's κ₁ + c·κ₀, written out."""
    angle = np.arccos(np.clip(cosine, -1, 1))
    first = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
    return first + cosine * (np.pi - angle) / np.pi


def test_kernel_at_known_angles_and_its_slope() -> None:
    """κ(0) = 1/π, κ(1) = 2, κ(−1) = 0."""
    value, slope = _kernel(np.float32([0, 1, -1, 0.3, -0.6]))
    np.testing.assert_allclose(value[:3], [1 / np.pi, 2, 0], atol=2e-3)
    np.testing.assert_allclose(value[3:], kernel(np.array([0.3, -0.6])), rtol=1e-5)
    step = 1e-5
    for position, cosine in ((0, 0.0), (3, 0.3), (4, -0.6)):
        numeric = (kernel(np.array(cosine + step)) - kernel(np.array(cosine - step))) / (2 * step)
        assert slope[position] == pytest.approx(float(numeric), rel=1e-3)


def test_against_the_formula_in_double_precision() -> None:
    data = random_dataset(50, 30, 0.4, seed=1)
    model = UserKernel(regularization=2.0).fit(data)
    ratings, scale = data.ratings, StarScale.of(data)
    matrix = np.zeros((50, 30))
    matrix[np.repeat(np.arange(50), np.diff(ratings.indptr)), ratings.indices] = scale.training_weights(ratings)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    gram = kernel(np.clip(unit @ unit.T, -1 + 1e-6, 1 - 1e-6))
    solved = np.linalg.solve(gram + 2.0 * np.trace(gram) / 50 * np.eye(50), matrix)
    stars = np.float32([5, 2, 4])
    history = np.zeros(30)
    history[[1, 4, 7]] = scale.weights(stars, "signed")
    length = np.linalg.norm(history)
    expected = length * kernel(unit @ (history / length)) @ solved
    found = model.score([Query(np.array([1, 4, 7]), stars)])[0]
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_too_many_users_are_refused() -> None:
    with pytest.raises(MatineeError, match="takes 10 users at most, these are 60"):
        UserKernel(max_users=10).fit(random_dataset())
