"""Pieces of the autoencoders' losses, in JAX: normalized histories, noise, the multinomial likelihood."""

from __future__ import annotations

from typing import Any


def normalized(histories: Any) -> Any:
    """Rows of length 1 (rows of 0 stay)."""
    import jax.numpy as jnp

    norms = jnp.sqrt((histories**2).sum(axis=1, keepdims=True))
    return histories / jnp.maximum(norms, 1e-12)


def drop(values: Any, share: Any, key: Any) -> Any:
    """Values of which a random share is 0; the others are scaled so that the mean stays."""
    import jax
    import jax.numpy as jnp

    keep = jax.random.uniform(key, values.shape) >= share
    return jnp.where(keep, values / (1 - share), 0.0)


def log_softmax(logits: Any, k: Any) -> Any:
    """Log probabilities over the first k columns; the others, which only fill up, have none (0)."""
    import jax
    import jax.numpy as jnp

    there = jnp.arange(logits.shape[1]) < k
    return jnp.where(there, jax.nn.log_softmax(jnp.where(there, logits, -1e9), axis=1), 0.0)
