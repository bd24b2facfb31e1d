"""How much two ranked lists have in common: in figures, in words, and which movies moved."""

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
        return "No film is in both lists (Jaccard 0): everything is new."
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
        order = f"They are in much the same order {rho}."
    elif result.spearman >= 0.3:
        order = f"They are in a roughly similar order {rho}."
    elif result.spearman > -0.3:
        order = f"Their order has nothing in common {rho}."
    else:
        order = f"They are in rather the opposite order {rho}."
    return f"{count}: {how}. {order}"


@dataclass(frozen=True)
class Moves:
    """What a setting did to a list, counted in places of the list after it."""

    same: int
    moved: int
    new: int
    dropped: int


def moves(before: Sequence[str], after: Sequence[str]) -> Moves:
    """Count the movies that kept their place, moved, came and went."""
    ranks = {movie_id: rank for rank, movie_id in enumerate(before)}
    same = sum(ranks.get(movie_id) == rank for rank, movie_id in enumerate(after))
    new = sum(movie_id not in ranks for movie_id in after)
    return Moves(same, len(after) - same - new, new, len(set(before) - set(after)))


def move_in_words(movie_id: str, before: Sequence[str], after: Sequence[str]) -> str:
    """What became of a movie of either list: "new", "dropped", "up 3", "down 1"; "" if it kept its place."""
    if movie_id not in before:
        return "new"
    if movie_id not in after:
        return "dropped"
    places = before.index(movie_id) - after.index(movie_id)
    return "" if places == 0 else f"{'up' if places > 0 else 'down'} {abs(places)}"
