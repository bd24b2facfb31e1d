"""Layouts of published data sets: MovieLens 100K, MovieLens 1M and 10M, and RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS, resolve_columns
from matinee.data.readers.tables import SUFFIXES, RawData, read_table, read_text
from matinee.errors import DataError

GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
"""The flags of `u.item` in order, if `u.genre` is missing."""


def is_100k(folder: Path) -> bool:
    """Whether a folder is MovieLens 100K as GroupLens ships it: `u.data`, `u.item`, `u.genre` (Latin-1, no header)."""
    return (folder / "u.data").is_file() and (folder / "u.item").is_file()


def read_100k(folder: Path) -> RawData:
    """Read the folder. Layout: https://files.grouplens.org/datasets/movielens/ml-100k-README.txt

    Raises:
        DataError: a file is missing or damaged.
    """
    ratings = read_text(
        folder / "u.data", separator="\t", names=["user_id", "movie_id", "rating", "timestamp"], quote=None
    )
    genres = GENRES.split("|")
    if (folder / "u.genre").is_file():
        listed = read_text(folder / "u.genre", separator="|", names=["genre", "number"], quote=None)
        genres = listed.drop_nulls("genre")["genre"].str.strip_chars().to_list()
    flags = [f"genre {number}" for number in range(len(genres))]
    names = ["movie_id", "title", "released", "video_released", "url", *flags]
    items = read_text(folder / "u.item", separator="|", names=names, quote=None)
    names_of_flags = [
        pl.when(pl.col(flag).str.strip_chars() == "1").then(pl.lit(genre))
        for flag, genre in zip(flags, genres, strict=True)
    ]
    movies = items.select("movie_id", "title", pl.concat_list(names_of_flags).list.drop_nulls().alias("genres"))
    return RawData(ratings, movies, scale=(1.0, 5.0))


def is_dat(folder: Path) -> bool:
    """Whether a folder is MovieLens 1M or 10M: `movies.dat`, `ratings.dat`, `tags.dat`, fields separated by `::`."""
    return (folder / "movies.dat").is_file()


def read_dat(folder: Path) -> RawData:
    """Read the folder. `ratings.parquet` or `ratings.csv`, with or without times, may replace `ratings.dat`.

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


def is_recbole(folder: Path) -> bool:
    """Whether a folder has RecBole's files: `NAME.inter`, `NAME.item`, tab-separated (`user_id:token`)."""
    return any(folder.glob("*.inter"))


def read_recbole(folder: Path) -> RawData:
    """Read the folder. Layout: https://recbole.io/docs/user_guide/data/atomic_files.html

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
