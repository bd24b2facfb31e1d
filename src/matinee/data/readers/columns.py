"""Mapping of a file's column names to canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from matinee.errors import DataError

T = TypeVar("T")

ALIASES: dict[str, tuple[str, ...]] = {
    "user_id": ("userid", "user", "uid", "customerid", "reviewerid", "username"),
    "movie_id": ("movieid", "itemid", "filmid", "movie", "item", "film", "mid", "iid", "productid", "asin", "id"),
    "rating": ("rating", "stars", "star", "score", "ratings", "overall", "value"),
    "timestamp": ("timestamp", "time", "ts", "unixtime", "unixreviewtime", "ratedat", "datetime", "date"),
    "tag": ("tag", "label", "keyword"),
    "title": ("title", "movietitle", "filmtitle", "name"),
    "year": ("year", "releaseyear"),
    "genres": ("genres", "genre", "class"),
    "tags": ("tags",),
    "directors": ("directors", "director"),
    "writers": ("writers", "writer"),
    "cast": ("cast", "actors", "starring"),
    "countries": ("countries", "country"),
    "languages": ("languages", "language"),
    "keywords": ("keywords", "plotkeywords"),
    "overview": ("overview", "plot", "synopsis", "description", "summary"),
    "imdb_id": ("imdbid", "imdb"),
    "tmdb_id": ("tmdbid", "tmdb"),
    "poster": ("poster", "posterurl", "posterpath"),
    "original_title": ("originaltitle",),
    "alternate_titles": ("alternatetitles", "alternativetitles", "othertitles", "akas", "aka"),
}
"""Canonical column → accepted names (lower case, letters and digits only), best first."""

RATINGS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
TAGS_COLUMNS = ("user_id", "movie_id", "tag", "timestamp")
LINKS_COLUMNS = ("movie_id", "imdb_id", "tmdb_id")
OVERVIEW_COLUMNS = ("movie_id", "imdb_id", "tmdb_id", "overview", "keywords")
MOVIES_COLUMNS = tuple(name for name in ALIASES if name not in ("user_id", "rating", "timestamp", "tag"))


def split_mapping(mapping: Mapping[str, str] | None, columns: Mapping[T, Iterable[str]]) -> dict[T, dict[str, str]]:
    """The part of a mapping for each of several tables: columns it has, and those that no table has, an error later.

    Args:
        columns: table → its column names.
    """
    present = {column for names in columns.values() for column in names}
    return {
        table: {name: column for name, column in (mapping or {}).items() if column in names or column not in present}
        for table, names in columns.items()
    }


def _plain(name: str) -> str:
    """`userId`, `user_id`, `User ID` and RecBole's `user_id:token` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def resolve_columns(
    seen: Sequence[str],
    names: Sequence[str],
    required: Sequence[str],
    path: Path | str,
    mapping: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Find columns among those of a file.

    Args:
        seen: the file's column names.
        names: canonical names to look for; those that are not there are left out.
        required: canonical names that must be there.
        path: the file, or what else the table is called in messages.
        mapping: canonical name → column of the file; wins over guessing.

    Returns:
        Canonical name → column of the file.

    Raises:
        DataError: a required column is missing, or the mapping names what does not exist.
    """
    listing = ", ".join(seen)
    resolved: dict[str, str] = {}
    for name, column in (mapping or {}).items():
        if name not in ALIASES:
            raise DataError(f"There is no column {name!r} to map to.", f"Map one of: {', '.join(names)}.")
        if name not in names:
            continue
        if column not in seen:
            raise DataError(f"{path} has no column {column!r}; it has: {listing}.", "Correct the column mapping.")
        resolved[name] = column
    free = {_plain(column): column for column in reversed(seen) if column not in resolved.values()}
    for name in names:
        if name not in resolved:
            match = next((alias for alias in ALIASES[name] if alias in free), None)
            if match is not None:
                resolved[name] = free.pop(match)
    missing = [name for name in required if name not in resolved]
    if missing:
        free_columns = [column for column in seen if column not in resolved.values()]
        raise DataError(
            f"{path} has no column for {' and '.join(missing)}; it has: {listing}.",
            f"Name the columns with a mapping, e.g. {missing[0]}={free_columns[0] if free_columns else 'COLUMN'}.",
        )
    return resolved
