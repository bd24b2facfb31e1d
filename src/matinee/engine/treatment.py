"""How an experiment changes the list of one user: the arm's model and settings, exploration, or interleaving."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee.engine.types import Request
from matinee.experiments import explore, team_draft
from matinee.experiments.definition import Arm, Experiment

CANDIDATES = 2
"""Exploration draws the n places among the best CANDIDATES·n movies."""
Rank = Callable[[int, str | None], NDArray[np.int64]]
"""Number of movies, another model than the arm's → rows of the best, best first."""


class Drawn(NamedTuple):
    """Rows of a list, and how its places were filled; see `stores.Exposure`."""

    rows: NDArray[np.int64]
    propensities: tuple[float, ...] = ()
    candidates: tuple[int, ...] = ()
    teams: tuple[int, ...] = ()


class Treatment(NamedTuple):
    """The arm of an experiment that a list is made under."""

    experiment: Experiment
    arm: Arm

    @classmethod
    def of(
        cls, experiment: Experiment | None, user_id: str, request: Request, models: Mapping[str, object]
    ) -> Treatment | None:
        """A user's; None: no experiment runs, the request names its model, or the arm's is not in service."""
        if experiment is None or request.model is not None:
            return None
        arm = experiment.arm_of(user_id)
        return cls(experiment, arm) if all(name in models for name in arm.models) else None

    @property
    def key(self) -> str:
        """Tells answers under this arm from all others."""
        return f"{self.experiment.name}/{self.arm.name}"

    @property
    def is_random(self) -> bool:
        """Whether two lists for the same user may differ."""
        return self.arm.against is not None or self.experiment.exploration > 0

    def options(self, request: Request) -> Request:
        """The request under the arm's settings; what it names itself stays."""
        arm = self.arm
        return replace(
            request,
            model=arm.model if request.model is None else request.model,
            diversity=arm.diversity if request.diversity == 0.0 and arm.diversity is not None else request.diversity,
            adventurous=arm.adventurous if request.adventurous is None else request.adventurous,
        )

    def draw(self, rank: Rank, n: int, *, popular: bool, rng: np.random.Generator | None = None) -> Drawn:
        """At most n movies.

        Args:
            popular: the list is the chart, whichever model was asked: nothing is interleaved.
            rng: default: a new one, since a process may have been forked, and threads share no generator.
        """
        rng = rng or np.random.default_rng()
        if self.arm.against is not None:
            if popular:
                return Drawn(rank(n, None))
            rows, teams = team_draft(rank(n, None).tolist(), rank(n, self.arm.against).tolist(), n, rng)
            return Drawn(np.array(rows, dtype=np.int64), teams=tuple(teams))
        share = self.experiment.exploration
        if share == 0:
            return Drawn(rank(n, None))
        candidates = rank(CANDIDATES * n, None).tolist()
        rows, propensities = explore(candidates, n, share, rng)
        return Drawn(np.array(rows, dtype=np.int64), tuple(propensities.tolist()), tuple(candidates))


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
