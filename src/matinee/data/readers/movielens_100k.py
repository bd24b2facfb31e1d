"""MovieLens 100K as GroupLens ships it: `u.data`, `u.item`, `u.genre` (Latin-1, no header lines).

Layout: https://files.grouplens.org/datasets/movielens/ml-100k-README.txt
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from matinee.data.readers.raw import RawData
from matinee.data.readers.tables import read_text

GENRES = (
    "unknown|Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)
"""The flags of `u.item` in order, if `u.genre` is missing."""


def matches(folder: Path) -> bool:
    """Whether a folder has this layout."""
    return (folder / "u.data").is_file() and (folder / "u.item").is_file()


def read(folder: Path) -> RawData:
    """Read the folder.

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
