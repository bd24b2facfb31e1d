"""A data set whose ratings Spark reads: the layout is found on the first lines, the other tables are read as usual."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from matinee.data.catalog import Catalog
from matinee.data.clean import Reading, readable
from matinee.data.dataset import TableReport
from matinee.data.encodings import wide_encoding
from matinee.data.load import FrameOfRatings, RatingsTable
from matinee.data.ratings import Ratings
from matinee.data.readers import RawData, generic, netflix, published, read_source
from matinee.data.readers.archives import packing
from matinee.data.readers.columns import RATINGS_COLUMNS, ColumnMapping, resolve_columns, split_mapping
from matinee.data.readers.remarks import remark
from matinee.data.readers.tables import SUFFIXES, columns_of
from matinee.data.stars import Meaning, Values
from matinee.spark import blocks, cleaning
from matinee.spark.blocks import Block, UserOrder
from matinee.spark.cleaning import PartsOf, Tally, without_lines
from matinee.spark.folder import Entry, Folder
from matinee.spark.parts import PartReader, first_lines
from matinee.spark.pieces import PIECES

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import DataFrame, SparkSession

_HEAD = 1 << 20
_SKELETON = 4096
_SIDE_SUFFIXES = (*SUFFIXES, ".data", ".genre", ".user", "")
"""Suffixes of the files of a data set; others, such as posters, are not fetched."""


@dataclass(frozen=True)
class Source:
    """A data set at an address.

    Attributes:
        raw: its tables as read; of the ratings the first rows where Spark reads them.
        table: all ratings.
    """

    raw: RawData
    table: RatingsTable


def open_source(spark: SparkSession, url: str, work: Path, mapping: ColumnMapping | None = None) -> Source:
    """Find out what is at an address, and read all but the ratings.

    What only a whole file tells (packed files, UTF-16, arrays of JSON, the Netflix Prize) is fetched and read here.

    Args:
        work: a folder for arrays of the size of the data.

    Raises:
        DataError: nothing there, an unknown layout, or a damaged file.
    """
    folder = Folder(spark, url)
    mirror = work / "mirror" / (Path(url.rstrip("/")).name or "data")
    mirror.mkdir(parents=True)
    heads: dict[str, bytes] = {}
    for entry in folder.entries.values():
        if Path(entry.name).suffix.lower() not in _SIDE_SUFFIXES and not _is_packed(entry.name):
            continue
        if Path(entry.name).suffix.lower() == ".parquet":
            _parquet_head(spark, entry, mirror / entry.name)
            continue
        heads[entry.name] = folder.head(entry, _HEAD)
        (mirror / entry.name).write_bytes(_whole_lines(heads[entry.name], entry.bytes))
    place = mirror / next(iter(folder.entries)) if list(folder.entries) == [Path(url).name] else mirror
    found = None if any(packing(path) for path in mirror.iterdir()) else _ratings_file(place)
    rated = None if found is None else folder.entries[found.name]
    if rated is None or not _in_lines(rated.name, heads.get(rated.name, b"")):
        for other in folder.entries.values():
            if (mirror / other.name).exists() and other.bytes > len(heads.get(other.name, b"")):
                folder.fetch(other, mirror)
        raw = read_source(place, mapping)
        return Source(raw, FrameOfRatings(raw.ratings))
    for other in folder.entries.values():
        whole = len(heads.get(other.name, b"")) == other.bytes
        if other is not rated and (mirror / other.name).exists() and not whole:
            folder.fetch(other, mirror)
    raw = read_source(place, mapping)
    reader, columns = _reader(mirror / rated.name, place, mapping)
    if not reader.is_parquet:
        reader = reader.with_head(first_lines(heads[rated.name]))
    table = SparkRatings(spark, rated, reader, columns, work)
    movies = raw.movies
    if "movies" not in raw.files and not reader.others:
        found_movies = table.survey(movies=True)
        movies = found_movies if movies is not None and "title" in found_movies.columns else None
    tally = table.tally
    own = {without_lines(note): note for note in tally.reader_notes}
    notes = [own.pop(without_lines(note), note) for note in raw.notes]
    lost = {**raw.lost, "ratings": tally.lost} if "ratings" in raw.files else raw.lost
    if tally.parts > 1 and tally.lost:
        notes = [without_lines(note) if note.startswith(rated.name) else note for note in notes]
    return Source(replace(raw, movies=movies, notes=(*notes, *own.values()), lost=lost), table)


def _is_packed(name: str) -> bool:
    return name.lower().endswith((".gz", ".bz2", ".xz", ".lzma", ".zst", ".zip", ".tar", ".tgz"))


def _whole_lines(head: bytes, size: int) -> bytes:
    return head if len(head) >= size else head[: head.rfind(b"\n") + 1] or head


def _parquet_head(spark: SparkSession, entry: Entry, path: Path) -> None:
    frame = pl.from_arrow(spark.read.parquet(entry.url).limit(200).toArrow())
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(path)


def _in_lines(name: str, head: bytes) -> bool:
    """Whether a table can be divided at the ends of lines, or is Parquet."""
    if Path(name).suffix.lower() == ".parquet":
        return True
    if wide_encoding(head[:4096]) is not None or b"\n" not in head:
        return False
    return not head.lstrip().startswith((b"[", b"{\n", b"{\r")) or Path(name).suffix.lower() not in (".json",)


def _ratings_file(place: Path) -> Path | None:
    """The file of the ratings of any layout; None where it is no table of lines."""
    if place.is_file():
        return place
    if published.is_100k(place):
        return place / "u.data"
    if published.is_hetrec(place):
        return next(path for name in reversed(published.HETREC) if (path := place / name).is_file())
    if published.is_dat(place):
        names = ("ratings.dat", *(f"ratings{suffix}" for suffix in SUFFIXES))
        return next((path for name in names if (path := place / name).is_file()), None)
    if published.is_recbole(place):
        return min(place.glob("*.inter"))
    return None if netflix.matches(place) else generic.find(place, "ratings")


def _reader(path: Path, place: Path, mapping: ColumnMapping | None) -> tuple[PartReader, list[str]]:
    """How parts of the ratings are read, and the columns of Parquet that are."""
    layouts = (published.is_100k, published.is_hetrec, published.is_dat, published.is_recbole)
    columns = columns_of(path) if path.suffix.lower() in SUFFIXES else []
    if place.is_dir() and any(matches(place) for matches in layouts):
        others = {
            file.name: b"".join(file.read_bytes()[:_SKELETON].splitlines(keepends=True)[:3])
            for file in place.iterdir()
            if file != path and file.suffix.lower() != ".parquet"
        }
        return PartReader(path.name, others), columns
    seen = {"ratings": columns}
    if mapping and place.is_dir():
        seen |= {
            name: columns_of(file) for name in ("movies", "tags") if (file := generic.find(place, name)) is not None
        }
    own = split_mapping(mapping, seen)["ratings"] if mapping else {}
    if path.suffix.lower() == ".parquet":
        resolved = resolve_columns(columns, (*RATINGS_COLUMNS, "title"), RATINGS_COLUMNS[:2], path, own)
        columns = list(resolved.values())
        if "title" not in resolved:  # nothing is found out that the first rows did not tell
            return PartReader(path.name, columns=resolved), columns
    return PartReader(path.name, mapping={f"ratings.{name}": column for name, column in own.items()} or None), columns


class SparkRatings:
    """The ratings of a data set, read and cleaned on Spark (`load.RatingsTable`)."""

    def __init__(self, spark: SparkSession, entry: Entry, reader: PartReader, columns: list[str], work: Path) -> None:
        self._spark, self._reader, self._work = spark, reader, work
        files: tuple[str, ...] = ()
        self._rows = cleaning.rows_of(spark, entry, reader, columns)
        if entry.url != entry.first:
            files = tuple(sorted(Path(str(name)).name for name in self._rows.inputFiles()))
        self._parts = PartsOf(reader, files)
        self._tally: Tally | None = None
        self._counted: pl.DataFrame | None = None
        self._movies: pl.DataFrame | None = None
        self._packed: DataFrame | None = None
        self._sizes: list[Any] = []
        self.ratings: Ratings | None = None

    def survey(self, *, movies: bool = False) -> pl.DataFrame:
        """Read all once, for the distinct values of the ratings and what is lost; `movie_id` and `title` if asked."""
        from pyspark.sql import functions as f

        if self._reader.columns is not None and not movies:
            self._count(self._reader.columns.get("rating"))
            return pl.DataFrame()
        found = self._rows.mapInArrow(cleaning.survey(self._parts, movies=movies), cleaning.SURVEY)  # type: ignore[arg-type, unused-ignore]
        grouped = found.groupBy("kind", "value").agg(
            f.sum("rows").alias("rows"), f.min("place").alias("place"), f.min_by("title", "place").alias("title")
        )
        table = pl.from_arrow(grouped.toArrow())
        assert isinstance(table, pl.DataFrame)
        self._tally = Tally.joined(table.filter(pl.col("kind") == "tally")["value"])
        values = table.filter(pl.col("kind") == "value").sort("rows", "value", descending=True)
        self._counted = values.select("value", "rows") if values.height else None
        ids = table.filter(pl.col("kind") == "movie").sort("place")
        self._movies = ids.select("value", "title").rename({"value": "movie_id"})
        if self._movies["title"].null_count() == self._movies.height:
            self._movies = self._movies.drop("title")
        return self._movies

    def _count(self, column: str | None) -> None:
        """The distinct values of a column of Parquet, which needs no reader of ours: nothing is lost there."""
        from pyspark.sql import functions as f

        self._tally = Tally(parts=1)
        if column is None:
            return
        counted = self._rows.groupBy(f.col(f"`{column}`").alias("value")).agg(f.count("*").alias("rows"))
        table = pl.from_arrow(counted.orderBy(f.desc("rows")).limit(cleaning.MOST_VALUES + 1).toArrow())
        assert isinstance(table, pl.DataFrame)
        table = table.with_columns(pl.col("value").cast(pl.String), pl.col("rows").cast(pl.Int64))
        self._counted = table.sort("rows", "value", descending=True)

    @property
    def tally(self) -> Tally:
        """What reading counted."""
        if self._tally is None:
            self.survey()
        assert self._tally is not None
        return self._tally

    def values(self, words: Mapping[str, float] | None) -> Values | None:
        """See `RatingsTable.values`."""
        assert self.tally is not None
        return None if self._counted is None else Values.counted(self._counted, words)

    def movie_ids(self) -> pl.DataFrame:
        """See `RatingsTable.movie_ids`."""
        if self._movies is None or self._movies.is_empty():
            self.survey(movies=True)
        assert self._movies is not None
        return self._movies.select("movie_id")

    def clean(self, movie_ids: pl.Series, meaning: Meaning, values: Values | None) -> TableReport:
        """See `RatingsTable.clean`."""
        from pyspark.sql import functions as f

        read = readable(values, meaning.scale)
        films = pl.DataFrame([movie_ids.alias("movie_id")]).with_row_index("film")
        reading = Reading(films, meaning.scale, read, meaning.unrated, meaning.counts)
        pieces = self._rows.mapInArrow(cleaning.clean(self._parts, reading), PIECES)  # type: ignore[arg-type, unused-ignore]
        pieces = blocks.on_disk(pieces)  # read once more
        try:
            reports = pieces.filter(f.col("report").isNotNull()).select("report").collect()
            tally = Tally.joined(row.report for row in reports)
            kept = tally.rows_in - sum(tally.dropped.values())
            count = max(kept // blocks.BLOCK_RATINGS, self._spark.sparkContext.defaultParallelism)
            order = UserOrder.of(tally.users, count, numbers=not tally.texts)
            parts = pieces.filter(f.col("report").isNull()).mapInArrow(blocks.divide(order), PIECES)  # type: ignore[arg-type, unused-ignore]
            packed = parts.repartition(count, "block").mapInArrow(blocks.pack(order, len(films)), blocks.PACKED)
            self._packed = blocks.on_disk(packed)
            told = self._packed.select(
                "block",
                "repeated",
                (f.octet_length("sizes") / 8).cast("long").alias("users"),
                (f.octet_length("indices") / 4).cast("long").alias("ratings"),
            )
            self._sizes = sorted(told.collect())
        finally:
            pieces.unpersist()
        changed = {f"rating read from: {what}": n for what, n in (values.what if values and read else {}).items()}
        repeated = sum(row.repeated for row in self._sizes)
        dropped = dict(tally.dropped)
        if repeated:
            seen = meaning.scale[0] == meaning.scale[1]
            dropped["seen again (counted once)" if seen else "rated again later (the latest is kept)"] = repeated
        for note in tally.notes:
            remark(note)
        changed |= tally.changed
        return TableReport(
            rows_in=tally.rows_in, rows_out=kept - repeated, dropped=dropped, changed=changed, noticed=tally.noticed
        )

    def _first_rows(self) -> dict[int, int]:
        starts = np.concatenate([[0], np.cumsum([row.users for row in self._sizes])])
        return {row.block: int(start) for row, start in zip(self._sizes, starts[:-1], strict=True)}

    def blocks(self, *, times: bool = False) -> RDD[Block]:
        """The clean ratings; `clean` was called before."""
        assert self._packed is not None
        return blocks.unpacked(self._packed, self._first_rows(), times=times)

    def matrix(self, catalog: Catalog) -> Ratings:
        """See `RatingsTable.matrix`: in files of the work folder, of which only what is read is in memory."""
        assert self._packed is not None
        users: dict[int, list[str]] = {}
        sizes: dict[int, np.ndarray[Any, Any]] = {-1: np.zeros(0, dtype=np.int64)}
        starts = np.cumsum([0, *(row.ratings for row in self._sizes)]).tolist()
        start_of = {row.block: start for row, start in zip(self._sizes, starts, strict=False)}
        paths = {name: self._work / f"{name}.bin" for name in ("indices", "ratings", "times")}
        kinds = {"indices": np.int32, "ratings": np.float32, "times": np.int64}
        with ExitStack() as stack:
            files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
            for row in self._packed.toLocalIterator():  # in no order
                users[row.block] = bytes(row.users).decode().split("\n")
                sizes[row.block] = np.frombuffer(row.sizes, dtype=np.int64)
                for name, file in files.items():
                    file.seek(start_of[row.block] * np.dtype(kinds[name]).itemsize)
                    file.write(row[name])
        user_ids = list(chain.from_iterable(users[block] for block in sorted(users)))
        indptr = np.concatenate([[0], np.cumsum(np.concatenate([sizes[block] for block in sorted(sizes)]))])
        indptr = indptr.astype(np.int64)
        mapped = {
            name: np.asarray(np.memmap(path, dtype=kinds[name], mode="r"))
            if path.stat().st_size
            else np.zeros(0, kinds[name])
            for name, path in paths.items()
        }
        self.ratings = Ratings(user_ids, indptr, mapped["indices"], mapped["ratings"], mapped["times"], len(catalog))
        return self.ratings
