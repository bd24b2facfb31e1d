"""Which movie is meant: by its id, its id at another site, its title. What writes does not guess."""

from __future__ import annotations

from contextlib import suppress

from matinee.data.catalog import Catalog
from matinee.data.ids import Id, id_text
from matinee.data.titles import split_title, with_year
from matinee.engine.catalog_cache import PerCatalog
from matinee.errors import AmbiguousTitleError, UnknownMovieError, UnsureMovieError
from matinee.matching import Match, OutsideIds, TitleMatcher, outside_id

outside_ids_of = PerCatalog(OutsideIds)
"""Rows of a catalog by ids of other sites."""
matcher_of = PerCatalog(TitleMatcher)
"""The names of a catalog's movies."""


def known_id(catalog: Catalog, name: Id) -> str:
    """The catalog's id of a movie, which may be given by an id of another site; unknown ones as they are.

    A movie's own id that looks like one of another site means that movie.
    """
    text = id_text(name)
    if catalog.find_any(text) is not None:
        return text
    rows = [row for row in outside_ids_of(catalog).rows(text) if catalog.active[row]] if outside_id(text) else []
    return str(catalog.column("movie_id")[rows[0]]) if len(rows) == 1 else text


def match_movie(catalog: Catalog, name: Id, year: int | None = None) -> Match:
    """The movie of an id, an id of another site, or a title with or without its year."""
    row = catalog.find(known_id(catalog, name))
    if row is not None:
        return Match.sure(row)
    text = id_text(name)
    if isinstance(name, int):
        return Match("unknown")
    if outside_id(text):
        return Match.of_candidates(row for row in outside_ids_of(catalog).rows(text) if catalog.active[row])
    if year is None and split_title(text)[1] is not None:
        # "Heat (1995)", written as it is here: no index of names is needed.
        with suppress(AmbiguousTitleError, UnknownMovieError):
            return Match.sure(catalog.resolve(text))
    return matcher_of(catalog).match(text, year, active=catalog.active)


def sure_row(catalog: Catalog, name: Id, near: tuple[int, ...] = ()) -> int:
    """The row of the one movie that a name surely means.

    Args:
        near: rows of movies to name where none bears the name.

    Raises:
        UnsureMovieError: no movie, or several; it names those that come near.
    """
    match = match_movie(catalog, name)
    if match.row is not None:
        return match.row
    ids = catalog.column("movie_id")
    rows = list(match.candidates or near)
    raise UnsureMovieError(id_text(name), [(ids[row], with_year(*_named(catalog, row))) for row in rows])


def _named(catalog: Catalog, row: int) -> tuple[str, int | None]:
    return catalog.column("title")[row], catalog.column("year")[row]
