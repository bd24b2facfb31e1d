"""Reading one table from one file: CSV, TSV, `::`, Parquet, NDJSON. Text formats are read as strings."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from matinee.data.packed import LIST_COLUMNS
from matinee.data.readers.columns import resolve_columns
from matinee.data.readers.memory import check_text_file, read_parquet
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
    """

    ratings: pl.DataFrame
    movies: pl.DataFrame | None = None
    tags: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    overviews: pl.DataFrame | None = None
    scale: tuple[float, float] | None = None
    genre_separator: str = "|"
    other_columns: tuple[str, ...] = ()


TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".ndjson", ".jsonl")
"""Suffixes of files whose separator `read_table` detects."""

_HEAD = 1 << 16
_UNIT = "\x1f"  # ASCII unit separator; replaces the two-character `::`, which polars does not support


def _head(path: Path) -> bytes:
    """The first bytes of a text file.

    Raises:
        DataError: missing, unreadable, empty or binary.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from None
    if not head.strip():
        raise DataError(f"{path} is empty.", "Fetch or export the file again.")
    if b"\0" in head:
        raise DataError(
            f"{path} is not a text file: it has a zero byte at offset {head.index(0)}.",
            "Save it as UTF-8 text, or give it the suffix of its real format.",
        )
    return head


def _sniff_separator(path: Path, head: bytes) -> str:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    first = head.lstrip(b"\xef\xbb\xbf").splitlines()[0].decode("latin-1")
    if "::" in first:
        return "::"
    return max((",", "\t", ";", "|"), key=first.count)


def _fault(path: Path, separator: str, quote: str | None, width: int, error: Exception) -> DataError:
    """The error for a malformed text table, with the line number. Slow, so only called after a failure."""
    text = path.read_bytes().decode("latin-1")
    hint = "Correct that line, or fetch the file again."
    if separator == "::":
        for number, line in enumerate(text.splitlines(), 1):
            if len(line.split("::")) > width:
                return DataError(f"{path}, line {number}: more than the {width} fields expected.", hint)
    else:
        lines = io.StringIO(text)
        rows = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL)
        try:
            for row in rows:
                if len(row) > width:
                    return DataError(f"{path}, line {rows.line_num}: {len(row)} fields, {width} expected.", hint)
        except csv.Error as fault:
            return DataError(f"{path}, line {rows.line_num}: {fault}.", hint)
    return DataError(f"{path} is not a table: {str(error).splitlines()[0]}", hint)


def read_text(
    path: Path,
    *,
    separator: str | None = None,
    names: Sequence[str] | None = None,
    quote: str | None = '"',
    columns: Sequence[str] | None = None,
    n_rows: int | None = None,
) -> pl.DataFrame:
    """A delimited text file as strings, in UTF-8 with or without BOM, or Latin-1, with any line endings.

    Args:
        separator: None: detected by suffix and first line. `::` is that of MovieLens 1M and 10M.
        names: column names of a file without a header line.
        quote: None if quotation marks have no special meaning.
        columns: read only these.

    Raises:
        DataError: the file is missing, empty, binary, malformed (with the line number if possible), or too large.
    """
    head = _head(path)
    separator = separator or _sniff_separator(path, head)
    if separator == "::":
        quote = None
    first = head.lstrip(b"\xef\xbb\xbf").splitlines()[0].decode("latin-1")
    width = len(names) if names else len(next(csv.reader([first], delimiter=separator[0]))) or 1
    if n_rows is None:
        check_text_file(path, width if columns is None else len(columns))

    def parse(source: Path | bytes) -> pl.DataFrame:
        return pl.read_csv(
            source,
            has_header=names is None,
            new_columns=None if names is None or columns is not None else list(names),
            separator=_UNIT if separator == "::" else separator,
            quote_char=quote,
            infer_schema=False,
            columns=None if columns is None else list(columns),
            n_rows=n_rows,
            schema=dict.fromkeys(names, pl.String) if names else None,
        )

    try:
        if separator != "::":
            try:
                return parse(path)
            except pl.exceptions.ComputeError:
                data = path.read_bytes()
        else:
            data = path.read_bytes().replace(b"::", _UNIT.encode())
        return parse(_as_utf8(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _fault(path, separator, quote, width, error) from error


def _as_utf8(data: bytes) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode()  # cannot fail, because every byte is a Latin-1 character
    return data


def columns_of(path: Path) -> list[str]:
    """The column names of a table.

    Raises:
        DataError: unreadable.
    """
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return list(pl.read_parquet_schema(path))
        if kind in (".ndjson", ".jsonl"):
            _head(path)
            return pl.scan_ndjson(path, infer_schema_length=1000).collect_schema().names()
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
    resolved = resolve_columns(columns_of(path), names, required, path, mapping)
    columns = list(resolved.values())
    try:
        if kind == ".parquet":
            frame = read_parquet(path, columns)
        elif kind in (".ndjson", ".jsonl"):
            check_text_file(path, len(columns))
            frame = pl.scan_ndjson(path, infer_schema_length=None).select(columns).collect()
        else:
            frame = read_text(path, columns=columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(path, error) from error
    return plain_columns(frame, resolved, path)


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
