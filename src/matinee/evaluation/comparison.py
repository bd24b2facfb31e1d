"""Paired comparison of models by the same users: differences with intervals, and tests corrected for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import rankdata, wilcoxon

from matinee.evaluation.bootstrap import CONFIDENCE, Resampled, percentile_interval
from matinee.evaluation.figures import Floats, UserFigures, user_means

TESTED = ("ndcg", "precision", "recall", "map", "mrr", "hit_rate", "disliked_per_list", "rmse", "mae")
"""Figures that every user has a value of. RMSE is tested by each user's mean squared error."""
EXACT = 50
"""Users up to which the signed-rank test is exact."""
LOWER_IS_BETTER = (
    "rmse",
    "mae",
    "timed_rmse",
    "timed_mae",
    "disliked",
    "head",
    "gini",
    "interval_width",
    "validation_loss",
)


class Comparison(BaseModel):
    """A model beside the reference, by one figure.

    Attributes:
        reference: the model that it is compared with.
        difference: the model's figure less that of the reference.
        interval: of the difference, by resampling users; None where it is not defined.
        p: two-sided, of Wilcoxon's signed-rank test over users.
        p_holm: corrected for all models that are compared with the reference by this figure.
        better, worse, equal: numbers of users.
    """

    model_config = ConfigDict(frozen=True)

    reference: str
    difference: float
    interval: tuple[float, float] | None
    p: float
    p_holm: float
    better: int
    worse: int
    equal: int


def metric_of(name: str) -> str:
    """The metric of a figure: "ndcg" of "ndcg@10/3"."""
    return name.partition("@")[0]


def lower_is_better(name: str) -> bool:
    """Whether less is better by this figure."""
    return metric_of(name).startswith(LOWER_IS_BETTER)


def signed_rank_p(differences: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that differences, (n_users,), are symmetric around 0.

    Users without a difference take part in the ranking (Pratt 1959); NaN does not count. 1 where nobody differs. Exact
    for at most `EXACT` users, also where differences are equal; by the normal distribution for more.
    """
    known = differences[np.isfinite(differences)]
    if not known.any():
        return 1.0
    if known.size <= EXACT:
        return _exact_p(known)
    return float(wilcoxon(known, zero_method="pratt", correction=False, method="auto").pvalue)


def _exact_p(differences: Floats) -> float:
    """The share of the 2^n signs whose rank sum is as far from the middle; SciPy goes through them one by one."""
    moved = differences != 0
    halves = np.rint(2 * rankdata(np.abs(differences))[moved]).astype(np.intp)  # ranks of equals end in .5
    ways = np.ones(1)  # by rank sum
    for rank in halves:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    positive = int(halves[differences[moved] > 0].sum())
    tail = min(ways[: positive + 1].sum(), ways[positive:].sum())
    return float(min(1.0, 2 * tail / ways.sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's step-down method (1979), in the same order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        corrected[place] = largest
    return corrected


def compare(
    reference: str,
    figures: Sequence[str],
    splits: Mapping[str, Sequence[UserFigures]],
    resampled: Mapping[str, Resampled],
    confidence: float = CONFIDENCE,
) -> dict[str, dict[str, Comparison]]:
    """Compare every model with the reference.

    Args:
        reference: where it lacks a figure (it predicts no stars), the best by that figure takes its place.
        figures: which to compare; those that are not `TESTED` are left out.
        splits: model → figures of each split, over the same users (`figures.aligned`).
        resampled: model → its figures, from the same draws for all.

    Returns:
        model → figure → comparison, without the reference itself.
    """
    result: dict[str, dict[str, Comparison]] = {name: {} for name in splits}
    for figure in (name for name in figures if metric_of(name) in TESTED):
        having = {name: entry.names.index(figure) for name, entry in resampled.items() if figure in entry.names}
        estimates = {name: float(resampled[name].estimates[place]) for name, place in having.items()}
        if not np.isfinite(list(estimates.values())).all():
            continue  # nobody counts
        beside = reference if reference in having else best(estimates, figure)
        others = [name for name in having if name != beside]
        own = user_means(splits[beside], figure)
        differences = {name: user_means(splits[name], figure) - own for name in others}
        p_values = [signed_rank_p(differences[name]) for name in others]
        drawn = {name: resampled[name].distribution[:, place] for name, place in having.items()}
        for name, p, p_holm in zip(others, p_values, holm(p_values), strict=True):
            known = differences[name][np.isfinite(differences[name])]
            gains = -known if lower_is_better(figure) else known
            result[name][figure] = Comparison(
                reference=beside,
                difference=estimates[name] - estimates[beside],
                interval=percentile_interval(drawn[name] - drawn[beside], confidence),
                p=p,
                p_holm=p_holm,
                better=int((gains > 0).sum()),
                worse=int((gains < 0).sum()),
                equal=int((gains == 0).sum()),
            )
    return result


def best(values: Mapping[str, float], figure: str) -> str:
    """The model with the best value of a figure; of equals the first."""
    sign = -1.0 if lower_is_better(figure) else 1.0
    return max(values, key=lambda name: sign * values[name])
