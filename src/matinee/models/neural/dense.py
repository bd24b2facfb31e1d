"""The forward pass of dense layers, in NumPy: what serving needs of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Activation = Callable[[Floats], Floats]


def relu(values: Floats) -> Floats:
    """max(x, 0)."""
    return np.maximum(values, np.float32(0))


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + e⁻ˣ), without overflow."""
    small = np.exp(-np.abs(values))
    result: Floats = np.where(values >= 0, 1 / (1 + small), small / (1 + small)).astype(values.dtype)
    return result


def swish(values: Floats) -> Floats:
    """x·sigmoid(x)."""
    return values * sigmoid(values)


def layer_norm(values: Floats, scale: Floats, offset: Floats, epsilon: float) -> Floats:
    """Each row brought to mean 0 and variance 1, then scaled and moved (Ba, Kiros, Hinton 2016)."""
    rest = values - values.mean(axis=-1, keepdims=True)
    variance = np.square(rest).mean(axis=-1, keepdims=True)
    result: Floats = rest / np.sqrt(variance + np.float32(epsilon)) * scale + offset
    return result


def mlp(values: Floats, layers: Sequence[tuple[Floats, Floats]], activation: Activation = relu) -> Floats:
    """Dense layers (kernel, bias), the activation after each."""
    for kernel, bias in layers:
        values = activation(values @ kernel + bias)
    return values
