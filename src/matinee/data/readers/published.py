"""Layouts of published data sets: MovieLens 100K, MovieLens 1M and 10M, and RecBole's atomic files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS, resolve_columns
from matinee.data.readers.delimited import read_text
from matinee.data.readers.remarks import remark
from matinee.data.readers.tables import SUFFIXES, RawData, read_table
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
    return (folder / "movies.dat").is_file() or (
        (folder / "items.dat").is_file() and (folder / "ratings.dat").is_file()
    )


def read_dat(folder: Path) -> RawData:
    """Read the folder. `ratings.parquet` or `ratings.csv`, with or without times, may replace `ratings.dat`.

    MovieTweetings has the same files, with IMDb's ids and ten stars (https://github.com/sidooms/MovieTweetings).

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
    items = next(path for name in ("movies.dat", "items.dat") if (path := folder / name).is_file())
    movies = read_text(items, separator="::", names=["movie_id", "title", "genres"])
    if _has_imdb_ids(movies):
        remark(f"{items.name}: the ids of the films are IMDb's (MovieTweetings): they are taken as imdb_id as well.")
        movies = movies.with_columns(imdb_id=pl.col("movie_id"))
        return RawData(ratings, movies, scale=(0.0, 10.0))
    tags = None
    if (folder / "tags.dat").is_file():
        tags = read_text(folder / "tags.dat", separator="::", names=["user_id", "movie_id", "tag", "timestamp"])
    # 1M ships users.dat and has whole stars; 10M has neither users nor whole stars.
    return RawData(ratings, movies, tags, scale=(1.0, 5.0) if (folder / "users.dat").is_file() else None)


def _has_imdb_ids(movies: pl.DataFrame) -> bool:
    """Whether all ids of movies have seven or eight digits, some with leading zeros, as MovieTweetings writes them."""
    ids = movies["movie_id"].drop_nulls()
    return len(ids) > 0 and bool(ids.str.contains(r"^\d{7,8}$").all()) and bool(ids.str.starts_with("0").any())


def is_hetrec(folder: Path) -> bool:
    """Whether a folder is HetRec 2011's MovieLens: tables with a header in `user_ratedmovies.dat`, `movies.dat` …."""
    return any((folder / name).is_file() for name in HETREC)


HETREC = ("user_ratedmovies.dat", "user_ratedmovies-timestamps.dat")


def read_hetrec(folder: Path) -> RawData:
    """Read the folder. Layout: https://files.grouplens.org/datasets/hetrec2011/hetrec2011-movielens-readme.txt

    Raises:
        DataError: a file is missing or damaged.
    """
    path = next(path for name in reversed(HETREC) if (path := folder / name).is_file())
    table = read_text(path, separator="\t", quote=None)
    ratings = table.select(**resolve_columns(table.columns, RATINGS_COLUMNS, RATINGS_COLUMNS[:3], path))
    if "date_year" in table.columns and "timestamp" not in ratings.columns:
        parts = [pl.col(f"date_{part}") for part in ("year", "month", "day", "hour", "minute", "second")]
        zero = [part.str.zfill(2) for part in parts[1:]]
        when = pl.format("{}-{}-{} {}:{}:{}", parts[0], *zero)
        ratings = ratings.with_columns(table.select(timestamp=when).to_series())
    items = folder / "movies.dat"
    if not items.is_file():
        return RawData(ratings, scale=(0.5, 5.0))
    movies = read_text(items, separator="\t", quote=None)
    movies = movies.select(
        **resolve_columns(movies.columns, ("movie_id", "title", "year", "imdb_id"), ("movie_id", "title"), items)
    )
    for name, column in (("movie_genres", "genre"), ("movie_directors", "directorName"), ("movie_actors", "actorName")):
        side = folder / f"{name}.dat"
        if not side.is_file():
            continue
        table = read_text(side, separator="\t", quote=None)
        if not {"movieID", column} <= set(table.columns):
            continue
        if "ranking" in table.columns:
            table = table.sort(pl.col("ranking").cast(pl.Int32, strict=False), nulls_last=True, maintain_order=True)
        listed = table.group_by("movieID", maintain_order=True).agg(pl.col(column).drop_nulls())
        target = {"genre": "genres", "directorName": "directors", "actorName": "cast"}[column]
        listed = listed.rename({"movieID": "movie_id", column: target})
        movies = movies.join(listed, on="movie_id", how="left", maintain_order="left")
    return RawData(ratings, movies, scale=(0.5, 5.0))


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
    files = {"ratings": path} | ({"movies": items} if movies is not None else {})
    return RawData(ratings, movies, scale=scale, genre_separator=" ", other_columns=others, files=files)
