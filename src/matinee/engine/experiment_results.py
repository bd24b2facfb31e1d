"""What an experiment has shown: outcomes by arm, differences with intervals, interleaving wins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from matinee.engine.feedback import outcomes
from matinee.engine.runtime import RequestView
from matinee.experiments import Sample, always_valid, fixed_horizon
from matinee.experiments.definition import Arm, Experiment

FEWEST = 2
"""Users of an arm, at least, for a difference to be told."""


@dataclass(frozen=True, slots=True)
class ArmResult:
    """Users of an arm and their outcomes."""

    arm: str
    share: float
    users: Annotated[int, Field(description="That were shown a list.")]
    lists: int
    outcome: Annotated[int, Field(description="Films of its lists that these users rated, marked or saw in time.")]
    mean: Annotated[float | None, Field(description="Of the users' outcomes; null: no user yet.")]


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """An arm less the first one, in films a user; null: too few users."""

    arm: str
    control: str
    difference: float | None = None
    low: Annotated[float | None, Field(description="Of the always-valid interval.")] = None
    high: float | None = None
    p_always: Annotated[float | None, Field(description="That may be read at any time.")] = None
    p_fixed: Annotated[float | None, Field(description="That may be read once, at a number of users set before.")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class Wins:
    """Users who took more films of one ranking than of the other, in an arm that interleaves two."""

    arm: str
    first: Annotated[str, Field(description="Model.")]
    second: str
    first_wins: int
    second_wins: int
    ties: int
    p: Annotated[float | None, Field(description="Of a sign test, read once; null: nobody preferred any.")]


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """What an experiment has shown up to now."""

    experiment: Experiment
    arms: tuple[ArmResult, ...]
    differences: tuple[ArmDifference, ...]
    interleaving: tuple[Wins, ...]
    p_shares: Annotated[
        float | None,
        Field(description="That the users are divided as stated; below 0.001 something is wrong with the experiment."),
    ]


@dataclass
class _User:
    lists: int = 0
    hits: set[str] = field(default_factory=set)
    teams: list[int] = field(default_factory=lambda: [0, 0])


def results(view: RequestView, experiment: Experiment) -> ExperimentResult:
    """Join the lists of an experiment with what their users did; a film counts once for each user.

    Reads every list of the experiment and what the store holds of each of its users.
    """
    users: dict[str, defaultdict[str, _User]] = {arm.name: defaultdict(_User) for arm in experiment.arms}
    for outcome in outcomes(view, experiment):
        shown = outcome.shown
        if shown.arm not in users:
            continue
        user = users[shown.arm][shown.user_id]
        user.lists += 1
        for movie_id, team in zip(shown.movie_ids, shown.teams, strict=False):
            if movie_id in outcome.hits and movie_id not in user.hits:
                user.teams[team] += 1
        user.hits |= outcome.hits
    of_arms = [list(users[arm.name].values()) for arm in experiment.arms]
    counts = [np.array([len(user.hits) for user in some], dtype=np.float64) for some in of_arms]
    first = experiment.arms[0]
    return ExperimentResult(
        experiment,
        tuple(
            ArmResult(
                arm.name,
                arm.share,
                len(some),
                sum(user.lists for user in some),
                int(count.sum()),
                float(count.mean()) if len(count) else None,
            )
            for arm, some, count in zip(experiment.arms, of_arms, counts, strict=True)
        ),
        tuple(
            _difference(first.name, arm.name, counts[0], count, experiment.effect)
            for arm, count in zip(experiment.arms[1:], counts[1:], strict=True)
        ),
        tuple(
            _wins(arm, some, view.default_model())
            for arm, some in zip(experiment.arms, of_arms, strict=True)
            if arm.against is not None
        ),
        _shares(experiment, [len(some) for some in of_arms]),
    )


def _difference(control: str, arm: str, first: np.ndarray, second: np.ndarray, effect: float) -> ArmDifference:
    if min(len(first), len(second)) < FEWEST:
        return ArmDifference(arm, control)
    samples = [Sample(len(one), float(one.mean()), float(one.var(ddof=1))) for one in (first, second)]
    if not any(sample.variance for sample in samples):  # all alike: nothing that a normal test could tell
        return ArmDifference(arm, control, float(second.mean() - first.mean()))
    anytime, fixed = always_valid(samples[0], samples[1], effect), fixed_horizon(samples[0], samples[1])
    return ArmDifference(
        arm, control, *(float(value) for value in (anytime.difference, anytime.low, anytime.high, anytime.p, fixed.p))
    )


def _wins(arm: Arm, users: Sequence[_User], default: str) -> Wins:
    from scipy.stats import binomtest  # which lists do not need, and takes half a second to import

    signs = [int(np.sign(user.teams[1] - user.teams[0])) for user in users]
    first, second = signs.count(-1), signs.count(1)
    p = float(binomtest(first, first + second).pvalue) if first + second else None
    return Wins(arm.name, arm.model or default, arm.against or "", first, second, signs.count(0), p)


def _shares(experiment: Experiment, users: Sequence[int]) -> float | None:
    total = sum(users)
    if not total or len(users) < FEWEST:
        return None
    from scipy.stats import chisquare

    return float(chisquare(users, [arm.share * total for arm in experiment.arms]).pvalue)
