"""Reading and cleaning of ratings on Spark: the readers and rules of `matinee.data`, applied to parts of the table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from matinee.data.clean import Counter, Reading, clean_part
from matinee.data.readers import RawData
from matinee.data.readers.remarks import collecting
from matinee.spark.folder import Entry
from matinee.spark.parts import PartReader
from matinee.spark.pieces import PIECES, Piece, batches_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

SURVEY = "kind string, value string, title string, rows long, place long"
_FILE = 44
"""Places of rows in a table: the number of the file from this bit on, below it the offset in the file."""
MOST_VALUES = 100_000
_SAMPLE = 64
"""Users of a part that are told with it, so that users can be divided into blocks of about as many ratings."""


@dataclass
class Tally:
    """What a part's reading and cleaning counted.

    Attributes:
        place: of the part.
        lost: lines of the file that are in no table, by reason.
        notes: of the readers, and of the rules.
        texts: users whose id is no number.
        users: some of the users, those of every so many ratings, and how many ratings each stands for.
    """

    place: int = -1
    rows_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    noticed: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    reader_notes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parts: int = 0
    texts: int = 0
    users: list[tuple[str, int]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what a later part counted."""
        self.rows_in += other.rows_in
        self.parts += other.parts
        self.texts += other.texts
        self.users += other.users
        for name in ("dropped", "changed", "noticed", "lost"):
            own = getattr(self, name)
            for reason, count in getattr(other, name).items():
                own[reason] = own.get(reason, 0) + count
        for name in ("reader_notes", "notes"):
            own = getattr(self, name)
            told = {_without_example(note) for note in own}
            own += [note for note in getattr(other, name) if _without_example(note) not in told]

    @classmethod
    def joined(cls, texts: Iterable[str]) -> Tally:
        """The sum of tallies as JSON, in the order of their places."""
        total = cls()
        for tally in sorted((cls(**json.loads(text)) for text in texts), key=lambda tally: tally.place):
            total.add(tally)
        return total

    def to_json(self) -> str:
        """As text, for a column."""
        return json.dumps(self.__dict__)


def _without_example(note: str) -> str:
    """A note without what differs from part to part: examples and numbers of lines."""
    return without_lines(note.partition(" such as ")[0])


def without_lines(note: str) -> str:
    """A note without numbers of lines, which parts do not know."""
    return re.sub(r": lines? \d.*$", ".", note)


def rows_of(spark: SparkSession, entry: Entry, reader: PartReader, columns: list[str]) -> DataFrame:
    """The table as Spark reads it: lines with their ends, or rows of Parquet; and the place where each split begins.

    Args:
        columns: of Parquet, those that are read.
    """
    from pyspark.sql import functions as f

    many = [f.col("_metadata.file_name").alias("_file")] if entry.url != entry.first else []
    if reader.is_parquet:
        table = spark.read.parquet(entry.url)
        return table.select(
            f.col("_metadata.row_index").alias("_start"), *many, *(f.col(f"`{name}`") for name in columns)
        )
    lines = spark.read.text(entry.url, lineSep="\n")
    content = f.concat(f.col("value").cast("binary"), f.lit(b"\n")).alias("content")
    return lines.select(f.col("_metadata.file_block_start").alias("_start"), *many, content)


