"""Alternating least squares: the batched ridge solver that the factor models share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from matinee._util.processors import processor_count
from matinee.models.truncated_svd import truncated_svd

BATCH_CELLS = 1 << 20
"""Rows are solved in batches whose padded features hold about this many float32 values."""

Floats = NDArray[np.float32]


WORKERS = min(processor_count(), 16)
"""Threads that solve batches; BLAS itself gets one, as its own threads slow small systems down tenfold."""


@contextmanager
def batch_pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for `ridge_solve`, with BLAS on one thread meanwhile."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(WORKERS) as pool:
        yield pool


def ridge_solve(
    indptr: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
    targets: Floats,
    features: Floats,
    ridge: Floats,
    pool: ThreadPoolExecutor,
    base: Floats | None = None,
) -> Floats:
    """For each row u solve (base + Σ f_i f_iᵀ + diag(ridge_u)) w_u = Σ t_ui f_i over the row's entries.

    Args:
        indptr: sparse rows, (n + 1,).
        indices: feature row of each entry.
        targets: t, one per entry.
        features: float32, (k, d).
        ridge: float32, (n, d).
        pool: threads, from `batch_pool`.
        base: float32, (d, d), added to every row's matrix, or None.

    Returns:
        float32, (n, d); rows without entries are 0.
    """
    d = features.shape[1]
    sizes = np.diff(indptr)
    solution = np.zeros((len(sizes), d), dtype=np.float32)
    padded = np.vstack([features, np.zeros((1, d), dtype=np.float32)])

    def solve(batch: NDArray[np.int64]) -> None:
        lanes = np.arange(int(sizes[batch[-1]]))
        inside = lanes < sizes[batch][:, None]
        entries = np.where(inside, indptr[batch][:, None] + lanes, 0)
        gathered = padded[np.where(inside, indices[entries], len(features))]
        turned = gathered.transpose(0, 2, 1)
        left = turned @ gathered
        if base is not None:
            left += base
        diagonal = np.einsum("nii->ni", left)
        diagonal += ridge[batch]
        right = turned @ np.where(inside, targets[entries], np.float32(0))[:, :, None]
        solution[batch] = np.linalg.solve(left, right)[:, :, 0]

    list(pool.map(solve, _batches(sizes, d)))
    return solution


def _batches(sizes: NDArray[np.integer[Any]], d: int) -> Iterator[NDArray[np.int64]]:
    """Rows that are not empty, rows of like length together so that little is padding, the longest last."""
    order = np.argsort(sizes, kind="stable")
    stop, first = len(order), int((sizes == 0).sum())
    while stop > first:
        count = max(BATCH_CELLS // ((int(sizes[order[stop - 1]]) + 2 * d) * d), 1)
        start = max(stop - count, first)
        yield order[start:stop]
        stop = start


def solver_bytes(longest: int, d: int) -> int:
    """Peak bytes of `ridge_solve` on all threads whose longest row has `longest` entries."""
    cells = max(BATCH_CELLS, (longest + 2 * d) * d)
    return WORKERS * (4 * cells * 2 + 48 * cells // max(d, 1))


def principal_directions(matrix: sp.csr_matrix, d: int) -> Floats:
    """Right singular vectors of the d largest singular values, scaled by their roots, (k, d) float32.

    A start for the factors that depends on the data alone: no seed, and renaming or reordering users and
    movies changes nothing. Directions that the matrix does not have are 0.
    """
    directions = np.zeros((matrix.shape[1], d), dtype=np.float32)
    _, values, right = truncated_svd(matrix, d)
    directions[:, : len(values)] = (right * np.sqrt(values)[:, None]).T
    return directions
