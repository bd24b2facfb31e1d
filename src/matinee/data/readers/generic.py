"""Folders of tables named ratings, movies, tags, links: CSV, TSV, Parquet or JSON, with columns detected by name.

MovieLens 20M, 25M, 32M, latest and latest-small have this layout (`userId`, `movieId`, `rating`, `timestamp`); so have
The Movies Dataset (`ratings_small`, `links_small`, `movies_metadata`), goodbooks (`books`) and Amazon's reviews.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from matinee.data.readers import metadata
from matinee.data.readers.columns import (
    LINKS_COLUMNS,
    MOVIES_COLUMNS,
    OVERVIEW_COLUMNS,
    RATINGS_COLUMNS,
    TAGS_COLUMNS,
    ColumnMapping,
    known_name,
    resolve_columns,
    split_mapping,
)
from matinee.data.readers.remarks import remark
from matinee.data.readers.tables import SUFFIXES, RawData, columns_of, read_table
from matinee.errors import DataError

_STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "movies": (
        "movies",
        "movie",
        "films",
        "film",
        "items",
        "item",
        "movies_metadata",
        "books",
        "titles",
        "anime",
        "shows",
    ),
    "tags": ("tags",),
    "links": ("links",),
    "overviews": ("overviews",),
}
_PARTS = {
    "ratings": r"(?:^|_)(?:ratings?|interactions|reviews|events|views|watches)(?:_|$)",
    "movies": r"(?:^|_)(?:movies?|films?|items?|books|titles|meta)(?:_|$)",
    "links": r"(?:^|_)links(?:_|$)",
}
"""Parts of other names of the tables: `ratings_small`, `user_ratings`."""

_DATA = tuple(suffix for suffix in SUFFIXES if suffix not in (".txt", ".dat", ".inter", ".item"))
"""Suffixes of tables whatever their names: a single .txt is more likely a README."""
_MOST_TABLES = 30


def find(folder: Path, table: str) -> Path | None:
    """The file of a table in a folder or in its subfolder of the same name, in any case; None if there is none.

    If a folder has only one file of a table's format, that is the table of ratings, whatever its name; else the ratings
    are what has columns of users and of movies.
    """
    names = _names(folder)
    for stem in _STEMS[table]:
        inside = _names(folder / stem) if (folder / stem).is_dir() else {}
        for files in (names, inside):
            for suffix in SUFFIXES:
                if (path := files.get(f"{stem}{suffix}")) is not None and _may_be(table, path):
                    return path
    if table in _PARTS:
        found = [
            path
            for path in names.values()
            if path.suffix.lower() in _DATA
            and re.search(_PARTS[table], re.sub(r"[^a-z]+", "_", path.stem.lower()))
            and _may_be(table, path)
        ]
        if found:
            if len(found) > 1:
                remark(
                    f"Of {', '.join(path.name for path in found)}, {found[0].name} is taken for the table of {table}."
                )
            return found[0]
    if table == "ratings":
        stems = {stem for name in _STEMS for stem in _STEMS[name]}
        tables = [path for path in names.values() if path.suffix.lower() in _DATA]
        if len(tables) == 1 and tables[0].stem.lower() not in stems:
            return tables[0]
        likely = [path for path in tables[:_MOST_TABLES] if path.stem.lower() not in stems and _is_ratings(path)]
        return likely[0] if len(likely) == 1 else None
    return None


def _names(folder: Path) -> dict[str, Path]:
    """The files of a folder by name in small letters, in order of their names."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    return {path.name.lower(): path for path in reversed(files)} | {
        path.name: path for path in files if path.name.islower()
    }


def _may_be(table: str, path: Path) -> bool:
    """Whether a file of a table's name can be that table: goodbooks' `tags` only names the numbers of tags."""
    if table == "tags":
        columns = [re.sub(r"[^a-z]", "", name.lower()) for name in _columns(path)]
        return not {"tagid", "tagname"} <= set(columns)
    if table == "ratings":
        return not metadata.is_averages(_columns(path))
    return True


def _is_ratings(path: Path) -> bool:
    try:
        resolve_columns(_columns(path), RATINGS_COLUMNS, RATINGS_COLUMNS[:2], path)
    except DataError:
        return False
    return True


def _columns(path: Path) -> list[str]:
    """Column names of a table; none if it cannot be read, which is told when it is."""
    try:
        return columns_of(path)
    except DataError:
        return []


def matches(folder: Path) -> bool:
    """Whether a folder has a table of ratings."""
    return find(folder, "ratings") is not None


