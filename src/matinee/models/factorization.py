"""Alternating least squares: the batched ridge solver that the factor models share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from matinee.accelerator.device import current_device
from matinee.models.truncated_svd import ITERATIONS, truncated_svd
from matinee.models.work_shares import WORKERS, row_cuts

BATCH_CELLS = 1 << 20
"""Rows are solved in batches whose padded features hold about this many float32 values."""
TURN_ROWS = 4096
"""Rows that are turned into other coordinates at a time."""
WHOLE_BYTES = 20 << 20
"""Features of so many bytes are near enough in a last cache to descend with all at once; more are taken in groups."""
GROUP_BYTES = 4 << 20
"""A group of features: near a core's own cache, and of more than a few entries of a row."""

Floats = NDArray[np.float32]


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
    *,
    pull: Floats | None = None,
    start: Floats | None = None,
    block: int | None = None,
) -> Floats:
    """For each row u solve (base + Σ f_i f_iᵀ + diag(ridge_u)) w_u = Σ t_ui f_i + pull_u over the row's entries.

    A GPU does it where the context has one (`accelerator.device`), for all coordinates at a time.

    Args:
        indptr: sparse rows, (n + 1,).
        indices: feature row of each entry.
        targets: t, one per entry.
        features: float32, (k, d).
        ridge: float32, (n, d).
        pool: threads, from `batch_pool`.
        base: float32, (d, d), added to every row's matrix, or None.
        pull: float32, (n, d), or None.
        start: float32, (n, d): where a descent over blocks starts; None: at 0.
        block: solve for so many coordinates at a time, the others fixed, once over all of them (iALS++: Rendle et al.
            2021, "iALS++: Speeding up Matrix Factorization with Subspace Optimization"); None: for all of them.

    Returns:
        float32, (n, d); rows without entries are 0.
    """
    if device := current_device():
        from matinee.accelerator import linear_algebra

        return linear_algebra.ridge_solve(indptr, indices, targets, features, ridge, device, base, pull)
    d = features.shape[1]
    sizes = np.diff(indptr)
    solution = np.zeros((len(sizes), d), dtype=np.float32)
    padded = np.vstack([features, np.zeros((1, d), dtype=np.float32)])
    width = min(block or d, d)

    def solve(batch: NDArray[np.int64]) -> None:
        lanes = np.arange(int(sizes[batch[-1]]))
        inside = lanes < sizes[batch][:, None]
        entries = np.where(inside, indptr[batch][:, None] + lanes, 0)
        gathered = padded[np.where(inside, indices[entries], len(features))]
        goal = np.where(inside, targets[entries], np.float32(0))[:, :, None]
        rows = np.zeros((len(batch), d), dtype=np.float32) if start is None or width == d else start[batch]
        for first in range(0, d, width):
            part = slice(first, first + width)
            own = gathered[:, :, part]
            turned = own.transpose(0, 2, 1)
            left = turned @ own
            if base is not None:
                left += base[part, part]
            diagonal = np.einsum("nii->ni", left)
            diagonal += ridge[batch, part]
            # At 0 there is nothing to take off.
            right = (turned @ (goal if width == d else goal - gathered @ rows[:, :, None]))[:, :, 0]
            if width < d:
                right -= ridge[batch, part] * rows[:, part]
                if base is not None:
                    right -= rows @ base[:, part]
            if pull is not None:
                right += pull[batch, part]
            rows[:, part] += np.linalg.solve(left, right[:, :, None])[:, :, 0]
        solution[batch] = rows

    list(pool.map(solve, _batches(sizes, d)))
    return solution


class Shared(NamedTuple):
    """What all rows of a half sweep share, in coordinates in which it is diagonal.

    Attributes:
        turn: orthogonal, (d, d): a row w has coordinates w @ turn.
        spectrum: the diagonal of turnᵀ·base·turn, (d,).
        features: f @ turn, (k, d).
        typical: mean of the squares of the entries' features, (d,).
    """

    turn: Floats
    spectrum: Floats
    features: Floats
    typical: Floats

    @classmethod
    def of(cls, features: Floats, base: Floats, counts: NDArray[np.integer[Any]], pool: ThreadPoolExecutor) -> Self:
        """That of some features.

        Args:
            features: float32, (k, d).
            base: symmetric, positive semidefinite, (d, d): see `ridge_solve`.
            counts: entries of each feature, (k,).
            pool: threads, from `batch_pool`.
        """
        values, vectors = np.linalg.eigh(base.astype(np.float64))
        turn = vectors.astype(np.float32)
        turned, shares = np.empty_like(features), (counts / max(int(counts.sum()), 1)).astype(np.float32)

        def part(first: int) -> Floats:
            own = slice(first, first + TURN_ROWS)
            turned[own] = features[own] @ turn
            squares: Floats = shares[own] @ np.square(turned[own])
            return squares

        typical = sum(pool.map(part, range(0, len(features), TURN_ROWS)), np.zeros(len(base), dtype=np.float32))
        return cls(turn, np.maximum(values, 0).astype(np.float32), turned, typical)


def ridge_descend(
    indptr: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
    targets: Floats,
    shared: Shared,
    ridge: Floats,
    pool: ThreadPoolExecutor,
    start: Floats,
    *,
    pull: Floats | None = None,
    steps: int = 1,
) -> Floats:
    """What `ridge_solve` solves, nearly: some steps of conjugate gradients from `start`, which is not changed.

    Takács, Pilászy, Tikk 2011, "Applications of the conjugate gradient method for implicit feedback collaborative
    filtering"; here preconditioned by the diagonal, where `base` is diagonal. Needs Numba.

    Args:
        shared: base and features.
        ridge: float32, (n,).
        start: float32, (n, d).
        steps: of the descent.
    """
    from matinee.models.conjugate_gradient import descend_rows

    n, d = start.shape
    features, solution = shared.features, np.empty((n, d), dtype=np.float32)
    pulls = np.zeros((0, d), dtype=np.float32) if pull is None else pull @ shared.turn
    group = GROUP_BYTES // (4 * d) if features.nbytes > WHOLE_BYTES else len(features)

    # In parts that do not depend on the number of threads, as sums of BLAS depend on the parts.
    def turn(rows: Floats, by: Floats) -> None:
        def part(first: int) -> None:
            solution[first : first + TURN_ROWS] = rows[first : first + TURN_ROWS] @ by

        list(pool.map(part, range(0, n, TURN_ROWS)))

    def descend(span: tuple[int, int]) -> None:
        descend_rows(
            *span,
            indptr,
            indices,
            targets,
            features,
            shared.spectrum,
            shared.typical,
            ridge,
            pulls,
            steps,
            max(group, 1),
            solution,
        )

    turn(start, shared.turn)
    # More shares than threads, of about as many entries each: whoever is done early takes another.
    list(pool.map(descend, pairwise(row_cuts(indptr, min(8 * WORKERS, max(n, 1))))))
    turn(solution, np.ascontiguousarray(shared.turn.T))
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


def principal_directions(matrix: sp.csr_matrix, d: int, iterations: int = ITERATIONS) -> Floats:
    """Right singular vectors of the d largest singular values, scaled by their roots, (k, d) float32.

    A start for the factors that depends on the data alone: no seed, and renaming or reordering users and
    movies changes nothing. Directions that the matrix does not have are 0. `iterations` are those of `truncated_svd`.
    """
    directions = np.zeros((matrix.shape[1], d), dtype=np.float32)
    _, values, right = truncated_svd(matrix, d, iterations=iterations)
    directions[:, : len(values)] = (right * np.sqrt(values)[:, None]).T
    return directions
