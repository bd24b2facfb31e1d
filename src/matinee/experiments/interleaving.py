"""Team-draft interleaving: two rankings in one list, and which of them the clicks prefer.

Source: Radlinski, Kurup and Joachims, How does clickthrough data reflect retrieval quality?, CIKM 2008.
"""

from collections.abc import Collection, Hashable, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["preference", "team_draft"]

T = TypeVar("T", bound=Hashable)


def team_draft(first: Sequence[T], second: Sequence[T], n: int, rng: np.random.Generator) -> tuple[list[T], list[int]]:
    """At most n movies, and for each the ranking (0 or 1) that put it there.

    In each round both rankings choose their best movie that is not in the list yet; a coin says which chooses first.
    """
    rankings = (first, second)
    chosen: list[T] = []
    teams: list[int] = []
    places, seen = [0, 0], set[T]()
    while len(chosen) < n:
        before = len(chosen)
        start = int(rng.integers(2))
        for team in (start, 1 - start):
            ranking = rankings[team]
            while places[team] < len(ranking) and ranking[places[team]] in seen:
                places[team] += 1
            if places[team] < len(ranking) and len(chosen) < n:
                chosen.append(ranking[places[team]])
                teams.append(team)
                seen.add(chosen[-1])
        if len(chosen) == before:
            break
    return chosen, teams


def preference(movies: Sequence[str], teams: Sequence[int], clicked: Collection[str]) -> int:
    """Which ranking won this list: -1 the first, 1 the second, 0 neither."""
    first, second = (
        sum(team == which and movie in clicked for movie, team in zip(movies, teams, strict=True)) for which in (0, 1)
    )
    return (second > first) - (second < first)
