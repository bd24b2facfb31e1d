"""What another way of filling the places would have earned, from the lists that an arm has drawn with exploration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.ratings import NO_TIME
from matinee.engine.feedback import outcomes
from matinee.engine.runtime import RequestView
from matinee.errors import InvalidInputError
from matinee.experiments import Estimate, doubly_robust, ips, snips
from matinee.experiments.definition import Experiment
from matinee.models.base import Query
from matinee.stores.base import Exposure

Order = Callable[[Exposure], Sequence[str]]
"""Candidates of a list, best first, as a policy ranks them."""


@dataclass(frozen=True, slots=True)
class LoggedEstimate:
    """The share of places whose film is taken up, by one method; the interval takes users as the unit."""

    method: Annotated[str, Field(description="ips, snips or dr (doubly robust).")]
    value: float
    low: float
    high: float
    effective_size: Annotated[float, Field(description="Places that the weighted ones are worth.")]


@dataclass(frozen=True, slots=True)
class LoggedPolicy:
    """What a policy would have earned at each place, given the places above it as they were."""

    experiment: str
    arm: str
    model: Annotated[str | None, Field(description="That ranks the candidates; null: as the arm did.")]
    exploration: float
    users: int
    lists: int
    places: int
    logged: Annotated[float, Field(description="What the arm earned: taken films a place.")]
    estimates: tuple[LoggedEstimate, ...]


class _Place(NamedTuple):
    user: str
    reward: float
    propensity: float
    target: float
    rank: int
    ranks: tuple[tuple[int, float], ...]
    """Ranks, in the arm's order, of what the policy would take, with their probabilities."""


def evaluate_logged(
    view: RequestView,
    experiment: Experiment,
    arm: str | None = None,
    *,
    model: str | None = None,
    exploration: float = 0.0,
) -> LoggedPolicy:
    """Estimate a policy from the places that an arm has drawn.

    The policy takes the best candidate that is left at each place, and any of those left with probability
    `exploration`. Propensities are conditional on the places above, which are those of the log: the estimate is of the
    policy's choice at each place of lists that the arm began, not of whole lists of its own.

    Args:
        arm: whose lists are used; None: the first.
        model: ranks the candidates, for the user's history of before the list; None: as the arm did.

    Raises:
        NotFoundError: no such arm or model.
        InvalidInputError: the arm has drawn nothing.
    """
    arm = experiment.arms[0].name if arm is None else experiment.arm(arm).name
    order: Order = (lambda shown: shown.candidates) if model is None else _ranked_by(view, model)
    places: list[_Place] = []
    users, lists = set[str](), 0
    for outcome in outcomes(view, experiment):
        shown = outcome.shown
        if shown.arm == arm and shown.propensities:
            places += _places(shown, outcome.hits, order(shown), exploration)
            users.add(shown.user_id)
            lists += 1
    if not places:
        raise InvalidInputError(
            f"The arm {arm!r} of {experiment.name!r} has drawn nothing at random.",
            "Start an experiment with --exploration, and wait for lists of this arm.",
        )
    numbers = {user: number for number, user in enumerate(sorted(users))}
    of_user = np.array([numbers[place.user] for place in places], dtype=np.int64)
    rewards = np.array([place.reward for place in places])
    given = rewards, np.array([place.propensity for place in places]), np.array([place.target for place in places])
    predicted = _predicted(places, rewards, of_user % 2)
    found = [("ips", ips(*given, users=of_user))]
    if given[2].any():
        found.append(("snips", snips(*given, users=of_user)))
    found.append(("dr", doubly_robust(*given, *predicted, users=of_user)))
    return LoggedPolicy(
        experiment.name,
        arm,
        model,
        exploration,
        len(users),
        lists,
        len(places),
        float(rewards.mean()),
        tuple(_told(name, estimate) for name, estimate in found),
    )


def _told(name: str, estimate: Estimate) -> LoggedEstimate:
    return LoggedEstimate(name, *(float(value) for value in estimate))


def _places(shown: Exposure, hits: frozenset[str], order: Sequence[str], exploration: float) -> list[_Place]:
    rank = {movie_id: i for i, movie_id in enumerate(shown.candidates)}
    left = list(order)
    places = []
    for movie_id, propensity in zip(shown.movie_ids, shown.propensities, strict=True):
        chance = exploration / len(left)
        best = left[0]
        places.append(
            _Place(
                shown.user_id,
                float(movie_id in hits),
                propensity,
                chance + (1 - exploration) * (movie_id == best),
                rank[movie_id],
                ((rank[best], 1 - exploration), *(((rank[one], chance) for one in left) if chance else ())),
            )
        )
        left.remove(movie_id)
    return places


def _ranked_by(view: RequestView, name: str) -> Order:
    model = view.model(name)

    def order(shown: Exposure) -> Sequence[str]:
        query = view.history(shown.user_id)
        times = np.full(len(query), NO_TIME) if query.times is None else query.times
        before = times < shown.timestamp
        history = Query(query.rows[before], query.ratings[before], times[before], shown.user_id)
        rows = view.catalog.rows(shown.candidates)
        scores = np.where(rows >= 0, model.score([history])[0][rows], -np.inf)
        return [shown.candidates[i] for i in np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")]

    return order


def _predicted(
    places: Sequence[_Place], rewards: NDArray[np.float64], half: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean reward by rank among the candidates, of the other half of the users: of the choices, and of the policy's."""
    ranks = np.array([place.rank for place in places])
    size = 1 + max(rank for place in places for rank in (place.rank, *(one for one, _ in place.ranks)))
    choices, policy = np.zeros(len(places)), np.zeros(len(places))
    for part in (0, 1):
        others = half != part
        mean = rewards[others].mean() if others.any() else 0.0
        counts = np.bincount(ranks[others], minlength=size)
        # One place of the mean to begin with, so that ranks that were never shown have it.
        by_rank = (np.bincount(ranks[others], rewards[others], minlength=size) + mean) / (counts + 1)
        for i in np.flatnonzero(~others).tolist():
            choices[i] = by_rank[places[i].rank]
            policy[i] = sum(chance * by_rank[rank] for rank, chance in places[i].ranks)
    return choices, policy
