"""The Gram matrix of users × movies, and the inverse of such matrices, by BLAS and LAPACK in single precision."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from matinee.accelerator.device import current_device
from matinee.errors import MatineeError
from matinee.models.base import Progress

_BLOCK_BYTES = 16 << 20
"""Users are made dense in blocks of about this many bytes: large enough for BLAS, small beside the Gram matrix."""

LARGE = 2_000_000
"""Ratings from which on compiling sparse products takes less time than it saves."""
SPARSE_GAIN = 64.0
"""Multiplications that BLAS does in the time of one of a sparse product."""


def compiles(matrix: sp.csr_matrix) -> bool:
    """Whether sparse products of users × movies are worth compiling, and Numba is installed."""
    return matrix.nnz >= LARGE and find_spec("numba") is not None


def block_users(k: int) -> int:
    """Users of a block over k movies."""
    return max(_BLOCK_BYTES // (4 * max(k, 1)), 64)


def gram_matrix(
    matrix: sp.csr_matrix, progress: Progress, what: str, gram: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Lower triangle of XᵀX, float32, Fortran order.

    A GPU does it where the context has one (`accelerator.device`). Else, on dense data BLAS on blocks of users beats a
    sparse product; on large sparse ones it would multiply zeros.

    Args:
        gram: that of other users, to which it is added in place.
    """
    n_users, k = matrix.shape
    if gram is None:
        gram = np.zeros((k, k), dtype=np.float32, order="F")
    if device := current_device():
        from matinee.accelerator import linear_algebra

        gram += linear_algebra.gram_matrix(matrix, device, lambda share: progress(f"{what}: Gram matrix", 0.5 * share))
        return gram
    sizes = np.diff(matrix.indptr).astype(np.float64)
    if compiles(matrix) and n_users * float(k) ** 2 > SPARSE_GAIN * float(sizes @ sizes):
        from matinee.models.co_ratings import add_gram

        add_gram(matrix, gram, lambda share: progress(f"{what}: Gram matrix", 0.5 * share))
        return gram
    size = min(block_users(k), n_users)
    buffer = np.empty((size, k), dtype=np.float32)
    for start in range(0, n_users if k else 0, size):
        stop = min(start + size, n_users)
        matrix[start:stop].toarray(out=buffer[: stop - start])
        # The transposed view of a C-ordered block is Fortran-ordered: nothing is copied.
        blas.ssyrk(1.0, buffer[: stop - start].T, beta=1.0, c=gram, lower=1, overwrite_c=1)
        progress(f"{what}: Gram matrix", 0.5 * stop / n_users)
    return gram


def invert(gram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lower triangle of the inverse of a positive definite matrix, in place where no GPU does it (Cholesky)."""
    if device := current_device():
        from matinee.accelerator import linear_algebra

        factor = linear_algebra.inverse(gram, device)
        definite = bool(np.isfinite(factor).all())
    else:
        factor, info = lapack.spotrf(gram, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            factor, info = lapack.spotri(factor, lower=1, overwrite_c=1)
        definite = info == 0
    if not definite:
        raise MatineeError(
            "The Gram matrix is not positive definite in single precision.", "Raise `regularization` of this model."
        )
    inverse: NDArray[np.float32] = factor
    return inverse


def symmetric(lower: NDArray[np.float32]) -> NDArray[np.float32]:
    """The whole of a matrix of which the lower triangle is filled (Fortran order), in place."""
    size = 512
    for start in range(0, len(lower), size):
        rows = slice(start, start + size)
        corner = lower[rows, rows]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        lower[rows, start + size :] = lower[start + size :, rows].T
    return lower