def side_tables(folder: Path, mapping: ColumnMapping | None = None) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Links and overviews of a folder of any layout; None if missing.

    Raises:
        DataError: a file is damaged.
    """
    made: list[pl.DataFrame | None] = []
    for table, names, required in (
        ("links", LINKS_COLUMNS, ("movie_id",)),
        ("overviews", OVERVIEW_COLUMNS, ("movie_id", "overview")),
    ):
        path = find(folder, table)
        own = {key: value for key, value in (mapping or {}).items() if key.startswith(f"{table}.")}
        made.append(
            None
            if path is None
            else read_table(
                path, names, required, split_mapping(own, {table: columns_of(path)})[table] if own else None
            )
        )
    return made[0], made[1]


def read(folder: Path, mapping: ColumnMapping | None = None) -> RawData:
    """Read a folder, or a single file of ratings.

    Args:
        mapping: canonical column, or table.column → column of the files; takes precedence over detection.

    Raises:
        DataError: a file is missing, damaged or lacks columns, or has ids of another kind than the ratings.
    """
    path = folder if folder.is_file() else find(folder, "ratings")
    assert path is not None, "call matches() first"
    movies_path, tags_path = (find(folder, "movies"), find(folder, "tags")) if folder.is_dir() else (None, None)
    if movies_path == path:
        movies_path = None
    columns = columns_of(path)
    metadata.refuse_other_tables(path, columns)
    paths = {"ratings": path, "movies": movies_path, "tags": tags_path}
    seen = {table: columns_of(other) if mapping else () for table, other in paths.items() if other is not None}
    mappings = split_mapping(mapping, seen)
    # A table of ratings may have the titles of the movies.
    names, required = (*RATINGS_COLUMNS, "title"), RATINGS_COLUMNS[:2]
    ratings = read_table(path, names, required, mappings["ratings"])
    by_place = not any(known_name(column) for column in columns) and columns[0] == "1"
    used = {} if by_place else resolve_columns(columns, names, required, path, mappings["ratings"])
    ratings = _without_titles_of_reviews(ratings, columns, path)
    movies: pl.DataFrame | None = None
    if movies_path is not None:
        id_column = used.get("movie_id", "movie_id")
        movies = _movies(movies_path, mappings["movies"], ratings, folder, id_column)
    elif "title" in ratings.columns:
        movies = ratings.select("movie_id", "title").unique("movie_id", keep="first", maintain_order=True)
    tags = None
    if tags_path is not None:
        tags = read_table(tags_path, TAGS_COLUMNS, ("movie_id", "tag"), mappings["tags"])
    others = () if by_place else tuple(column for column in columns if column not in used.values())
    return RawData(
        ratings.drop("title", strict=False),
        movies,
        tags,
        other_columns=others,
        files={table: other for table, other in paths.items() if other is not None},
    )


def _without_titles_of_reviews(ratings: pl.DataFrame, columns: list[str], path: Path) -> pl.DataFrame:
    """Ratings without a column `title` that holds no titles of movies, but those of the reviews."""
    if "title" not in ratings.columns:
        return ratings
    titles = ratings.group_by("movie_id").agg(pl.col("title").n_unique())["title"]
    if {"text", "parent_asin"} <= set(columns) or int((titles > 1).sum()) > 0.1 * max(len(titles), 1):
        remark(f"{path.name}: the column of titles differs within a film, so it is not taken for the films' titles.")
        return ratings.drop("title")
    return ratings


def _movies(
    path: Path, mapping: Mapping[str, str], ratings: pl.DataFrame, folder: Path, id_column: str
) -> pl.DataFrame:
    """The table of movies, with the ids that the ratings use."""
    columns = columns_of(path)
    kind = metadata.kind_of(columns)
    if kind is not None and not ("title" in mapping and "movie_id" in mapping):
        links = side_tables(folder)[0]
        return metadata.with_movie_ids(metadata.read_movies(path, kind), path, kind, ratings, links, mapping, id_column)
    if "movie_id" not in mapping and {"id", "book_id", "best_book_id"} <= set(columns):
        # goodbooks in its first form: `book_id` is that of Goodreads, and the ratings have `id`.
        mapping = {**mapping, "movie_id": "id"}
        remark(f"{path.name}: the ratings' book_id is its column id; its book_id is that of Goodreads.")
    movies = read_table(path, MOVIES_COLUMNS, ("movie_id", "title"), mapping)
    return movies if "movie_id" in mapping else metadata.by_links_if_tmdb(movies, path, side_tables(folder)[0])