@dataclass(frozen=True)
class PartsOf:
    """Reads batches of `rows_of`.

    Attributes:
        files: names of the table's parts, in order; empty for a table of one file.
    """

    reader: PartReader
    files: tuple[str, ...] = ()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, RawData]]:
        """The place of each part, and what was read."""
        done: dict[tuple[int, int], int] = {}
        for batch in batches:
            starts = batch.column("_start").to_numpy(zero_copy_only=False)
            if not len(starts):
                continue
            if self.files:
                number = {name: place for place, name in enumerate(self.files)}
                file = np.array([number[name] for name in batch.column("_file").to_pylist()], dtype=np.int64)
            else:
                file = np.zeros(len(starts), dtype=np.int64)
            cuts = np.flatnonzero(np.diff(file) != 0) + 1
            if not self.reader.is_parquet:
                cuts = np.union1d(cuts, np.flatnonzero(np.diff(starts) != 0) + 1)
            for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(starts)], strict=True):
                span, own = batch.slice(first, last - first), int(file[first])
                if self.reader.is_parquet:
                    yield (own << _FILE) + int(starts[first]), self._rows(span)
                    continue
                # A line has at least one byte: offsets of splits plus numbers of lines keep the order of the file.
                key = (own, int(starts[first]))
                before = done.get(key, 0)
                done[key] = before + last - first
                lines = _bytes_of(span.column("content"))
                is_first = not before and not key[1]
                read = self.reader.read if is_first else self.reader.behind_head
                yield (own << _FILE) + key[1] + before, read(lines)

    def _rows(self, span: pa.RecordBatch) -> RawData:
        import pyarrow as pa

        table = pa.Table.from_batches([span])
        return self.reader.read(
            table.drop_columns([name for name in ("_start", "_file") if name in table.column_names])
        )


def _bytes_of(column: Any) -> memoryview:
    """All values of a column of bytes, one behind the other as they lie in memory."""
    import pyarrow as pa

    wide = pa.types.is_large_binary(column.type)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64 if wide else np.int32)
    first, last = int(offsets[column.offset]), int(offsets[column.offset + len(column)])
    return memoryview(column.buffers()[2])[first:last]


def survey(parts: PartsOf, *, movies: bool) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Counts the values of the column of ratings, and what is lost while reading.

    Args:
        movies: also tell the ids of the movies, with titles where the table has them.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tally = Tally()
        for place, raw in parts(batches):
            tally.add(_read(place, raw, tally))
            if "rating" in raw.ratings.columns:
                counted = raw.ratings["rating"].alias("value").value_counts(name="rows").head(MOST_VALUES + 1)
                yield from batches_of(counted.with_columns(kind=pl.lit("value")), SURVEY)
            if movies:
                table = raw.ratings if raw.movies is None else raw.movies
                table = table.unique("movie_id", keep="first", maintain_order=True).with_row_index("place")
                table = table.select(
                    pl.lit("movie").alias("kind"),
                    pl.col("movie_id").cast(pl.String).alias("value"),
                    (pl.col("title") if "title" in table.columns else pl.lit(None, pl.String)).alias("title"),
                    pl.col("place").cast(pl.Int64) + place,
                )
                yield from batches_of(table, SURVEY)
        yield from batches_of(pl.DataFrame({"kind": ["tally"], "value": [tally.to_json()]}), SURVEY)

    return run


def _read(place: int, raw: RawData, so_far: Tally) -> Tally:
    if so_far.place < 0:
        so_far.place = place
    return Tally(
        place, raw.ratings.height, lost=dict(raw.lost.get("ratings", {})), reader_notes=list(raw.notes), parts=1
    )


def clean(parts: PartsOf, reading: Reading) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Valid rows, repeated ones too, as `PIECES`; behind them a row with the `report` of what was not."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tally = Tally()
        for place, raw in parts(batches):
            part = _read(place, raw, tally)
            counts = Counter(raw.ratings)
            with collecting() as remarks:
                frame = clean_part(raw.ratings, reading, counts)
            part.dropped, part.changed, part.noticed = counts.dropped, counts.changed, counts.noticed
            part.notes = list(remarks.notes)
            if frame.height:
                piece = Piece.of(frame, place)
                part.texts = piece.users.cast(pl.Int64, strict=False).null_count()
                part.users = piece.sample(_SAMPLE)
                yield from batches_of(pl.DataFrame([piece.row()]), PIECES)
            tally.add(part)
        yield from batches_of(pl.DataFrame({"report": [tally.to_json()]}), PIECES)

    return run
