"""Ids of other sites as people write them: `tt0133093`, `imdb:tt0133093`, `tmdb:603`, addresses of IMDb and TMDB."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from matinee.data.catalog import Catalog

__all__ = ["OutsideId", "OutsideIds", "imdb_id", "outside_id", "tmdb_id"]

_IMDB = re.compile(r"(?:imdb:\s*(?:tt)?|tt)(\d{1,10})/?", re.IGNORECASE)
_IMDB_ADDRESS = re.compile(
    r"(?:https?://)?(?:\w+\.)?imdb\.com/(?:[\w-]+/)?title/tt(\d{1,10})(?:[/?#].*)?", re.IGNORECASE
)
_TMDB = re.compile(r"tmdb:\s*(?:movie[/:])?(\d{1,10})", re.IGNORECASE)
_TMDB_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.)?(?:themoviedb|tmdb)\.org/movie/(\d{1,10})(?:[-/?#].*)?", re.IGNORECASE
)


class OutsideId(NamedTuple):
    """A movie's id at another site, as the catalog writes it."""

    site: Literal["imdb", "tmdb"]
    id: str


def imdb_id(number: int) -> str:
    """An id of IMDb as IMDb writes it: with seven digits at least."""
    return f"tt{number:07d}"


def tmdb_id(number: int) -> str:
    """An id of TMDB as the catalog writes it."""
    return str(number)


def outside_id(text: str) -> OutsideId | None:
    """The id that a text is, None where it is none.

    Examples:
        >>> outside_id("imdb:133093"), outside_id("https://www.themoviedb.org/movie/603-the-matrix")
        (OutsideId(site='imdb', id='tt0133093'), OutsideId(site='tmdb', id='603'))
    """
    text = text.strip()
    if found := _IMDB.fullmatch(text) or _IMDB_ADDRESS.fullmatch(text):
        return OutsideId("imdb", imdb_id(int(found[1])))
    if found := _TMDB.fullmatch(text) or _TMDB_ADDRESS.fullmatch(text):
        return OutsideId("tmdb", tmdb_id(int(found[1])))
    return None


class OutsideIds:
    """Rows of a catalog by their ids at IMDb and TMDB. An id that two movies have is of neither."""

    def __init__(self, catalog: Catalog) -> None:
        self._rows = {"imdb": _rows(catalog.column("imdb_id")), "tmdb": _rows(catalog.column("tmdb_id"))}

    def candidates(self, site: Literal["imdb", "tmdb"], id_: str) -> tuple[int, ...]:
        """Rows with this id, removed movies included."""
        return self._rows[site].get(id_, ())

    def rows(self, text: str) -> tuple[int, ...]:
        """Rows that the text means as an id; none where it is no id or an unknown one."""
        found = outside_id(text)
        return self.candidates(*found) if found else ()


def _rows(ids: list[str | None]) -> dict[str, tuple[int, ...]]:
    rows: dict[str, tuple[int, ...]] = {}
    for row, id_ in enumerate(ids):
        if id_:
            key = imdb_id(int(id_[2:])) if id_.startswith("tt") and id_[2:].isdigit() else id_
            rows[key] = (*rows.get(key, ()), row)
    return rows
