"""Mapping of a file's column names to canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from matinee.errors import DataError

ALIASES: dict[str, tuple[str, ...]] = {
    "user_id": (
        *("userid", "user", "uid", "customerid", "customer", "reviewerid", "memberid", "viewerid", "profileid"),
        *("accountid", "username", "visitorid"),
    ),
    "movie_id": (
        *("movieid", "itemid", "filmid", "movie", "item", "film", "mid", "iid", "productid", "parentasin", "asin"),
        *("bookid", "titleid", "showid", "contentid", "tconst", "id", "tmdbid", "imdbid"),
    ),
    "rating": (
        *("rating", "stars", "star", "score", "ratings", "overall", "userrating", "yourrating", "starrating"),
        *("ratingvalue", "bookrating", "grade", "like", "liked", "thumb", "thumbs", "value"),
    ),
    "timestamp": (
        *("timestamp", "time", "ts", "unixtime", "unixreviewtime", "ratingtimestamp", "ratedat", "createdat"),
        *("watchedat", "viewedat", "eventtime", "datetime", "date", "ratingdate", "reviewtime"),
    ),
    "tag": ("tag", "label", "keyword"),
    "title": (
        *("title", "movietitle", "filmtitle", "primarytitle", "booktitle", "itemtitle", "moviename", "filmname"),
        *("name", "originaltitle"),
    ),
    "original_title": ("originaltitle",),
    "year": (
        *("year", "releaseyear", "startyear", "yearofrelease", "releasedate", "originalpublicationyear"),
        *("yearofpublication", "publicationyear"),
    ),
    "genres": ("genres", "genre", "class", "categories", "category"),
    "tags": ("tags",),
    "directors": ("directors", "director"),
    "writers": ("writers", "writer", "authors", "author"),
    "cast": ("cast", "actors", "starring"),
    "countries": ("countries", "country", "productioncountries"),
    "languages": ("languages", "language", "spokenlanguages"),
    "keywords": ("keywords", "plotkeywords"),
    "overview": ("overview", "plot", "synopsis", "description", "summary"),
    "imdb_id": ("imdbid", "imdb", "tconst", "imdbtitleid"),
    "tmdb_id": ("tmdbid", "tmdb"),
    "poster": ("poster", "posterurl", "posterpath"),
    "alternate_titles": ("alternatetitles", "alternativetitles", "othertitles", "akas", "aka"),
}
"""Canonical column → accepted names (lower case, letters and digits only), best first."""

RATINGS_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
TAGS_COLUMNS = ("user_id", "movie_id", "tag", "timestamp")
LINKS_COLUMNS = ("movie_id", "imdb_id", "tmdb_id")
OVERVIEW_COLUMNS = ("movie_id", "imdb_id", "tmdb_id", "overview", "keywords")
MOVIES_COLUMNS = tuple(name for name in ALIASES if name not in ("user_id", "rating", "timestamp", "tag"))


TABLES = ("ratings", "movies", "tags", "links", "overviews")
"""Tables that a mapping may name: `ratings.movie_id`."""

ColumnMapping: TypeAlias = Mapping[str, str | Sequence[str]]
"""Canonical column (`movie_id`), or one of a table (`ratings.movie_id`) → column of the file, or several to choose
from (`film_ref` in one table, `film_no` in another)."""


def split_mapping(mapping: ColumnMapping | None, columns: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
    """The part of a mapping for each of several tables: columns it has, and those that no table has, an error later.

    Args:
        columns: table → its column names.

    Raises:
        DataError: a table that does not exist is named, or a column of a table twice.
    """
    present = {column for names in columns.values() for column in names}
    parts: dict[str, dict[str, str]] = {table: {} for table in columns}
    for key, value in (mapping or {}).items():
        table, dot, name = key.partition(".")
        if dot and table not in TABLES:
            raise DataError(
                f"There is no table {table!r} to map a column of.",
                f"Write one of: {', '.join(TABLES)}; e.g. movies.{name}.",
            )
        choices = (value,) if isinstance(value, str) else tuple(value)
        for column in choices:
            for other, names in columns.items():
                part = parts[other]
                if dot:
                    if other == table:
                        _assign(part, name, column)
                elif (column in names or column not in present) and f"{other}.{key}" not in (mapping or {}):
                    _assign(part, key, column)
    for part in parts.values():
        _check_once(part)
    return parts


def _assign(part: dict[str, str], name: str, column: str) -> None:
    if part.get(name, column) != column:
        raise DataError(
            f"Both {part[name]!r} and {column!r} are mapped to {name}.",
            f"Give one of them, or say of which table each is: --map ratings.{name}={part[name]}.",
        )
    part[name] = column


def _check_once(mapping: Mapping[str, str]) -> None:
    """Raise DataError if a column is mapped to two names."""
    taken: dict[str, str] = {}
    for name, column in mapping.items():
        if column in taken:
            raise DataError(
                f"The column {column!r} is mapped twice, to {taken[column]} and to {name}.",
                f"Map {name} to the column that holds it, or leave it out.",
            )
        taken[column] = name


def _plain(name: str) -> str:
    """`userId`, `user_id`, `User ID` and RecBole's `user_id:token` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


