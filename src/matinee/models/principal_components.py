"""Principal components of vectors: as many as hold a share of the variance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARE = 0.95


def principal_components(
    vectors: NDArray[np.floating[Any]], share: float = SHARE, *, center: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Coordinates along the fewest principal directions that hold a share of the variance.

    Args:
        vectors: (n, d), dense.
        share: of the variance, above 0, at most 1; all directions with a variance at 1.
        center: take the mean off first (PCA); without it the directions are those of the SVD.

    Returns:
        (n, r), by falling variance, and the share of each direction, (r,). Signs are fixed: the largest weight of each
        direction is positive. r is 0 where all vectors are equal.
    """
    table = np.asarray(vectors, dtype=np.float64)
    if not table.size:
        return np.zeros((len(table), 0), dtype=np.float32), np.zeros(0)
    if center:
        table = table - table.mean(axis=0)
    values, directions = np.linalg.eigh(table.T @ table)
    values, directions = values[::-1], directions[:, ::-1]
    # What is left of equal columns is rounding.
    kept = int((values > max(values[0] * 1e-9, 1e-12)).sum())
    shares = values[:kept] / values[:kept].sum() if kept else np.zeros(0)
    rank = min(int(np.searchsorted(np.cumsum(shares), share - 1e-12)) + 1, kept)
    directions = directions[:, :rank]
    signs = np.where(directions[np.abs(directions).argmax(axis=0), np.arange(rank)] < 0, -1, 1)
    return (table @ (directions * signs)).astype(np.float32), shares[:rank]
