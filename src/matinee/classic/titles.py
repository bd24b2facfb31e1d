"""Matching of titles to movies (classic.md, B3: RapidFuzz's WRatio of at least 70)."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz

from matinee.data.catalog import Movie
from matinee.data.titles import split_names, split_title
from matinee.data.titles import with_year as titled
from matinee.engine import Engine
from matinee.engine.search.title_index import key_of
from matinee.errors import NotFoundError

CUTOFF = 70.0
"""Minimum WRatio (0..100) of a match."""
_LOOKED_AT = 10


@dataclass(frozen=True)
class Match:
    """A movie that matches a text, and its WRatio (0..100; 100: the exact title)."""

    movie: Movie
    score: float


def named(movie: Movie) -> str:
    """A title in the format of the classic systems: "Toy Story (1995)"."""
    return titled(movie.title, movie.year)


def find_title(engine: Engine, text: str) -> Match:
    """Find the movie of a title, with or without year, tolerating typos.

    Raises:
        NotFoundError: no title is similar enough.
    """
    title, year = split_title(text.strip())
    names = {key_of(title), key_of(split_names(title)[0])}
    hits = engine.search(text, n=_LOOKED_AT, by="title") if key_of(text) else []
    for hit in hits:
        if key_of(hit.movie.title) in names and year in (None, hit.movie.year):
            return Match(hit.movie, 100.0)
    best = max((Match(hit.movie, _ratio(text, hit.movie)) for hit in hits), key=lambda match: match.score, default=None)
    if best is None or best.score < CUTOFF:
        raise NotFoundError("Movie Unrecognized. Try Again.", f"No title is like {text[:100]!r}; check its spelling.")
    return best


def _ratio(text: str, movie: Movie) -> float:
    key = key_of(text)
    return max(fuzz.WRatio(key, key_of(movie.title)), fuzz.WRatio(key, key_of(named(movie))))