_KNOWN = frozenset(alias for aliases in ALIASES.values() for alias in aliases)


def known_name(cell: str) -> bool:
    """Whether a text is the name of a column, as files write it."""
    return _plain(cell) in _KNOWN


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
    listing = listed(seen)
    resolved: dict[str, str] = {}
    _check_once(mapping or {})
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
            match = next((alias for alias in _aliases(name, names) if alias in free), None)
            if match is not None:
                resolved[name] = free.pop(match)
    missing = [name for name in required if name not in resolved]
    if missing:
        free_columns = [column for column in seen if column not in resolved.values()]
        likely = _likely(missing, free_columns)
        examples = ", ".join(f"{name}={likely.get(name, 'COLUMN')}" for name in missing)
        raise DataError(
            f"{path} has no column for {' and '.join(missing)}; it has: {listing}.",
            _other_file(seen) or f"Name the columns with a mapping (--map), e.g. {examples}.",
        )
    return resolved


_MOST_LISTED = 12


def listed(columns: Sequence[str]) -> str:
    """Column names for a message, cut where there are many."""
    shown = [column if len(column) <= 60 else column[:57] + "…" for column in columns[:_MOST_LISTED]]
    more = len(columns) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _aliases(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Accepted names in a table. In one of ratings, `id` is a row's number and `name` may be a user's."""
    aliases = ALIASES[name]
    if "user_id" in names:
        aliases = tuple(alias for alias in aliases if alias not in ("id", "name"))
    return aliases


_LIKELY = {
    "user_id": r"user|viewer|customer|kunde|member|review|account|client|person|profile|visitor|patron|session|usuario|"
    r"utilisateur|nutzer|who",
    "movie_id": r"movie|film|item|title|show|book|product|asin|isbn|content|media|video|article|anime|track|song|werk",
    "rating": r"rat|score|star|mark|grade|point|vote|like|thumb|feedback|bewert|note|nota|punt|wert|value",
    "timestamp": r"time|date|when|day|at$",
    "title": r"title|titel|titre|titulo|name|film|movie",
    "tag": r"tag|word|label|wort",
    "overview": r"plot|text|descr|story",
}
"""What a column's name may contain, for hints."""


def _likely(missing: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """The most likely column for each missing one, each column once."""
    left = list(free)
    found: dict[str, str] = {}
    for name in missing:
        pattern = re.compile(_LIKELY.get(name, r"$^"))
        ranked = sorted(
            (column for column in left if pattern.search(column.lower())),
            key=lambda column: not re.search(r"(id|_?no|_?ref|code|key|num|number)$", column.lower()),
        )
        if ranked:
            found[name] = ranked[0]
            left.remove(ranked[0])
    for name in missing:
        if name not in found and left:
            found[name] = left.pop(0)
    return found


def _other_file(seen: Sequence[str]) -> str:
    """What to do with a file that holds something else than its table; "" if that cannot be told."""
    plain = {_plain(column) for column in seen}
    if {"letterboxduri", "name"} <= plain or {"const", "yourrating"} <= plain or {"const", "titletype"} <= plain:
        return "It is one person's own list: `matinee import ratings FILE --user NAME` stores that."
    if len(seen) > 50 and "userid" in plain and "movieid" not in plain:
        return "If each column is a film, write a row a rating instead: user, film, stars."
    return ""
