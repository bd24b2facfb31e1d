"""Ratings from vectors alone: fitted on one user's few rated vectors, then asked for others (classic.md, B5).

No catalog and no other user is needed. Whoever has a snapshot does better with its models.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from matinee._util.extras import need

Kind = Literal["ridge", "forest"]
Floats = NDArray[np.float64]

STRENGTHS = np.logspace(-6, 3, 37)
"""Regularizations tried, as multiples of the largest squared singular value of the centered vectors."""
TREES = 200
_NEGLIGIBLE = 1e-10
"""Singular values below this part of the largest are rounding."""
_EQUAL = 1e-9
"""Predictions that differ by less than this part of the largest rating are equal."""


def rank(kind: Kind, vectors: Floats, ratings: Floats, asked: Floats, seed: int = 0) -> NDArray[np.int64]:
    """Positions of the asked vectors by predicted rating, best first.

    Equal predictions (one rating, or equal ratings, say nothing of what is better) stand by their cosine to the mean of
    the history's vectors, then in the order given.

    Args:
        kind: "ridge", a linear model whose regularization is chosen by leave-one-out on the history; "forest", a
            random forest.
        vectors: (n, d), n ≥ 1, of the films rated.
        ratings: (n,).
        asked: (m, d).
        seed: of the forest.

    Raises:
        MissingExtraError: a forest without scikit-learn.
    """
    if not len(asked):
        return np.zeros(0, dtype=np.int64)
    predicted = predict(kind, vectors, ratings, asked, seed)
    # Rounded, so that equal predictions are equal however the sums were taken.
    step = _EQUAL * max(float(np.abs(ratings).max()), 1e-300)
    order = np.lexsort((-_cosines(asked, vectors.mean(axis=0)), -np.rint((predicted - ratings.mean()) / step)))
    return order.astype(np.int64)


def predict(kind: Kind, vectors: Floats, ratings: Floats, asked: Floats, seed: int = 0) -> Floats:
    """Predicted ratings of the asked vectors, (m,); arguments as `rank`."""
    if kind == "forest":
        need("sklearn", "A random forest", "classic")
        return _forest(vectors, ratings, asked, seed)
    return _ridge(vectors, ratings, asked)


def _ridge(vectors: Floats, ratings: Floats, asked: Floats) -> Floats:
    """Ridge regression with an intercept; the regularization of least leave-one-out error, in closed form."""
    n, mean = len(ratings), float(ratings.mean())
    # One scale for all: neither huge nor tiny vectors over- or underflow when they are squared.
    size = max(float(np.abs(vectors).max()), float(np.abs(asked).max())) or 1.0
    center = (vectors / size).mean(axis=0)
    constant = np.full(len(asked), mean)
    if n < 2 or float(np.ptp(ratings)) == 0.0:
        return constant
    left, values, right = np.linalg.svd(vectors / size - center, full_matrices=False)
    kept = values > _NEGLIGIBLE * np.sqrt(n)
    if not kept.any():
        return constant
    left, values, right = left[:, kept], values[kept], right[kept]
    target = left.T @ (ratings - mean)
    shrink = values**2 / (values**2 + STRENGTHS[:, None] * values[0] ** 2)  # (strengths, rank)
    fitted = (shrink * target) @ left.T
    leverage = shrink @ (left**2).T + 1 / n
    # Leverage 1: the model follows this rating, whatever it is; nothing is learned of how well it predicts.
    errors = (ratings - mean - fitted) / np.maximum(1 - leverage, _NEGLIGIBLE)
    error = (errors**2).mean(axis=1)
    # Of equally good ones the strongest: n = 2 says nothing of the strength.
    best = len(error) - 1 - int(np.argmin(error[::-1]))
    strength = STRENGTHS[best] * values[0] ** 2
    weights = right.T @ (values / (values**2 + strength) * target)
    predicted: Floats = mean + (asked / size - center) @ weights
    return predicted


def _forest(vectors: Floats, ratings: Floats, asked: Floats, seed: int) -> Floats:
    from sklearn.ensemble import RandomForestRegressor

    # Trees split between values, so a common scale changes nothing, and keeps them within single precision.
    size = max(float(np.abs(vectors).max()), float(np.abs(asked).max())) or 1.0
    forest: Any = RandomForestRegressor(TREES, random_state=seed, n_jobs=1)
    forest.fit((vectors / size).astype(np.float32), ratings)
    predicted: Floats = forest.predict((asked / size).astype(np.float32))
    return predicted


def _cosines(vectors: Floats, other: Floats) -> Floats:
    size = max(float(np.abs(vectors).max()), float(np.abs(other).max())) or 1.0
    lengths = np.linalg.norm(vectors / size, axis=1) * float(np.linalg.norm(other / size))
    dots: Floats = (vectors / size) @ (other / size)
    cosines: Floats = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    return cosines
