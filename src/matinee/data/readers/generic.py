"""Folders of tables named ratings, movies, tags, links: CSV, TSV, Parquet or NDJSON, with columns detected by name.

MovieLens 20M, 25M, 32M, latest and latest-small have this layout (`userId`, `movieId`, `rating`, `timestamp`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from matinee.data.readers.columns import (
    LINKS_COLUMNS,
    MOVIES_COLUMNS,
    OVERVIEW_COLUMNS,
    RATINGS_COLUMNS,
    TAGS_COLUMNS,
    resolve_columns,
    split_mapping,
)
from matinee.data.readers.tables import SUFFIXES, RawData, columns_of, read_table

_STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "movies": ("movies", "movie", "films", "film", "items", "item"),
    "tags": ("tags",),
    "links": ("links",),
    "overviews": ("overviews",),
}


_DATA = tuple(suffix for suffix in SUFFIXES if suffix != ".txt")  # a single .txt is more likely a README


def find(folder: Path, table: str) -> Path | None:
    """The file of a table in a folder or in its subfolder of the same name; None if there is none.

    If a folder has only one CSV, TSV, Parquet or NDJSON file, that is the table of ratings, whatever its name.
    """
    for stem in _STEMS[table]:
        for parent in (folder, folder / stem):
            for suffix in SUFFIXES:
                if (path := parent / f"{stem}{suffix}").is_file():
                    return path
    if table == "ratings":
        stems = {stem for name in _STEMS for stem in _STEMS[name]}
        tables = [p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in _DATA and p.name[0] != "."]
        if len(tables) == 1 and tables[0].stem not in stems:
            return tables[0]
    return None


def matches(folder: Path) -> bool:
    """Whether a folder has a table of ratings."""
    return find(folder, "ratings") is not None


def side_tables(folder: Path) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Links and overviews of a folder of any layout; None if missing.

    Raises:
        DataError: a file is damaged.
    """
    links, overviews = find(folder, "links"), find(folder, "overviews")
    return (
        None if links is None else read_table(links, LINKS_COLUMNS, ("movie_id",)),
        None if overviews is None else read_table(overviews, OVERVIEW_COLUMNS, ("movie_id", "overview")),
    )


def read(folder: Path, mapping: Mapping[str, str] | None = None) -> RawData:
    """Read a folder, or a single file of ratings.

    Args:
        mapping: canonical column → column of the files; takes precedence over detection.

    Raises:
        DataError: a file is missing, damaged or lacks columns.
    """
    path = folder if folder.is_file() else find(folder, "ratings")
    assert path is not None, "call matches() first"
    movies_path, tags_path = (find(folder, "movies"), find(folder, "tags")) if folder.is_dir() else (None, None)
    paths = [other for other in (path, movies_path, tags_path) if other is not None]
    mappings = split_mapping(mapping, {other: columns_of(other) if mapping else () for other in paths})
    # A table of ratings may have the titles of the movies.
    names, required = (*RATINGS_COLUMNS, "title"), RATINGS_COLUMNS[:2]
    ratings = read_table(path, names, required, mappings[path])
    columns = columns_of(path)
    used = resolve_columns(columns, names, required, path, mappings[path]).values()
    movies: pl.DataFrame | None = None
    if movies_path is not None:
        movies = read_table(movies_path, MOVIES_COLUMNS, ("movie_id", "title"), mappings[movies_path])
    elif "title" in ratings.columns:
        movies = ratings.select("movie_id", "title").unique("movie_id", keep="first", maintain_order=True)
    tags = None
    if tags_path is not None:
        tags = read_table(tags_path, TAGS_COLUMNS, ("movie_id", "tag"), mappings[tags_path])
    others = tuple(column for column in columns if column not in used)
    return RawData(ratings.drop("title", strict=False), movies, tags, other_columns=others)
