"""Movies of the engine: all of them, and the one that a title, a title with year, or an id means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from matinee.cli.console import note
from matinee.data.titles import with_year
from matinee.errors import NotFoundError, UnknownMovieError, UnsureMovieError

if TYPE_CHECKING:
    from matinee.data.catalog import Movie
    from matinee.engine import Engine

WITH_YEAR = re.compile(r"^(?P<title>.+?)\s*\((?P<year>\d{4})\)\s*$")


def all_movies(engine: Engine, sort: Literal["year", "ratings"]) -> Iterator[tuple[Movie, int]]:
    """All movies in service and their numbers of ratings, by year or most rated first."""
    offset = 0
    while (page := engine.movies(sort=sort, offset=offset, limit=engine.settings.max_n)).movies:
        yield from ((movie, int(ratings)) for movie, (ratings, _) in zip(page.movies, page.stats, strict=True))
        offset += len(page.movies)


def resolve(engine: Engine, text: str) -> Movie:
    """Find the movie of a title or id. Prints a note if the match is ambiguous or not exact.

    An exact title takes precedence over an id ("300" is a title and an id); `id:300` is always an id; "Title (Year)"
    selects among movies of the same title; anything else is matched with tolerance for typos.

    Raises:
        NotFoundError: nothing matches.
    """
    text = text.strip()
    if text.startswith("id:"):
        return engine.movie(text[3:])
    by_id = None
    with suppress(UnknownMovieError):
        by_id = engine.movie(text)
    parsed = WITH_YEAR.match(text)
    title, year = (parsed["title"], int(parsed["year"])) if parsed else (text, None)
    hits = engine.search(text, n=min(20, engine.settings.max_n)) if title else []  # prefers movies of the year
    exact = [
        hit.movie for hit in hits if hit.movie.title.casefold() == title.casefold() and year in (None, hit.movie.year)
    ]
    if exact:
        movie = exact[0]
        if by_id is not None and by_id.movie_id != movie.movie_id:
            note(f"{text!r} is also the id of {with_year(by_id.title, by_id.year)}; write id:{text} for that film.")
        if len(exact) > 1:
            others = ", ".join(with_year(movie.title, movie.year) for movie in exact[1:4])
            note(f"{len(exact)} films are called {title!r}: took {with_year(movie.title, movie.year)}, not {others}.")
        return movie
    if by_id is not None:
        return by_id
    if not hits:
        raise NotFoundError(
            f"No film comes near {text!r}.", "Try fewer words with `matinee search`, or give the id as id:…."
        )
    movie = hits[0].movie
    how = f" ({hits[0].how})" if hits[0].how.startswith("spelt") else ""
    note(f"No film is called {text!r}: took {with_year(movie.title, movie.year)}{how}.")
    return movie


def surely(engine: Engine, text: str) -> Movie:
    """The movie that a title with its year, or an id, surely means; for commands that write.

    `id:300` is always an id, `tt0416449`, `imdb:…` and `tmdb:1271` are those of IMDb and TMDB.

    Raises:
        UnsureMovieError: no movie, or several; it names those that come near.
    """
    text = text.strip()
    if text.startswith("id:"):
        return engine.movie(text[3:])
    movie = engine.find_surely(text)
    if movie.movie_id == text:  # "300" is a title and an id
        hits = engine.search(text, n=min(20, engine.settings.max_n), by="title")
        titled = [hit.movie for hit in hits if hit.movie.title.casefold() == text.casefold()]
        others = [other for other in titled if other.movie_id != movie.movie_id]
        if others:
            both = [movie, *others]
            raise UnsureMovieError(text, [(one.movie_id, with_year(one.title, one.year)) for one in both])
    return movie


def imdb_url(movie: Movie) -> str | None:
    """The movie's page at IMDb."""
    return f"https://www.imdb.com/title/{movie.imdb_id}/" if movie.imdb_id else None
