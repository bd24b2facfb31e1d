"""The result of all readers: the tables of a data set before cleaning."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class RawData:
    """Tables with canonical column names. Values have the types of the files.

    Attributes:
        ratings: `user_id`, `movie_id`, and optionally `rating` and `timestamp`.
        movies: `movie_id`, `title` and other columns of the catalog; None if there are only ratings.
        tags: `movie_id`, `tag`, and optionally `user_id`.
        links: `movie_id`, `imdb_id`, `tmdb_id`.
        overviews: `movie_id`, `overview`, and optionally `keywords`, `imdb_id`, `tmdb_id`.
        scale: the scale of the layout; None: to be detected.
        genre_separator: separator of the genres of a movie.
        other_columns: columns of the table of ratings that were not recognized.
    """

    ratings: pl.DataFrame
    movies: pl.DataFrame | None = None
    tags: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    overviews: pl.DataFrame | None = None
    scale: tuple[float, float] | None = None
    genre_separator: str = "|"
    other_columns: tuple[str, ...] = ()
