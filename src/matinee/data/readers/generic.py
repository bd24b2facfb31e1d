"""Any folder of tables named ratings, movies, tags, links: CSV, TSV, Parquet or NDJSON, columns found by name.

MovieLens 20M, 25M, 32M, latest and latest-small are such folders (`userId`, `movieId`, `rating`, `timestamp`).
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
)
from matinee.data.readers.raw import RawData
from matinee.data.readers.tables import SUFFIXES, read_table

_STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "movies": ("movies", "movie", "films", "film", "items", "item"),
    "tags": ("tags",),
    "links": ("links",),
    "overviews": ("overviews",),
}


def find(folder: Path, table: str) -> Path | None:
    """The file of a table in a folder (or in a sub-folder of the same name), or None."""
    for stem in _STEMS[table]:
        for place in (folder, folder / stem):
            for suffix in SUFFIXES:
                if (path := place / f"{stem}{suffix}").is_file():
                    return path
    return None


def matches(folder: Path) -> bool:
    """Whether a folder has a table of ratings."""
    return find(folder, "ratings") is not None


def side_tables(folder: Path) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Links and overviews of a folder of any layout, None where it has none.

    Raises:
        DataError: such a file is broken.
    """
    links, overviews = find(folder, "links"), find(folder, "overviews")
    return (
        None if links is None else read_table(links, LINKS_COLUMNS, ("movie_id",)),
        None if overviews is None else read_table(overviews, OVERVIEW_COLUMNS, ("movie_id", "overview")),
    )


def read(folder: Path, mapping: Mapping[str, str] | None = None) -> RawData:
    """Read a folder, or a single file of ratings.

    Args:
        mapping: canonical column → column of the files; wins over guessing.

    Raises:
        DataError: a file is missing, broken or lacks columns.
    """
    path = folder if folder.is_file() else find(folder, "ratings")
    assert path is not None, "call matches() first"
    # A table of ratings alone may still say what the films are called.
    ratings = read_table(path, (*RATINGS_COLUMNS, "title"), RATINGS_COLUMNS[:3], mapping)
    movies: pl.DataFrame | None = None
    if folder.is_dir() and (films := find(folder, "movies")) is not None:
        movies = read_table(films, MOVIES_COLUMNS, ("movie_id", "title"), mapping)
    elif "title" in ratings.columns:
        movies = ratings.select("movie_id", "title").unique("movie_id", keep="first", maintain_order=True)
    tags = None
    if folder.is_dir() and (labels := find(folder, "tags")) is not None:
        tags = read_table(labels, TAGS_COLUMNS, ("movie_id", "tag"), mapping)
    return RawData(ratings.drop("title", strict=False), movies, tags)
