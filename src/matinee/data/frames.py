"""The catalog as a data frame, for cleaning, joining, training and data scientists; serving does without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.packed import COLUMNS, LIST_COLUMNS, Coded, Table
from matinee.errors import DataError

_TYPES = {"text": pl.String(), "year": pl.Int32(), "list": pl.List(pl.String())}

SCHEMA: dict[str, pl.DataType] = {name: _TYPES[kind] for name, kind in COLUMNS.items()}
"""Types of the catalog's columns (`matinee.data.packed.COLUMNS`)."""


class FrameTable:
    """A table of movies over a data frame.

    Raises:
        DataError: columns missing, null or duplicate ids.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        missing = [name for name in ("movie_id", "title") if name not in frame.columns]
        if missing:
            raise DataError(f"The film table has no column {' or '.join(missing)}.")
        columns: list[pl.Expr] = []
        for name, kind in SCHEMA.items():
            column = pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
            if name in LIST_COLUMNS and (name not in frame.columns or frame[name].null_count()):
                column = column.fill_null(pl.lit([], dtype=kind))
            columns.append(column)
        self.frame = frame.select(columns)
        if self.frame["movie_id"].null_count() or self.frame["title"].null_count():
            raise DataError("The film table has rows without movie_id or title.")
        if self.frame["movie_id"].n_unique() != self.frame.height:
            raise DataError("The film table has a duplicate movie_id.")

    def __len__(self) -> int:
        return self.frame.height

    def column(self, name: str) -> list[Any]:
        """A column as a new list."""
        return self.frame[name].to_list()

    def part(self, name: str, start: int, stop: int) -> list[Any]:
        """A column of some movies."""
        return self.frame[name].slice(start, stop - start).to_list()

    def some(self, name: str, rows: Sequence[int]) -> list[Any]:
        """A column of some movies."""
        return self.frame[name].gather(list(rows)).to_list()

    def row(self, row: int) -> dict[str, Any]:
        """One movie by column."""
        return self.frame.row(row, named=True)

    def filled(self, name: str) -> NDArray[np.bool_]:
        """Which movies have something in a column of texts, (n,)."""
        filled: NDArray[np.bool_] = (self.frame[name].str.len_bytes() > 0).fill_null(False).to_numpy()
        return filled

    def coded(self, name: str, rows: NDArray[np.int64]) -> Coded:
        """The lists of some movies."""
        return Coded.of(self.frame[name].gather(rows).to_list())


def frame_of(table: Table) -> pl.DataFrame:
    """Any table as a data frame."""
    if isinstance(table, FrameTable):
        return table.frame
    return pl.DataFrame({name: table.column(name) for name in SCHEMA}, schema=SCHEMA)
