"""Is the difference of two arms more than chance: a test to be read once, and one that may be read at any time."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Difference", "Sample", "always_valid", "fixed_horizon"]

Numbers: TypeAlias = float | NDArray[np.float64]


class Sample(NamedTuple):
    """One arm: number of users, mean and variance of their outcomes. Arrays stand for many experiments at once."""

    n: Numbers
    mean: Numbers
    variance: Numbers

    @classmethod
    def proportion(cls, n: Numbers, successes: Numbers) -> "Sample":
        """An arm whose outcome is yes or no."""
        rate = np.asarray(successes) / np.asarray(n)
        return cls(n, rate, rate * (1 - rate))


class Difference(NamedTuple):
    """Second arm minus first arm, with its interval and p-value."""

    difference: Numbers
    low: Numbers
    high: Numbers
    p: Numbers


def _difference(first: Sample, second: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    difference = np.asarray(second.mean, dtype=np.float64) - first.mean
    squared_error = np.asarray(first.variance, dtype=np.float64) / first.n + np.asarray(second.variance) / second.n
    return difference, np.maximum(squared_error, np.finfo(np.float64).tiny)


def fixed_horizon(first: Sample, second: Sample, alpha: float = 0.05) -> Difference:
    """Two-sided z-test: wrong in a share `alpha` of A/A tests if read once, at a size set before it.

    Who reads it again and again and stops when it is significant is wrong far more often; `always_valid` is for that.
    """
    difference, squared_error = _difference(first, second)
    error = np.sqrt(squared_error)
    radius = -ndtri(alpha / 2) * error
    return Difference(difference, difference - radius, difference + radius, 2 * ndtr(-np.abs(difference) / error))


def always_valid(first: Sample, second: Sample, effect: float, alpha: float = 0.05) -> Difference:
    """Mixture sequential probability ratio test, with the confidence sequence that it gives.

    It may be read after every user and stopped at any reading: wrong in at most a share `alpha` of A/A tests, for arms
    large enough (a hundred users or more) that their means are normal. It is conservative: read once, its intervals
    are wider than those of `fixed_horizon`. Source: Johari, Koomen, Pekelis and Walsh, Peeking at A/B tests, KDD 2017;
    Howard, Ramdas, McAuliffe and Sekhon, Time-uniform confidence sequences, Annals of Statistics 2021.

    Parameters
    ----------
    effect
        Standard deviation of the normal mixture: about the difference that is looked for. Any positive number is
        valid if it is set before the data are seen; it says only where the test is most powerful.

    Raises
    ------
    ValueError
        If `effect` is not positive.
    """
    if effect <= 0:
        raise ValueError(f"the effect that a sequential test looks for must be positive, not {effect}")
    difference, squared_error = _difference(first, second)
    total = squared_error + effect**2
    spread = np.log(total / squared_error) / 2
    radius = np.sqrt(2 * squared_error * total / effect**2 * (spread - np.log(alpha)))
    log_ratio = effect**2 * difference**2 / (2 * squared_error * total) - spread
    return Difference(difference, difference - radius, difference + radius, np.exp(np.minimum(-log_ratio, 0)))
