"""How much two lists of films have in common, in figures and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 3
"""Common films that an order can be told from."""


@dataclass(frozen=True)
class Overlap:
    """What two ranked lists have in common.

    Attributes:
        both: films of both, in the order of the first list.
        jaccard: films of both by films of either, 0..1; 0 where both are empty.
        spearman: rank correlation of the common films, -1..1; None where they are fewer than `FEWEST`.
        shorter: length of the shorter list.
    """

    both: tuple[str, ...]
    jaccard: float
    spearman: float | None
    shorter: int


def overlap(first: Sequence[str], second: Sequence[str]) -> Overlap:
    """What two lists of film ids, best first and each id once, have in common."""
    both = tuple(movie_id for movie_id in first if movie_id in set(second))
    either = len(set(first) | set(second))
    return Overlap(both, len(both) / either if either else 0.0, _spearman(both, second), min(len(first), len(second)))


def _spearman(both: Sequence[str], second: Sequence[str]) -> float | None:
    n = len(both)
    if n < FEWEST:
        return None
    there = {movie_id: place for place, movie_id in enumerate(one for one in second if one in set(both))}
    squares = sum((place - there[movie_id]) ** 2 for place, movie_id in enumerate(both))
    return 1 - 6 * squares / (n * (n * n - 1))


def in_words(found: Overlap) -> str:
    """The figures as sentences."""
    n = len(found.both)
    if not found.shorter:
        return "One of the lists is empty, so there is nothing to compare."
    if n == 0:
        return "No film is in both lists: the two models see this user quite differently (Jaccard 0)."
    count = f"{n} of {found.shorter} films {'is' if n == 1 else 'are'} in both lists (Jaccard {found.jaccard:.2f})"
    if found.jaccard == 1:
        how = "the same films"
    elif found.jaccard >= 0.5:
        how = "much the same taste"
    elif found.jaccard >= 0.2:
        how = "some taste in common"
    else:
        how = "little in common"
    if found.spearman is None:
        return f"{count}: {how}. Too few to compare their order."
    rho = f"(Spearman {found.spearman:+.2f})"
    if found.spearman >= 0.7:
        order = f"They stand in much the same order {rho}."
    elif found.spearman >= 0.3:
        order = f"They stand in a roughly similar order {rho}."
    elif found.spearman > -0.3:
        order = f"Their order has nothing in common {rho}."
    else:
        order = f"They stand in rather the opposite order {rho}."
    return f"{count}: {how}. {order}"
