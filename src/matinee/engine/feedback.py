"""What users did with the lists that an experiment has served them: ratings, watchlist and seen within its window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matinee.engine.runtime import RequestView
from matinee.experiments.definition import Experiment
from matinee.stores.base import Exposure

DAY = 24 * 3600
STATES = ("watchlist", "seen")
"""States that count; "not interested" does not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A list that was shown, and its movies that the user rated, put on the watchlist or has seen after it."""

    shown: Exposure
    hits: frozenset[str]


def outcomes(view: RequestView, experiment: Experiment) -> Iterator[Outcome]:
    """Lists of an experiment with what came of them, in any order; what a user does counts for each list in time.

    A rating counts whatever its stars: it says that the film was taken up. Where a film was rated or marked again, the
    last time counts.
    """
    store = view.runtime.store
    window = int(experiment.window_days * DAY)
    acts: dict[str, dict[str, list[int]]] = {}
    for shown in store.exposures_of(experiment.name, int(experiment.started.timestamp())):
        of_user = acts.get(shown.user_id)
        if of_user is None:
            of_user = acts[shown.user_id] = _acts(view, shown.user_id)
        hits = frozenset(
            movie_id
            for movie_id in shown.movie_ids
            if any(0 <= when - shown.timestamp <= window for when in of_user.get(movie_id, ()))
        )
        yield Outcome(shown, hits)


def _acts(view: RequestView, user_id: str) -> dict[str, list[int]]:
    """Movie → times at which the user did something with it that counts."""
    overlay = view.held_user(user_id).overlay
    found: dict[str, list[int]] = {}
    for rating in overlay.ratings.values():
        if rating.rating is not None:
            found.setdefault(rating.movie_id, []).append(rating.timestamp)
    for state, movies in overlay.states.items():
        if state in STATES:
            for movie_id, when in movies.items():
                found.setdefault(movie_id, []).append(when)
    return found
