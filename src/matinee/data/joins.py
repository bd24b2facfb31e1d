"""Joins of links, tags and overviews. Each join reports the share of movies that it matched."""

from __future__ import annotations

import polars as pl

from matinee.data.clean import Counter, as_id, as_imdb_id, as_text, as_tmdb_id, as_words
from matinee.data.dataset import TableReport


def _keyed(frame: pl.DataFrame, columns: list[pl.Expr], movies: pl.DataFrame) -> Counter:
    """A side table with at most one row per movie of the catalog."""
    table = Counter(frame.select(as_id(frame, "movie_id"), *columns))
    table.drop("film missing", pl.col("movie_id").is_null())
    table.drop("film not in the catalog", ~pl.col("movie_id").is_in(movies["movie_id"].implode()))
    table.drop("film repeated (the first is kept)", ~pl.col("movie_id").is_first_distinct())
    return table


def fill_missing(movies: pl.DataFrame, side: pl.DataFrame, on: str = "movie_id") -> pl.DataFrame:
    """Fill missing values, and empty lists, from the columns of a side table; its other columns are added."""
    names = [name for name in side.columns if name != on]
    joined = movies.join(side, on=on, how="left", maintain_order="left", suffix="_side")
    both = [name for name in names if f"{name}_side" in joined.columns]
    filled: list[pl.Expr] = []
    for name in names:
        is_list = isinstance(side.schema[name], pl.List)
        if name in both:
            own = pl.col(name).list.len() > 0 if is_list else pl.col(name).is_not_null()
            value = pl.when(own).then(name).otherwise(f"{name}_side").alias(name)
        else:
            value = pl.col(name)
        filled.append(value.fill_null([]) if is_list else value)
    return joined.with_columns(filled).drop([f"{name}_side" for name in both])


def _ids(frame: pl.DataFrame) -> list[pl.Expr]:
    columns = [as_imdb_id(frame)] if "imdb_id" in frame.columns else []
    return [*columns, as_tmdb_id(frame)] if "tmdb_id" in frame.columns else columns


def add_links(movies: pl.DataFrame, links: pl.DataFrame) -> tuple[pl.DataFrame, TableReport, dict[str, float]]:
    """Fill `imdb_id` and `tmdb_id`. Invalid ids are counted and left out.

    Returns:
        The movies, the report of the link table, and the shares (0..1) of movies with each id.
    """
    present = [
        (pl.col(name).cast(pl.String).str.strip_chars().fill_null("") != "").alias(f"{name}_given")
        for name in ("imdb_id", "tmdb_id")
        if name in links.columns
    ]
    table = _keyed(links, [*_ids(links), *present], movies)
    joins: dict[str, float] = {}
    for name in ("imdb_id", "tmdb_id"):
        if name in links.columns:
            table.count(
                table.changed, f"{name} is not valid (left out)", pl.col(f"{name}_given") & pl.col(name).is_null()
            )
            table.count(table.noticed, f"no {name}", ~pl.col(f"{name}_given"))
            joins[f"{name} by links"] = table.frame[name].count() / max(movies.height, 1)
            table.frame = table.frame.drop(f"{name}_given")
    return fill_missing(movies, table.frame), table.report(), joins


def add_overviews(movies: pl.DataFrame, overviews: pl.DataFrame) -> tuple[pl.DataFrame, TableReport, dict[str, float]]:
    """Fill `overview`, `keywords` and missing ids.

    Returns:
        The movies, the report of the table, and the shares (0..1) of movies with each column.
    """
    columns = [as_text("overview", 20_000), *_ids(overviews)]
    if "keywords" in overviews.columns:
        columns.append(as_words(overviews, "keywords"))
    table = _keyed(overviews, columns, movies)
    table.count(table.noticed, "no overview", pl.col("overview").is_null())
    total = max(movies.height, 1)
    joins = {"overview": table.frame["overview"].count() / total}
    if "keywords" in table.frame.columns:
        joins["keywords"] = float((table.frame["keywords"].list.len() > 0).sum()) / total
    return fill_missing(movies, table.frame), table.report(), joins


def add_tags(movies: pl.DataFrame, tags: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    """Add clean tags (see `clean.clean_tags`). Returns the movies and the share (0..1) of those with tags."""
    return fill_missing(movies, tags), {"tags": tags.height / max(movies.height, 1)}
