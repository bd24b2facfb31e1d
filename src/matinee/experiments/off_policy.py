"""What another way of choosing would have earned, from what a logged way of choosing earned.

Sources: Horvitz and Thompson 1952 (IPS); Swaminathan and Joachims, NeurIPS 2015 (SNIPS); Dudík, Langford and Li, ICML
2011 (doubly robust).
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Estimate", "doubly_robust", "ips", "snips"]

Values: TypeAlias = NDArray[np.float64]
Users: TypeAlias = NDArray[np.int64] | None


class Estimate(NamedTuple):
    """A mean reward with a normal interval, and how many unweighted choices the weights are worth."""

    value: float
    low: float
    high: float
    effective_size: float


def _weights(propensities: Values, target: Values, clip: float | None) -> Values:
    if not len(propensities) or len(propensities) != len(target):
        raise ValueError("an off-policy estimate needs logged choices, each with its probability under both policies")
    if not (np.min(propensities) > 0 and np.max(propensities) <= 1):
        raise ValueError("the propensities of logged choices must be above 0 and at most 1")
    weights = target / propensities
    return weights if clip is None else np.minimum(weights, clip)


def _estimate(value: float, influence: Values, weights: Values, alpha: float, users: Users) -> Estimate:
    deviation = influence - influence.mean()
    summed = deviation if users is None else np.bincount(users, deviation)
    radius = float(-ndtri(alpha / 2) * np.sqrt(np.sum(summed**2)) / len(influence))
    squares = float(np.sum(weights**2))
    size = float(np.sum(weights)) ** 2 / squares if squares else 0.0
    return Estimate(value, value - radius, value + radius, size)


def ips(
    rewards: Values,
    propensities: Values,
    target: Values,
    *,
    clip: float | None = None,
    alpha: float = 0.05,
    users: Users = None,
) -> Estimate:
    """Inverse propensity scoring: unbiased without a clip, where the log could choose all that the target chooses.

    Parameters
    ----------
    rewards, propensities, target
        float64[choices]: what each logged choice earned, its probability when it was logged, and its probability
        under the policy that is asked for.
    clip
        Largest weight; it lowers the variance and biases towards 0.
    users
        int64[choices]: number of the user of each choice, whose choices are not independent; None: all are.

    Raises
    ------
    ValueError
        If there is no choice, lengths differ or a propensity is not in (0, 1].
    """
    weights = _weights(propensities, target, clip)
    terms = weights * rewards
    return _estimate(float(terms.mean()), terms, weights, alpha, users)


def snips(
    rewards: Values,
    propensities: Values,
    target: Values,
    *,
    clip: float | None = None,
    alpha: float = 0.05,
    users: Users = None,
) -> Estimate:
    """Self-normalized IPS: a weighted mean, within the range of the rewards. Arguments and errors as in `ips`."""
    weights = _weights(propensities, target, clip)
    if not weights.any():
        raise ValueError("the policy never makes a choice that was logged; log with more exploration")
    value = float(np.average(rewards, weights=weights))
    return _estimate(value, weights * (rewards - value) / weights.mean(), weights, alpha, users)


def doubly_robust(
    rewards: Values,
    propensities: Values,
    target: Values,
    predicted: Values,
    predicted_target: Values,
    *,
    clip: float | None = None,
    alpha: float = 0.05,
    users: Users = None,
) -> Estimate:
    """Predicted reward of the target policy, corrected by IPS of the prediction's errors.

    Right where either the propensities or the predictions are; the predictions come from other data than the log.

    Parameters
    ----------
    predicted, predicted_target
        float64[choices]: predicted reward of the logged choice, and of the target policy's choice in its place.
    """
    weights = _weights(propensities, target, clip)
    terms = predicted_target + weights * (rewards - predicted)
    return _estimate(float(terms.mean()), terms, weights, alpha, users)
