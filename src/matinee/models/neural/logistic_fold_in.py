"""The parameters of one user, given those of the movies: ridge logistic regression by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.models.cholesky import solve
from matinee.models.neural.dense import sigmoid

Floats = NDArray[np.float32]

_STEPS = 5
"""Newton steps; the target is convex, and from 0 three reach the minimum to single precision in most cases."""
_CLOSE = 1e-4


def fold_in(features: Floats, targets: Floats, offsets: Floats, ridge: Floats) -> Floats:
    """Minimize Σ BCE(y, σ(o + xᵀw)) + ½ wᵀ diag(ridge) w over w, (d,).

    Args:
        features: x of each rating, (n, d).
        targets: y, (n,), 0 to 1.
        offsets: o, (n,).
        ridge: (d,), > 0.
    """
    weights = np.zeros(features.shape[1], dtype=np.float32)
    for _ in range(_STEPS):
        # OpenBLAS' AVX-512 product with a matrix of five columns adds up stack that it never wrote, in lanes it then
        # drops. Half an address there can read as a signaling NaN: a false alarm, in some processes and not in others.
        with np.errstate(invalid="ignore"):
            product = features @ weights
        predicted = sigmoid(offsets + product)
        gradient = features.T @ (predicted - targets) + ridge * weights
        curvature = predicted * (1 - predicted)
        hessian = features.T @ (features * curvature[:, None])
        hessian[np.diag_indices_from(hessian)] += ridge
        step = solve(hessian, gradient)
        weights = weights - step
        if float(np.abs(step).max(initial=0.0)) < _CLOSE:
            break
    return weights
