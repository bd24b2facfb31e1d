"""A varied wall: well-known films, spread over genres and decades, for somebody of whom nothing is known yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

SIZE = 24
SPREAD = 0.55
"""Factor for each film of the same genre or decade that is on the page already."""


def varied(movies: Sequence[dict[str, Any]], page: int, without: Collection[str] = ()) -> list[dict[str, Any]]:
    """A page of the wall: films are taken by their rank, less for each like it that was taken.

    Args:
        movies: most rated first.
        page: 0 for the first.
        without: ids of films that are not shown.
    """
    left = [movie for movie in movies if movie["movie_id"] not in without]
    chosen: list[dict[str, Any]] = []
    for _ in range(page + 1):
        chosen = []
        seen: Counter[str] = Counter()
        series: set[str] = set()
        worth = {id(movie): 1 / (place + 12) for place, movie in enumerate(left)}
        while left and len(chosen) < SIZE:
            best = max(left, key=lambda movie: worth[id(movie)] * SPREAD ** _crowded(movie, seen))
            left.remove(best)
            if _series(best) in series:
                continue
            chosen.append(best)
            series.add(_series(best))
            seen.update(_kinds(best))
    return chosen


def _series(movie: dict[str, Any]) -> str:
    """What films of a series share: "Star Wars" of "Star Wars: Episode IV - A New Hope"."""
    name = str(movie["title"]).split(":")[0].split(" - ")[0].rstrip(" 0123456789IV").casefold()
    return name or str(movie["movie_id"])


def _kinds(movie: dict[str, Any]) -> list[str]:
    genres = list(movie.get("genres") or ())[:2]
    return [*genres, str((movie.get("year") or 0) // 10)]


def _crowded(movie: dict[str, Any], seen: Counter[str]) -> float:
    kinds = _kinds(movie)
    return sum(seen[kind] for kind in kinds) / len(kinds)
