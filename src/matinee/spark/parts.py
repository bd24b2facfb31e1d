"""A part of a table of ratings, read as the whole would be: by the same readers, behind the file's first lines."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from matinee.data.readers import RawData, read_source
from matinee.data.readers.tables import plain_columns

if TYPE_CHECKING:
    import pyarrow as pa

HEAD_LINES = 50
"""Lines that stand before each part, so that separator, columns and their order are found as in the whole file."""


@dataclass(frozen=True)
class PartReader:
    """Reads parts of a table of ratings.

    A part is written to a file of the table's name, beside the first lines of the layout's other files, and read as a
    data set. The rows of the lines that were put before it are dropped.

    Attributes:
        name: of the table: "ratings.csv".
        others: the first lines of the other files that tell the layout, by name; none for plain tables.
        head: the table's first lines, whole ones; empty for Parquet.
        head_rows, head_lost: rows that these become, and what is dropped of them.
        mapping: of columns.
        columns: canonical name → column of a Parquet table that is read without writing a file; None: by a file.
    """

    name: str
    others: Mapping[str, bytes] = field(default_factory=dict)
    head: bytes = b""
    head_rows: int = 0
    head_lost: Mapping[str, int] = field(default_factory=dict)
    mapping: Mapping[str, str | Sequence[str]] | None = None
    columns: Mapping[str, str] | None = None

    @property
    def is_parquet(self) -> bool:
        """Whether the table is Parquet, else lines of text."""
        return Path(self.name).suffix.lower() == ".parquet"

    def read(self, content: bytes | memoryview | pa.Table) -> RawData:
        """Read lines or rows as they are."""
        if self.columns is not None:
            table = pl.from_arrow(content)
            assert isinstance(table, pl.DataFrame)
            return RawData(plain_columns(table, self.columns, self.name))
        with tempfile.TemporaryDirectory(prefix="matinee-") as temporary:
            folder = Path(temporary)
            for name, lines in self.others.items():
                (folder / name).write_bytes(lines)
            path = folder / self.name
            if self.is_parquet:
                frame = pl.from_arrow(content)
                assert isinstance(frame, pl.DataFrame)
                frame.write_parquet(path, compression="uncompressed", statistics=False)
            else:
                path.write_bytes(content)
            return read_source(folder if self.others else path, self.mapping)

    def behind_head(self, content: bytes | memoryview) -> RawData:
        """Read lines from within the file, which must not be the first ones."""
        raw = self.read(self.head + bytes(content))
        lost = dict(raw.lost.get("ratings", {}))
        for reason, count in self.head_lost.items():
            lost[reason] = lost.get(reason, 0) - count
        own = {reason: count for reason, count in lost.items() if count > 0}
        return replace(raw, ratings=raw.ratings.slice(self.head_rows), lost={"ratings": own})

    def with_head(self, head: bytes) -> PartReader:
        """The same with lines that are put before parts."""
        raw = replace(self, head=b"").read(head)
        return replace(self, head=head, head_rows=raw.ratings.height, head_lost=raw.lost.get("ratings", {}))


def first_lines(content: bytes) -> bytes:
    """The lines of a file's beginning that are put before its parts, whole ones."""
    end = -1
    for _ in range(HEAD_LINES):
        following = content.find(b"\n", end + 1)
        if following < 0:
            break
        end = following
    return content[: end + 1]
