"""MovieLens 1M and 10M: `movies.dat`, `ratings.dat`, `tags.dat` with fields separated by `::` (1M in Latin-1).

A `ratings.parquet` or `ratings.csv`, with or without times, may replace `ratings.dat`.
"""

from __future__ import annotations

from pathlib import Path

from matinee.data.readers.columns import RATINGS_COLUMNS
from matinee.data.readers.raw import RawData
from matinee.data.readers.tables import SUFFIXES, read_table, read_text
from matinee.errors import DataError


def matches(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return (folder / "movies.dat").is_file()


def read(folder: Path) -> RawData:
    """Read the folder.

    Raises:
        DataError: a file is missing or damaged.
    """
    if (folder / "ratings.dat").is_file():
        ratings = read_text(folder / "ratings.dat", separator="::", names=list(RATINGS_COLUMNS))
    else:
        path = next((p for suffix in SUFFIXES if (p := folder / f"ratings{suffix}").is_file()), None)
        if path is None:
            raise DataError(f"{folder} has movies.dat but no ratings.dat.", "Fetch the data set again.")
        ratings = read_table(path, RATINGS_COLUMNS, RATINGS_COLUMNS[:2])
    movies = read_text(folder / "movies.dat", separator="::", names=["movie_id", "title", "genres"])
    tags = None
    if (folder / "tags.dat").is_file():
        tags = read_text(folder / "tags.dat", separator="::", names=["user_id", "movie_id", "tag", "timestamp"])
    # 1M ships users.dat and has whole stars; 10M has neither users nor whole stars.
    return RawData(ratings, movies, tags, scale=(1.0, 5.0) if (folder / "users.dat").is_file() else None)
