"""Adam for dictionaries of arrays, in JAX (Kingma, Ba 2015)."""

from __future__ import annotations

from typing import Any, NamedTuple

_MEAN, _SQUARE, _EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """Moments of the gradients, each like the weights, and the number of steps done."""

    mean: Any
    square: Any
    steps: Any


def adam_start(weights: Any) -> AdamState:
    """Before the first step."""
    import jax
    import jax.numpy as jnp

    return AdamState(jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights), jnp.float32(0))


def adam_step(weights: Any, gradients: Any, state: AdamState, rate: Any) -> tuple[Any, AdamState]:
    """Weights and state after one step; to be called inside a compiled function."""
    import jax
    import jax.numpy as jnp

    steps = state.steps + 1
    mean = jax.tree.map(lambda old, new: _MEAN * old + (1 - _MEAN) * new, state.mean, gradients)
    square = jax.tree.map(lambda old, new: _SQUARE * old + (1 - _SQUARE) * new * new, state.square, gradients)
    size = rate * jnp.sqrt(1 - _SQUARE**steps) / (1 - _MEAN**steps)
    moved = jax.tree.map(lambda w, m, s: w - size * m / (jnp.sqrt(s) + _EPSILON), weights, mean, square)
    return moved, AdamState(mean, square, steps)
