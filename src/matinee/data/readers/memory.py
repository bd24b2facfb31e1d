"""The memory that reading a table may take: told from the file's metadata before any of it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import polars as pl

from matinee.errors import DataError

WORKING_BYTES = 64
"""Memory of a row, besides its cells, while a table is cleaned and made a matrix (measured: 60 to 70)."""
FREE = 32 << 20
"""Bytes that are always allowed, whatever the limit."""
_TEXT_CELL, _NUMBER_CELL = 16, 8
_BLOCK = 1 << 20
_LIMIT: ContextVar[int | None] = ContextVar("memory_limit", default=None)


@contextmanager
def reading_within(limit: int) -> Iterator[None]:
    """Within this, tables that would take more than so many bytes are refused."""
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def current_limit() -> int | None:
    """The limit in bytes that holds here; None: none."""
    return _LIMIT.get()


def check_text_file(path: Path, columns: int) -> None:
    """Raise DataError if a file of lines (CSV, NDJSON) is too large to be read, of which so many columns are.

    Lines are counted only where that may matter, and only up to the limit.
    """
    limit = _LIMIT.get()
    if limit is None:
        return
    size = path.stat().st_size
    of_row = WORKING_BYTES + _TEXT_CELL * columns
    if size + size // 2 * of_row <= max(limit, FREE):  # no line is shorter than two bytes
        return
    most = max(0, limit - size) // of_row
    rows = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            rows += block.count(b"\n")
            if rows > most:
                # About how many there are, by the part that was read.
                rows = round(rows * size / file.tell())
                break
    _check(path, rows, size + rows * of_row, limit)


def read_parquet(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a Parquet file, in parts, as long as they fit.

    Raises:
        DataError: the file is too large; told from its metadata, or, where texts are long, after a part of it.
        PolarsError, OSError: it cannot be read.
    """
    limit = _LIMIT.get()
    table = pl.scan_parquet(path).select(columns)
    if limit is None:
        return table.collect()
    rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    schema = table.collect_schema()
    has_texts = not all(kind.is_numeric() or kind.is_temporal() for kind in schema.dtypes())
    cells = sum(_NUMBER_CELL if kind.is_numeric() or kind.is_temporal() else _TEXT_CELL for kind in schema.dtypes())
    _check(path, rows, rows * (cells + WORKING_BYTES), limit)
    if not has_texts:
        return table.collect()
    parts, size, step = [], 0, max(1000, min(1 << 21, limit // 1024))
    for start in range(0, max(rows, 1), step):
        part = table.slice(start, step).collect()
        size += int(part.estimated_size())
        done = start + len(part)
        _check(path, rows, rows * WORKING_BYTES + (size * rows // done if done else 0), limit)
        parts.append(part)
    return pl.concat(parts)


def _check(path: Path, rows: int, need: int, limit: int) -> None:
    if need > max(limit, FREE):
        raise DataError(
            f"{path} has about {rows:,} rows, which need {need / 2**20:,.0f} MiB to be read; the limit is "
            f"{limit / 2**20:,.0f} MiB.",
            "Raise MATINEE_MEMORY_LIMIT if the machine has the memory, or leave out rows or long texts.",
        )
