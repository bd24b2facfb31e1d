"""Gram matrices, their inverses and ridge systems on a device, in single precision without shortened products.

Sizes are rounded up to powers of two, so that few programs are compiled. Import this only where JAX is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.scipy.linalg import cho_factor, cho_solve
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCK_VALUES = 1 << 26
"""Float32 values of a dense block on the device, 256 MB."""

# Else a GPU rounds the factors of a product to 10 or 8 bits.
_product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def gram_matrix(matrix: sp.csr_matrix, device: Any, done: Callable[[float], None]) -> Floats:
    """XᵀX, (k, k) float32 in Fortran order, of sparse users × movies; users are made dense a block at a time.

    Args:
        done: called with the share that is done.
    """
    n_users, k = matrix.shape
    size = _power(min(max(BLOCK_VALUES // max(k, 1), 64), max(n_users, 1)))
    with jax.default_device(device):
        gram = jnp.zeros((k, k), dtype=jnp.float32)
        for start in range(0, n_users, size):
            block = matrix[start : start + size].tocoo()
            count = _power(block.nnz)
            # What is filled up lies behind the last user, and is dropped.
            rows = _filled(block.row, count, size, np.int32)
            gram = _add_gram(gram, rows, _filled(block.col, count, 0, np.int32), _filled(block.data, count, 0), size)
            done(min((start + size) / n_users, 1.0))
        return np.asfortranarray(jax.device_get(gram))


def inverse(gram: Floats, device: Any) -> Floats:
    """The inverse of a positive definite matrix, of which the lower triangle is read; NaN where it is not definite."""
    with jax.default_device(device):
        return np.asfortranarray(jax.device_get(_inverse(jnp.asarray(gram))))


def ridge_solve(
    indptr: NDArray[np.integer[Any]],
    indices: NDArray[np.integer[Any]],
    targets: Floats,
    features: Floats,
    ridge: Floats,
    device: Any,
    base: Floats | None = None,
    pull: Floats | None = None,
) -> Floats:
    """See `models.factorization.ridge_solve`: all coordinates at a time."""
    n, d = len(indptr) - 1, features.shape[1]
    sizes = np.diff(indptr)
    solution = np.zeros((n, d), dtype=np.float32)
    with jax.default_device(device):
        padded = jnp.asarray(np.vstack([features, np.zeros((1, d), dtype=np.float32)]))
        shared = jnp.zeros((d, d), dtype=jnp.float32) if base is None else jnp.asarray(base)
        for rows, width in _batches(sizes, d):
            count = _power(len(rows))
            lanes = np.arange(width)
            inside = lanes < sizes[rows][:, None]
            entries = np.where(inside, indptr[rows][:, None] + lanes, 0)
            solved = _ridge(
                padded,
                shared,
                _filled(np.where(inside, indices[entries], len(features)), count, len(features), np.int32),
                _filled(np.where(inside, targets[entries], np.float32(0)), count, 0),
                _filled(ridge[rows], count, 1),
                _filled(np.zeros((len(rows), d)) if pull is None else pull[rows], count, 0),
            )
            solution[rows] = jax.device_get(solved)[: len(rows)]
    return solution


def _batches(sizes: NDArray[np.integer[Any]], d: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Rows that are not empty, those of like length together, and the length that they are filled up to."""
    order = np.argsort(sizes, kind="stable")
    stop, first = len(order), int((sizes == 0).sum())
    while stop > first:
        width = _power(int(sizes[order[stop - 1]]))
        start = max(stop - max(BLOCK_VALUES // ((width + 3 * d) * d), 1), first)
        yield order[start:stop], width
        stop = start


@partial(jax.jit, static_argnames="size", donate_argnames="gram")
def _add_gram(gram: jax.Array, rows: jax.Array, columns: jax.Array, values: jax.Array, size: int) -> jax.Array:
    dense = jnp.zeros((size, gram.shape[0]), dtype=jnp.float32).at[rows, columns].set(values, mode="drop")
    return gram + _product(dense.T, dense)


@jax.jit
def _inverse(gram: jax.Array) -> jax.Array:
    # Both triangles, as JAX's factorization takes the mean of them.
    lower = jnp.tril(gram)
    factor = cho_factor(lower + jnp.tril(gram, -1).T, lower=True)
    return jnp.asarray(cho_solve(factor, jnp.eye(len(gram), dtype=gram.dtype)))


@jax.jit
def _ridge(
    features: jax.Array, base: jax.Array, indices: jax.Array, targets: jax.Array, ridge: jax.Array, pull: jax.Array
) -> jax.Array:
    gathered = features[indices]
    turned = jnp.swapaxes(gathered, 1, 2)
    left = _product(turned, gathered) + base + jax.vmap(jnp.diag)(ridge)
    right = _product(turned, targets[:, :, None]) + pull[:, :, None]
    return jnp.asarray(jax.vmap(lambda a, b: cho_solve(cho_factor(a, lower=True), b))(left, right)[:, :, 0])


def _power(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


def _filled(values: NDArray[Any], count: int, fill: float, dtype: Any = np.float32) -> NDArray[Any]:
    """Values with rows added up to a count."""
    result = np.full((count, *values.shape[1:]), fill, dtype=dtype)
    result[: len(values)] = values
    return result
