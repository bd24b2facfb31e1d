"""Frames in memory, of Polars or pandas: columns found by name as in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import polars as pl

from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS, ColumnMapping, resolve_columns, split_mapping
from matinee.data.readers.tables import RawData, plain_columns
from matinee.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    Frame: TypeAlias = pl.DataFrame | pl.LazyFrame | pd.DataFrame

_RATINGS, _MOVIES = "The frame of ratings", "The frame of movies"


def is_frame(value: object) -> TypeGuard[Frame]:
    """Whether this is a frame of Polars or pandas; imports neither."""
    library, _, _ = type(value).__module__.partition(".")
    return isinstance(value, (pl.DataFrame, pl.LazyFrame)) or (library == "pandas" and hasattr(value, "columns"))


def read_frames(ratings: Frame, movies: Frame | None = None, mapping: ColumnMapping | None = None) -> RawData:
    """The tables of a data set.

    Args:
        ratings: a row a rating: user, movie, and where known stars, time, and (without `movies`) title.
        movies: a row a movie: movie, title, and any other column of the catalog.
        mapping: canonical column → column of the frames; wins over guessing.

    Raises:
        DataError: columns are missing (it names those seen), or hold no plain values.
    """
    names, required = (*RATINGS_COLUMNS, "title"), RATINGS_COLUMNS[:2]
    seen = {_RATINGS: _names(ratings, _RATINGS), _MOVIES: [] if movies is None else _names(movies, _MOVIES)}
    mappings = split_mapping(mapping, {"ratings": seen[_RATINGS], "movies": seen[_MOVIES]})
    rating_table = _select(ratings, _RATINGS, names, required, mappings["ratings"])
    movie_table: pl.DataFrame | None = None
    if movies is not None:
        movie_table = _select(movies, _MOVIES, MOVIES_COLUMNS, ("movie_id", "title"), mappings["movies"])
    elif "title" in rating_table.columns:
        movie_table = rating_table.select("movie_id", "title").unique("movie_id", keep="first", maintain_order=True)
    used = resolve_columns(seen[_RATINGS], names, required, _RATINGS, mappings["ratings"]).values()
    others = tuple(column for column in seen[_RATINGS] if column not in used)
    return RawData(rating_table.drop("title", strict=False), movie_table, other_columns=others)


def _names(frame: Frame, what: str) -> list[str]:
    if not is_frame(frame):
        raise DataError(
            f"{what} is a {type(frame).__name__}, not a frame of Polars or pandas.", "Make one of it, or give a file."
        )
    return frame.collect_schema().names() if isinstance(frame, pl.LazyFrame) else [str(name) for name in frame.columns]


def _select(
    frame: Frame, what: str, names: Sequence[str], required: Sequence[str], mapping: Mapping[str, str]
) -> pl.DataFrame:
    resolved = resolve_columns(_names(frame, what), names, required, what, mapping)
    columns = list(dict.fromkeys(resolved.values()))
    if isinstance(frame, pl.LazyFrame):
        table = frame.select(columns).collect()
    elif isinstance(frame, pl.DataFrame):
        table = frame.select(columns)
    else:
        table = pl.DataFrame([_from_pandas(frame, column) for column in columns])
    return plain_columns(table, resolved, what)


def _from_pandas(frame: pd.DataFrame, column: str) -> pl.Series:
    """A column of pandas, by values: that needs no Arrow. What pandas calls missing is null; what is mixed is text."""
    position = [str(name) for name in frame.columns].index(column)
    values: Any = frame.iloc[:, position]
    if isinstance(values.dtype.type, type) and values.dtype.kind in "iuf" and values.to_numpy().dtype.kind in "iuf":
        made = pl.Series(column, values.to_numpy())
        return made.fill_nan(None) if made.dtype.is_float() else made
    # Asked one by one, because of a list pandas says which of its parts are missing.
    is_missing = values.isna().to_numpy()
    plain = [None if missing else value for value, missing in zip(values.to_list(), is_missing, strict=True)]
    try:
        return pl.Series(column, plain, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(column, [None if value is None else str(value) for value in plain], dtype=pl.String)
