"""Truncated singular value decomposition of large sparse matrices."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk, ssyrk

Floats = NDArray[np.float32]

OVERSAMPLING, ITERATIONS = 16, 4
COMPILED = 2_000_000
"""Entries from which on products of the matrix are worth compiling, where Numba is installed."""
_ROWS = 8192
"""Rows of which a Gram matrix is made at a time, so that no copy of all is held in double precision."""


def truncated_svd(
    matrix: sp.csr_matrix,
    rank: int,
    *,
    center: bool = False,
    seed: int = 0,
    dense: Floats | None = None,
    iterations: int = ITERATIONS,
    near: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """The `rank` largest singular values and their vectors, by randomised subspace iteration.

    Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithms 4.4 and 5.1. Signs are fixed so that
    the largest entry of each right vector is positive. Any matrix will do: of one of low rank, of equal values or of
    none but zeros come as many vectors as it has, none where it has none. Reordering rows or columns reorders the
    vectors, up to rounding (and up to what four iterations leave open, where different columns look alike to
    `column_order`).

    Args:
        matrix: (n, m), sparse.
        rank: number of singular values; fewer where the matrix has a lower rank.
        center: subtract each column's mean first (principal components), without making the matrix dense.
        seed: of the random start.
        dense: (n, m'), more columns to the right of the sparse ones; not to be centered.
        iterations: of the subspace; fewer suffice for inner products where the singular values decay slowly.

        near: (m + m', r'), right vectors of a matrix near to this one, in place of as much of the random start; fewer
            iterations suffice then.

    Returns:
        Left vectors (n, r), values (r,) descending, right vectors (r, m + m').
    """
    n, n_sparse = matrix.shape
    m = n_sparse + (0 if dense is None else dense.shape[1])
    rank = min(rank, n, m)
    matrix = matrix.astype(np.float32, copy=False)
    size = float(np.hypot(np.linalg.norm(matrix.data), 0.0 if dense is None else np.linalg.norm(dense)))
    if not size or not rank:
        return np.zeros((n, 0), np.float32), np.zeros(0, np.float32), np.zeros((0, m), np.float32)
    width = min(rank + OVERSAMPLING, n, m)
    turned = sp.csr_matrix(matrix.T)
    mean = np.asarray(matrix.mean(axis=0), dtype=np.float32).ravel() if center else None
    times = _product(matrix.nnz)

    # Both products are those of the matrix of norm 1, so that neither its powers nor the floors depend on its unit.
    def forward(block: Floats) -> Floats:
        block = block / np.float32(size)
        product = times(matrix, block[:n_sparse])
        if dense is not None:
            product += dense @ block[n_sparse:]
        return product if mean is None else product - mean @ block

    def backward(block: Floats) -> Floats:
        block = block / np.float32(size)
        product = times(turned, block)
        if dense is not None:
            product = np.vstack([product, dense.T @ block])
        return product if mean is None else product - np.outer(mean, block.sum(axis=0))

    start = np.empty((m, width), dtype=np.float32)
    drawn = np.random.default_rng(seed).standard_normal((m, width), dtype=np.float32)
    start[column_order(matrix, turned)], start[n_sparse:] = drawn[:n_sparse], drawn[n_sparse:]
    if near is not None:
        start[:, : near.shape[1]] = near[:, :width]
    block = start
    for _ in range(iterations):  # only the span counts: once, and on the side that has less of them
        ahead = forward(block)
        block = _orthonormal(backward(ahead), 1) if m <= n else backward(_orthonormal(ahead, 1))
    basis = _orthonormal(forward(block))
    seen = backward(basis)  # (m, width): the matrix as the basis sees it, turned
    squares, small = np.linalg.eigh(_gram(seen, np.float64))
    squares, small = squares[::-1][:rank], small[:, ::-1][:, :rank]
    # What centring leaves of equal columns is rounding.
    kept = squares > max(squares.max(initial=0.0) * 1e-9, 1e-12)
    values = np.sqrt(squares[kept]).astype(np.float32)
    small = small[:, kept].astype(np.float32)
    left, right = basis @ small, ((seen @ small) / values).T
    signs = np.where(right[np.arange(len(right)), np.abs(right).argmax(axis=1)] < 0, -1, 1).astype(np.float32)
    return left * signs, values * np.float32(size), right * signs[:, None]


def column_order(matrix: sp.csr_matrix, turned: sp.csr_matrix) -> NDArray[np.intp]:
    """The columns in an order that does not hang on their numbers: by the rows that they have entries in.

    `turned` is the matrix transposed. Random rows dealt out in this order make the start one of the matrix, not of the
    numbering. Columns are told apart by color refinement (Weisfeiler, Leman 1968), hashes of their neighbors' hashes,
    then by their values; those that tie all the same are nearly always equal, and equal columns may change places.
    """
    ones = np.ones(matrix.nnz, dtype=np.uint64)
    by_row: Any = sp.csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
    by_column: Any = sp.csr_matrix((ones, turned.indices, turned.indptr), shape=turned.shape)
    columns = by_column @ mixed(np.diff(matrix.indptr).astype(np.uint64))
    rows = mixed(by_row @ mixed(columns))
    values: Floats = turned @ (rows / 2.0**64).astype(np.float32)
    return np.lexsort((values, by_column @ rows))


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of numbers (splitmix64: Steele, Lea, Flood 2014); sums of them, modulo 2⁶⁴, do not depend on the order."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _product(entries: int) -> Callable[[sp.csr_matrix, Floats], Floats]:
    """What multiplies a sparse matrix of so many entries by a block."""
    if entries >= COMPILED and find_spec("numba") is not None:
        from matinee.models.sparse_products import product

        return product
    return lambda matrix, block: matrix @ block


def _orthonormal(block: Floats, passes: int = 2) -> Floats:
    """An orthonormal basis of the columns' span (fewer columns where they are dependent).

    By the eigenvectors of the Gram matrix: all of the work is one matrix product, where a QR decomposition of a tall
    matrix takes tens of times as long. Single precision leaves the columns not quite orthogonal after the first pass.
    """
    values, vectors = np.linalg.eigh(_gram(block, np.float64))
    kept = values > max(values.max(initial=0.0) * 1e-10, 1e-30)
    basis: Floats = block @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    if passes > 1:
        values, vectors = np.linalg.eigh(_gram(basis, np.float32))
        basis = basis @ (vectors / np.sqrt(values)).astype(np.float32)
    return basis


def _gram(block: Floats, precision: type[np.float32 | np.float64]) -> NDArray[np.float64]:
    """The lower triangle of blockᵀ·block, (w, w), of products in some precision."""
    total = np.zeros((block.shape[1], block.shape[1]))
    product = dsyrk if precision is np.float64 else ssyrk
    for first in range(0, len(block), _ROWS):
        total += product(1.0, block[first : first + _ROWS].astype(precision, copy=False).T, lower=1)
    return total
