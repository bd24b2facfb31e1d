"""The rows that may be nearest to queries, by matrix products on a device. Import this only where JAX is installed."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

SPARE = 16
"""Rows beyond the k nearest that are looked at: what differs in the last bits only may change places."""
BLOCK_VALUES = 1 << 27
"""Float32 similarities on the device at once, 512 MB."""


def candidate_rows(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    mask: NDArray[np.bool_] | None,
    slack: float,
    device: Any,
) -> NDArray[np.int64] | None:
    """A superset of the k most similar rows of each query, (n_queries, up to k + `SPARE`), in no order.

    Args:
        vectors, queries: unit vectors, (n, dim) and (n_queries, dim).
        mask: (n,), allowed rows, at least k; None: all.
        slack: how far two products may be apart that should be equal.

    Returns:
        None if more rows are as similar as the k-th, within the error of a product, than are looked at.
    """
    n = len(vectors)
    width = min(k + SPARE, n)
    size = max(BLOCK_VALUES // max(n, 1), 1)
    parts = []
    with jax.default_device(device):
        rows = jnp.asarray(vectors)
        penalty = jnp.zeros(n) if mask is None else jnp.where(jnp.asarray(mask), 0.0, -4.0)
        for start in range(0, len(queries), size):
            best, found = jax.device_get(_best(rows, penalty, jnp.asarray(queries[start : start + size]), width))
            if width < n and bool((best[:, -1] >= best[:, k - 1] - slack).any()):
                return None
            parts.append(np.where(best < -1.5, -1, found).astype(np.int64))
    return np.concatenate(parts)


@partial(jax.jit, static_argnames="width")
def _best(vectors: jax.Array, penalty: jax.Array, queries: jax.Array, width: int) -> Any:
    similarities = jnp.matmul(queries, vectors.T, precision=jax.lax.Precision.HIGHEST) + penalty
    return jax.lax.top_k(similarities, width)
