"""What every reader returns: the tables of a data set as found, nothing dropped yet."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class RawData:
    """Tables under canonical column names; values are still text or whatever the file holds.

    Attributes:
        ratings: `user_id`, `movie_id`, and where known `rating` and `timestamp`.
        movies: `movie_id`, `title` and other columns of the catalog; None: only ratings are known.
        tags: `movie_id`, `tag`, and where known `user_id`.
        links: `movie_id`, `imdb_id`, `tmdb_id`.
        overviews: `movie_id`, `overview`, and where known `keywords`, `imdb_id`, `tmdb_id`.
        scale: the scale of the layout; None: to be detected.
        genre_separator: what stands between the genres of one film.
        other_columns: columns of the table of ratings that were not understood.
    """

    ratings: pl.DataFrame
    movies: pl.DataFrame | None = None
    tags: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    overviews: pl.DataFrame | None = None
    scale: tuple[float, float] | None = None
    genre_separator: str = "|"
    other_columns: tuple[str, ...] = ()
