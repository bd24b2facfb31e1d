"""Systems of equations with a symmetric positive definite matrix, by its Cholesky factor (LAPACK)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from matinee.errors import MatineeError

Floats = NDArray[np.float32]


def factorize(matrix: Floats, fault: str, hint: str) -> Floats:
    """The factor of a matrix, (d, d) with d > 0, which is overwritten.

    Args:
        fault: message where the matrix is not positive definite.
        hint: what to do about it.

    Raises:
        MatineeError: it is not.
    """
    # A symmetric matrix is its own transpose, which is how LAPACK sees rows: nothing is copied.
    factor: Floats
    factor, info = lapack.spotrf(matrix.T, lower=True, overwrite_a=True)
    if info:
        raise MatineeError(fault, hint)
    return factor


def solve_factored(factor: Floats, right: Floats) -> Floats:
    """M⁻¹·right, (d, n), from the factor of M."""
    if not right.shape[1]:
        return right
    solution, _ = lapack.spotrs(factor, np.asfortranarray(right), lower=True)
    return np.ascontiguousarray(solution)


def solve(matrix: Floats, right: Floats) -> Floats:
    """M⁻¹·right, (d,) or (d, n), of a small M: half the work of a general solver, and no checks.

    An M that is not positive definite in float32 is solved by least squares.
    """
    if not right.size:
        return right
    _, solution, info = lapack.sposv(matrix, right, lower=True)
    if info:
        solution = np.linalg.lstsq(matrix.astype(np.float64), right.astype(np.float64), rcond=None)[0]
    found: Floats = solution.astype(np.float32, copy=False)
    return found
