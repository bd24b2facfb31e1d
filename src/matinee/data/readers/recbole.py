"""RecBole's atomic files: `NAME.inter`, `NAME.item`, tab-separated with typed headers (`user_id:token`).

Layout: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from __future__ import annotations

from pathlib import Path

from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS, resolve_columns
from matinee.data.readers.raw import RawData
from matinee.data.readers.tables import read_text


def matches(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return any(folder.glob("*.inter"))


def read(folder: Path) -> RawData:
    """Read the folder.

    Raises:
        DataError: a file is missing, damaged or lacks columns.
    """
    path = min(folder.glob("*.inter"))
    ratings = read_text(path, separator="\t", quote=None)
    resolved = resolve_columns(ratings.columns, RATINGS_COLUMNS, RATINGS_COLUMNS[:2], path)
    others = tuple(column for column in ratings.columns if column not in resolved.values())
    ratings = ratings.select(**resolved)
    movies = None
    items = path.with_suffix(".item")
    if items.is_file():
        movies = read_text(items, separator="\t", quote=None)
        movies = movies.select(**resolve_columns(movies.columns, MOVIES_COLUMNS, ("movie_id", "title"), items))
    whole = path.stem in ("ml-100k", "ml-1m")
    scale = (1.0, 5.0) if whole else None
    return RawData(ratings, movies, scale=scale, genre_separator=" ", other_columns=others)
