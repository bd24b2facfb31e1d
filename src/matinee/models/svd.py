"""Truncated singular value decomposition of large sparse matrices."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]

OVERSAMPLING, ITERATIONS = 16, 4


def truncated_svd(
    matrix: sp.csr_matrix,
    rank: int,
    *,
    centre: bool = False,
    seed: int = 0,
    dense: Floats | None = None,
    iterations: int = ITERATIONS,
) -> tuple[Floats, Floats, Floats]:
    """The `rank` largest singular values and their vectors, by randomised subspace iteration.

    Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithms 4.4 and 5.1. Signs are fixed so that
    the largest entry of each right vector is positive.

    Args:
        matrix: (n, m), sparse.
        rank: values wanted; fewer where the matrix has no more.
        centre: subtract each column's mean first (principal components), without making the matrix dense.
        seed: of the random start.
        dense: (n, m'), more columns to the right of the sparse ones; not to be centred.
        iterations: of the subspace; fewer do where the values fall slowly and all that is wanted is inner products.

    Returns:
        Left vectors (n, r), values (r,) descending, right vectors (r, m + m').
    """
    n, n_sparse = matrix.shape
    m = n_sparse + (0 if dense is None else dense.shape[1])
    rank = min(rank, n, m)
    if not rank or not (matrix.count_nonzero() or (dense is not None and dense.any())):
        return np.zeros((n, 0), np.float32), np.zeros(0, np.float32), np.zeros((0, m), np.float32)
    width = min(rank + OVERSAMPLING, n, m)
    matrix = matrix.astype(np.float32, copy=False)
    turned = sp.csr_matrix(matrix.T)
    mean = np.asarray(matrix.mean(axis=0), dtype=np.float32).ravel() if centre else None

    def forward(block: Floats) -> Floats:
        product: Floats = matrix @ block[:n_sparse]
        if dense is not None:
            product += dense @ block[n_sparse:]
        return product if mean is None else product - mean @ block

    def backward(block: Floats) -> Floats:
        product: Floats = turned @ block
        if dense is not None:
            product = np.vstack([product, dense.T @ block])
        return product if mean is None else product - np.outer(mean, block.sum(axis=0))

    start = np.random.default_rng(seed).standard_normal((m, width), dtype=np.float32)
    basis = _orthonormal(forward(start))
    for _ in range(iterations):
        basis = _orthonormal(forward(backward(basis)))
    seen = backward(basis)  # (m, width): the matrix as the basis sees it, turned
    squares, small = np.linalg.eigh(seen.T.astype(np.float64) @ seen)
    squares, small = squares[::-1][:rank], small[:, ::-1][:, :rank]
    kept = squares > (squares[0] if len(squares) else 0) * 1e-9
    values = np.sqrt(squares[kept]).astype(np.float32)
    small = small[:, kept].astype(np.float32)
    left, right = basis @ small, ((seen @ small) / values).T
    signs = np.where(right[np.arange(len(right)), np.abs(right).argmax(axis=1)] < 0, -1, 1).astype(np.float32)
    return left * signs, values, right * signs[:, None]


def _orthonormal(block: Floats) -> Floats:
    """An orthonormal basis of the columns' span (fewer columns where they are dependent).

    By the eigenvectors of the Gram matrix: all of the work is one matrix product, where a QR decomposition of a tall
    matrix takes tens of times as long.
    """
    values, vectors = np.linalg.eigh(block.T.astype(np.float64) @ block)
    kept = values > max(values.max(initial=0.0) * 1e-10, 1e-30)
    basis = block @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    # Once more: single precision leaves the columns not quite orthogonal after the first time.
    values, vectors = np.linalg.eigh(basis.T.astype(np.float64) @ basis)
    again: Floats = basis @ (vectors / np.sqrt(values)).astype(np.float32)
    return again
