"""Films as people name them on the command line: a title, a title with its year, or an id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matinee.cli.console import film, note
from matinee.errors import NotFoundError, UnknownMovieError

if TYPE_CHECKING:
    from matinee.data.catalog import Movie
    from matinee.engine import Engine

WITH_YEAR = re.compile(r"^(?P<title>.+?)\s*\((?P<year>\d{4})\)\s*$")


def _by_id(engine: Engine, movie_id: str) -> Movie | None:
    try:
        return engine.movie(movie_id)
    except UnknownMovieError:
        return None


def resolve(engine: Engine, text: str) -> Movie:
    """The film that a title or an id means; says so wherever it had to guess.

    An exact title wins over an id ("300" is also somebody's id), `id:300` always means the id, "Title (Year)"
    picks among films of one title, and anything else is matched with tolerance for typos.

    Raises:
        NotFoundError: nothing comes near.
    """
    text = text.strip()
    if text.startswith("id:"):
        return engine.movie(text[3:])
    named = _by_id(engine, text)
    parsed = WITH_YEAR.match(text)
    title, year = (parsed["title"], int(parsed["year"])) if parsed else (text, None)
    hits = engine.search(text, n=min(20, engine.settings.max_n)) if title else []  # prefers films of the year
    exact = [
        hit.movie for hit in hits if hit.movie.title.casefold() == title.casefold() and year in (None, hit.movie.year)
    ]
    if exact:
        found = exact[0]
        if named is not None and named.movie_id != found.movie_id:
            note(f"{text!r} is also the id of {film(named.title, named.year)}; write id:{text} for that film.")
        if len(exact) > 1:
            others = ", ".join(film(movie.title, movie.year) for movie in exact[1:4])
            note(f"{len(exact)} films are called {title!r}: took {film(found.title, found.year)}, not {others}.")
        return found
    if named is not None:
        return named
    if not hits:
        raise NotFoundError(
            f"No film comes near {text!r}.", "Try fewer words with `matinee search`, or give the id as id:…."
        )
    found = hits[0].movie
    how = f" ({hits[0].how})" if hits[0].how.startswith("spelt") else ""
    note(f"No film is called {text!r}: took {film(found.title, found.year)}{how}.")
    return found


def imdb_url(movie: Movie) -> str | None:
    """The film's page at IMDb."""
    return f"https://www.imdb.com/title/{movie.imdb_id}/" if movie.imdb_id else None
