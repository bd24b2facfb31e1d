"""Comparison of two ranked lists of movies, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_COMMON = 3
"""Minimum number of common movies to compare their order."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of two ranked lists.

    Attributes:
        both: movies of both, in the order of the first list.
        jaccard: size of intersection / size of union, 0..1; 0 if both are empty.
        spearman: rank correlation of the common movies, -1..1; None if they are fewer than `MIN_COMMON`.
        shorter: length of the shorter list.
    """

    both: tuple[str, ...]
    jaccard: float
    spearman: float | None
    shorter: int


def overlap(first: Sequence[str], second: Sequence[str]) -> Overlap:
    """The overlap of two lists of distinct movie ids, best first."""
    both = tuple(movie_id for movie_id in first if movie_id in set(second))
    either = len(set(first) | set(second))
    return Overlap(both, len(both) / either if either else 0.0, _spearman(both, second), min(len(first), len(second)))


def _spearman(both: Sequence[str], second: Sequence[str]) -> float | None:
    n = len(both)
    if n < MIN_COMMON:
        return None
    ranks = {movie_id: rank for rank, movie_id in enumerate(one for one in second if one in set(both))}
    squares = sum((rank - ranks[movie_id]) ** 2 for rank, movie_id in enumerate(both))
    return 1 - 6 * squares / (n * (n * n - 1))


def in_words(result: Overlap) -> str:
    """The overlap as sentences."""
    n = len(result.both)
    if not result.shorter:
        return "One of the lists is empty, so there is nothing to compare."
    if n == 0:
        return "No film is in both lists: the two models see this user quite differently (Jaccard 0)."
    count = f"{n} of {result.shorter} films {'is' if n == 1 else 'are'} in both lists (Jaccard {result.jaccard:.2f})"
    if result.jaccard == 1:
        how = "the same films"
    elif result.jaccard >= 0.5:
        how = "much the same taste"
    elif result.jaccard >= 0.2:
        how = "some taste in common"
    else:
        how = "little in common"
    if result.spearman is None:
        return f"{count}: {how}. Too few to compare their order."
    rho = f"(Spearman {result.spearman:+.2f})"
    if result.spearman >= 0.7:
        order = f"They stand in much the same order {rho}."
    elif result.spearman >= 0.3:
        order = f"They stand in a roughly similar order {rho}."
    elif result.spearman > -0.3:
        order = f"Their order has nothing in common {rho}."
    else:
        order = f"They stand in rather the opposite order {rho}."
    return f"{count}: {how}. {order}"
