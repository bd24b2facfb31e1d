"""Learning rates over the steps of a training."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Schedule = Literal["constant", "cosine", "exponential"]

_LAST = 0.01
"""Share of the rate that "exponential" ends with."""


def learning_rates(kind: Schedule, rate: float, steps: int, warmup: int = 0) -> NDArray[np.float32]:
    """The rate of each step, (steps,).

    Args:
        kind: "cosine" falls to 0 along half a wave (Loshchilov, Hutter 2017, "SGDR"), "exponential" to a hundredth.
        warmup: first steps, over which the rate rises in a line.
    """
    done = np.arange(steps) / max(steps, 1)
    shape = {"constant": np.ones(steps), "cosine": (1 + np.cos(np.pi * done)) / 2, "exponential": _LAST**done}[kind]
    rise = np.minimum((np.arange(steps) + 1) / max(warmup, 1), 1.0)
    return (rate * shape * rise).astype(np.float32)
