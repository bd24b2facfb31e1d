"""Ridge systems by conjugate gradients, compiled by Numba; import it only while fitting (extra `train`).

What all rows of a half sweep share is diagonal here (`factorization.Shared`), so that it costs a row next to nothing,
and the diagonal of a row's matrix, the preconditioner, is near to the matrix: one step does what three do without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.integer[Any]]

BLOCK_BYTES = 1 << 20
"""Rows that descend together where the features are taken in groups: so many bytes of residuals."""

_NOTHING = np.float32(1e-30)

# Sums may be taken in another order, which lets the compiler use vector instructions; NaN and infinity stay exact.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(nogil=True, cache=True, fastmath=_FAST)
def _add_rest(
    start: int, stop: int, indices: Integers, targets: Floats, features: Floats, vector: Floats, total: Floats
) -> None:
    """total += Σ f (t − fᵀv) over the entries start…stop − 1: eight at a time, or loads and stores take longest."""
    d = len(vector)
    entry = start
    while entry + 8 <= stop:
        one, two = features[indices[entry]], features[indices[entry + 1]]
        three, four = features[indices[entry + 2]], features[indices[entry + 3]]
        five, six = features[indices[entry + 4]], features[indices[entry + 5]]
        seven, eight = features[indices[entry + 6]], features[indices[entry + 7]]
        a = b = c = e = g = h = i = j = np.float32(0)
        for f in range(d):
            value = vector[f]
            a += one[f] * value
            b += two[f] * value
            c += three[f] * value
            e += four[f] * value
            g += five[f] * value
            h += six[f] * value
            i += seven[f] * value
            j += eight[f] * value
        a, b = targets[entry] - a, targets[entry + 1] - b
        c, e = targets[entry + 2] - c, targets[entry + 3] - e
        g, h = targets[entry + 4] - g, targets[entry + 5] - h
        i, j = targets[entry + 6] - i, targets[entry + 7] - j
        for f in range(d):
            near = (a * one[f] + b * two[f]) + (c * three[f] + e * four[f])
            total[f] += near + ((g * five[f] + h * six[f]) + (i * seven[f] + j * eight[f]))
        entry += 8
    while entry < stop:
        one = features[indices[entry]]
        a = np.float32(0)
        for f in range(d):
            a += one[f] * vector[f]
        a = targets[entry] - a
        for f in range(d):
            total[f] += a * one[f]
        entry += 1


@njit(nogil=True, cache=True, fastmath=_FAST)
def _squares(start: int, stop: int, indices: Integers, features: Floats, vector: Floats) -> np.float32:
    """Σ (fᵀv)² over the entries start…stop − 1."""
    total = np.float32(0)
    entry = start
    while entry + 4 <= stop:
        one, two = features[indices[entry]], features[indices[entry + 1]]
        three, four = features[indices[entry + 2]], features[indices[entry + 3]]
        a = b = c = e = np.float32(0)
        for f in range(len(vector)):
            value = vector[f]
            a += one[f] * value
            b += two[f] * value
            c += three[f] * value
            e += four[f] * value
        total += (a * a + b * b) + (c * c + e * e)
        entry += 4
    while entry < stop:
        one = features[indices[entry]]
        a = np.float32(0)
        for f in range(len(vector)):
            a += one[f] * vector[f]
        total += a * a
        entry += 1
    return total


@njit(nogil=True, cache=True, fastmath=_FAST)
def _begin(
    first: int,
    indptr: Integers,
    indices: Integers,
    spectrum: Floats,
    ridge: Floats,
    pull: Floats,
    group: int,
    rows: Floats,
    cuts: Integers,
    residuals: Floats,
) -> None:
    """Of a block of rows, from `first` on: residuals without their entries, and where these go on to the next group.

    Columns need not be sorted: those that come too late are left to a later group.

    Args:
        cuts: (m, n_groups + 1), written.
        residuals: (m, d), written.
    """
    for b in range(len(rows)):
        row = first + b
        entry, stop = indptr[row], indptr[row + 1]
        cuts[b, 0] = entry
        for number in range(1, cuts.shape[1] - 1):
            while entry < stop and indices[entry] < number * group:
                entry += 1
            cuts[b, number] = entry
        cuts[b, cuts.shape[1] - 1] = stop
        for f in range(rows.shape[1]):
            residuals[b, f] = -(spectrum[f] + ridge[row]) * rows[b, f]
        if len(pull):
            for f in range(rows.shape[1]):
                residuals[b, f] += pull[row, f]


@njit(nogil=True, cache=True, fastmath=_FAST)
def _add_rests(
    cuts: Integers, indices: Integers, targets: Floats, features: Floats, vectors: Floats, totals: Floats
) -> None:
    """`_add_rest` of a block of rows, group by group."""
    for number in range(cuts.shape[1] - 1):
        for b in range(len(vectors)):
            if cuts[b, number] < cuts[b, number + 1]:
                _add_rest(cuts[b, number], cuts[b, number + 1], indices, targets, features, vectors[b], totals[b])


@njit(nogil=True, cache=True, fastmath=_FAST)
def _turn(
    first: int,
    cuts: Integers,
    spectrum: Floats,
    typical: Floats,
    ridge: Floats,
    residuals: Floats,
    directions: Floats,
    lengths: Floats,
) -> None:
    """The next direction of each row of a block, and the squared length of its residual under the preconditioner.

    Args:
        directions: those before, where `lengths` are not 0, (m, d); written.
        lengths: those before, 0 at the start, (m,); written.
    """
    for b in range(len(residuals)):
        n, own = np.float32(cuts[b, -1] - cuts[b, 0]), ridge[first + b]
        residual, direction = residuals[b], directions[b]
        length = np.float32(0)
        for f in range(len(residual)):
            length += residual[f] * residual[f] / (spectrum[f] + own + n * typical[f])
        turn = length / lengths[b] if lengths[b] > _NOTHING else np.float32(0)
        for f in range(len(residual)):
            direction[f] = residual[f] / (spectrum[f] + own + n * typical[f]) + turn * direction[f]
        lengths[b] = length


@njit(nogil=True, cache=True, fastmath=_FAST)
def _curve(
    first: int,
    cuts: Integers,
    indices: Integers,
    features: Floats,
    spectrum: Floats,
    ridge: Floats,
    directions: Floats,
    curvatures: Floats,
) -> None:
    """dᵀA·d of the direction d of each row of a block, written to `curvatures`."""
    for b in range(len(directions)):
        direction, own = directions[b], ridge[first + b]
        curvature = np.float32(0)
        for f in range(len(direction)):
            curvature += (spectrum[f] + own) * direction[f] * direction[f]
        curvatures[b] = curvature
    for number in range(cuts.shape[1] - 1):
        for b in range(len(directions)):
            if cuts[b, number] < cuts[b, number + 1]:
                curvatures[b] += _squares(cuts[b, number], cuts[b, number + 1], indices, features, directions[b])


@njit(nogil=True, cache=True, fastmath=_FAST)
def _multiply(
    first: int,
    cuts: Integers,
    indices: Integers,
    zeros: Floats,
    features: Floats,
    spectrum: Floats,
    ridge: Floats,
    directions: Floats,
    products: Floats,
    curvatures: Floats,
) -> None:
    """−A·d of the direction d of each row of a block, written to `products`, and dᵀA·d, to `curvatures`."""
    for b in range(len(directions)):
        for f in range(directions.shape[1]):
            products[b, f] = -(spectrum[f] + ridge[first + b]) * directions[b, f]
    for number in range(cuts.shape[1] - 1):
        for b in range(len(directions)):
            begin, end = cuts[b, number], cuts[b, number + 1]
            if begin < end:  # with targets of 0 the sum is subtracted, hence the sign
                _add_rest(0, end - begin, indices[begin:end], zeros, features, directions[b], products[b])
    for b in range(len(directions)):
        curvature = np.float32(0)
        for f in range(directions.shape[1]):
            curvature -= directions[b, f] * products[b, f]
        curvatures[b] = curvature


@njit(nogil=True, cache=True, fastmath=_FAST)
def descend_rows(
    start: int,
    stop: int,
    indptr: Integers,
    indices: Integers,
    targets: Floats,
    features: Floats,
    spectrum: Floats,
    typical: Floats,
    ridge: Floats,
    pull: Floats,
    steps: int,
    group: int,
    rows: Floats,
) -> None:
    """Some steps towards the solutions of (diag(spectrum) + Σ f fᵀ + ridge_u) w_u = Σ t f + pull_u.

    Args:
        start, stop: rows that descend: start…stop − 1.
        indptr, indices: sparse rows; `indices` are rows of `features`.
        targets: t of each entry.
        features: f, (k, d).
        spectrum: (d,).
        typical: diagonal of f fᵀ of an entry, about, (d,).
        ridge: (n,).
        pull: (n, d), or (0, d): none.
        steps: of conjugate gradients.
        group: features that stay in a cache while all rows of a block take theirs of them.
        rows: w, (n, d), where the descent starts, and where its end is written.
    """
    d = features.shape[1]
    n_groups = max((len(features) + group - 1) // group, 1)
    # A row that goes through all of its features at once finds them in a cache in the next step.
    block = 1 if n_groups == 1 else max(min(BLOCK_BYTES // (4 * d), stop - start), 1)
    all_cuts, all_lengths = np.empty((block, n_groups + 1), dtype=np.int64), np.empty(block, dtype=np.float32)
    all_residuals, all_directions = np.empty((block, d), dtype=np.float32), np.zeros((block, d), dtype=np.float32)
    curvatures = np.empty(block, dtype=np.float32)
    # The last step needs no product with the matrix, which only the next residual is made of.
    products = np.empty((block if steps > 1 else 0, d), dtype=np.float32)
    zeros = np.zeros(len(features) if steps > 1 else 0, dtype=np.float32)
    for first in range(start, stop, block):
        m = min(block, stop - first)
        own = rows[first : first + m]
        cuts, residuals, directions, lengths = all_cuts[:m], all_residuals[:m], all_directions[:m], all_lengths[:m]
        _begin(first, indptr, indices, spectrum, ridge, pull, group, own, cuts, residuals)
        _add_rests(cuts, indices, targets, features, own, residuals)
        lengths[:] = 0
        for step in range(steps):
            last = step == steps - 1
            _turn(first, cuts, spectrum, typical, ridge, residuals, directions, lengths)
            if last:
                _curve(first, cuts, indices, features, spectrum, ridge, directions, curvatures)
            else:
                _multiply(first, cuts, indices, zeros, features, spectrum, ridge, directions, products, curvatures)
            for b in range(m):
                if lengths[b] > _NOTHING:
                    size = lengths[b] / curvatures[b]
                    own[b] += size * directions[b]
                    if not last:
                        residuals[b] += size * products[b]
