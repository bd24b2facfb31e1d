"""Titles as people type them → films (classic.md, B3: RapidFuzz's WRatio of 70 or more)."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz

from matinee.data.catalog import Movie
from matinee.data.titles import split_title
from matinee.engine import Engine
from matinee.engine.search.title_index import key_of
from matinee.errors import NotFoundError

CUTOFF = 70.0
"""Least WRatio (0..100) at which a title counts as recognized."""
_LOOKED_AT = 10


@dataclass(frozen=True)
class Match:
    """A film that a text was taken for, and how well it fits (WRatio, 0..100; 100: the very title)."""

    movie: Movie
    score: float


def named(movie: Movie) -> str:
    """A film as the classic systems write it: "Toy Story (1995)"."""
    return f"{movie.title} ({movie.year})" if movie.year is not None else movie.title


def find_title(engine: Engine, text: str) -> Match:
    """The film that a title means, with or without its year, typing errors forgiven.

    Raises:
        NotFoundError: no title comes near enough.
    """
    title, year = split_title(text.strip())
    hits = engine.search(text, n=_LOOKED_AT, by="title") if key_of(text) else []
    for hit in hits:
        if key_of(hit.movie.title) == key_of(title) and year in (None, hit.movie.year):
            return Match(hit.movie, 100.0)
    best = max((Match(hit.movie, _alike(text, hit.movie)) for hit in hits), key=lambda match: match.score, default=None)
    if best is None or best.score < CUTOFF:
        raise NotFoundError("Movie Unrecognized. Try Again", f"No title comes near {text[:100]!r}; check its spelling.")
    return best


def _alike(text: str, movie: Movie) -> float:
    wanted = key_of(text)
    return max(fuzz.WRatio(wanted, key_of(movie.title)), fuzz.WRatio(wanted, key_of(named(movie))))
