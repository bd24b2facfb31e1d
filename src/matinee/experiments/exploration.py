"""Exploration: a stated share of a list's places is drawn at random, with exact propensities."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["explore"]

T = TypeVar("T")


def explore(
    candidates: Sequence[T], n: int, share: float, rng: np.random.Generator
) -> tuple[list[T], NDArray[np.float64]]:
    """At most n of the candidates (best first), and for each place the probability of its movie.

    Each place takes, with probability `share`, one of the candidates left by chance, otherwise the best that is left
    (ε-greedy). A probability is that of the movie at its place, given the places above it; the product of all is the
    probability of the list.

    Raises
    ------
    ValueError
        If `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share of exploration must be between 0 and 1, not {share}")
    left = list(candidates)
    chosen: list[T] = []
    propensities: list[float] = []
    for _ in range(min(n, len(left))):
        place = int(rng.integers(len(left))) if rng.random() < share else 0
        propensities.append(share / len(left) + (1 - share) * (place == 0))
        chosen.append(left.pop(place))
    return chosen, np.array(propensities, dtype=np.float64)
