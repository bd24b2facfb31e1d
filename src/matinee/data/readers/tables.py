"""Reading one table from one file: CSV, TSV, `::`, Parquet, JSON. Text formats are read as strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from matinee.data.packed import LIST_COLUMNS
from matinee.data.readers.columns import resolve_columns
from matinee.data.readers.delimited import read_text
from matinee.data.readers.json_files import json_columns, read_json
from matinee.data.readers.memory import check_text_file, read_parquet
from matinee.data.readers.remarks import remark
from matinee.errors import DataError


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
        notes: what the readers guessed or mended.
        lost: table → reason → rows of the files that are not in the tables.
        files: table → its file.
    """

    ratings: pl.DataFrame
    movies: pl.DataFrame | None = None
    tags: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    overviews: pl.DataFrame | None = None
    scale: tuple[float, float] | None = None
    genre_separator: str = "|"
    other_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".inter", ".item")
JSON_SUFFIXES = (".ndjson", ".jsonl", ".json")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *JSON_SUFFIXES)
"""Suffixes of files whose separator `read_table` detects."""

_MOST_UNNAMED = 6
"""Columns of a table whose columns are taken by their place."""


def columns_of(path: Path) -> list[str]:
    """The column names of a table; "1", "2", … where it has no header line.

    Raises:
        DataError: unreadable.
    """
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return list(pl.read_parquet_schema(path))
        if kind in JSON_SUFFIXES:
            return json_columns(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(path, error) from error
    return read_text(path, n_rows=1).columns


def _broken(path: Path, error: Exception) -> DataError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is not a readable {path.suffix[1:].upper()} file: {what}", "Fetch or export it again.")


def read_table(
    path: Path,
    names: Sequence[str],
    required: Sequence[str],
    mapping: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Columns of a table of any supported format, under their canonical names.

    Args:
        names: canonical names (see `ALIASES`); missing columns are left out.
        required: canonical names that must exist.
        mapping: canonical name → column of the file; takes precedence over detection.

    Raises:
        DataError: unknown format, damaged or too large file, or missing columns (the message lists the existing ones).
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Check the path.")
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise DataError(f"{path} does not have a supported format.", f"Use one of: {', '.join(SUFFIXES)}.")
    seen = columns_of(path)
    if kind in TEXT_SUFFIXES and not mapping and seen == [str(place + 1) for place in range(len(seen))]:
        mapping = by_place(path, len(seen), names, required)
    resolved = resolve_columns(seen, names, required, path, mapping)
    columns = list(resolved.values())
    try:
        if kind == ".parquet":
            frame = read_parquet(path, columns)
        elif kind in JSON_SUFFIXES:
            check_text_file(path, len(columns))
            frame = read_json(path, columns)
        else:
            frame = read_text(path, columns=columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(path, error) from error
    return plain_columns(frame, resolved, path)


def by_place(path: Path, width: int, names: Sequence[str], required: Sequence[str]) -> dict[str, str]:
    """Names for the columns of a table without a header line, by their place; told as a remark.

    Raises:
        DataError: it has too few or too many columns for that.
    """
    rows = read_text(path, n_rows=200)
    first = ", ".join(str(value or "") for value in rows.row(0))[:80] if rows.height else ""
    what = f"{path.name} has no header line: it begins with {first!r}"
    usual = list(names if "user_id" in names else ("movie_id", "title", "genres"))[:4]
    if "user_id" in names and "tag" not in names and width == 3:
        numbers = rows["3"].cast(pl.Float64, strict=False)
        if bool((numbers > 1e8).all()):
            usual = ["user_id", "movie_id", "timestamp"]
    if "user_id" in names and width >= 3 and _is_product_first(rows):
        usual = ["movie_id", "user_id", *usual[2:]]  # as Amazon's tables of ratings alone are written
    if not len(required) <= width <= (len(usual) if "user_id" in names else _MOST_UNNAMED):
        examples = ", ".join(f"{name}={place + 1}" for place, name in enumerate(required))
        raise DataError(
            f"{what}.", f"Add a line of column names, or map the columns by their place (--map), e.g. {examples}."
        )
    taken = dict(zip(usual, (str(place + 1) for place in range(width)), strict=False))
    listing = ", ".join(f"{name}={place}" for name, place in taken.items())
    remark(f"{what}. Its columns are taken as {listing}; map them (--map) if that is wrong.")
    return taken


def _is_product_first(rows: pl.DataFrame) -> bool:
    """Whether the first column has Amazon's products (ten signs), the second its reviewers ("A" and nine or more)."""
    product, user = rows["1"].fill_null(""), rows["2"].fill_null("")
    if not user.str.contains(r"^A[A-Z0-9]{9,40}$").all() or product.str.starts_with("A").all():
        return False
    return bool(product.str.contains(r"^[A-Z0-9]{10}$").all())


def plain_columns(frame: pl.DataFrame, resolved: Mapping[str, str], path: Path | str) -> pl.DataFrame:
    """The columns of a table under their canonical names.

    Args:
        resolved: canonical name → column.
        path: the table, for messages.

    Raises:
        DataError: a column does not hold plain values (or lists of them, where the catalog has lists).
    """
    for name, column in resolved.items():
        values = frame[column].clear()
        if isinstance(values.dtype, pl.List) and name in LIST_COLUMNS:
            values = values.list.explode()
        if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
            raise DataError(
                f"{path}: the column {column!r} has the type {frame.schema[column]}, not plain values.",
                "Flatten it, or map another column.",
            )
    return frame.select(pl.col(column).alias(name) for name, column in resolved.items())
