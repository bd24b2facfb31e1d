"""Ratings in blocks of users, which stay where they are; and sums over all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME, Ratings
from matinee.spark.cleaning import batches_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark import RDD, SparkContext
    from pyspark.sql import DataFrame

BLOCK_RATINGS = 1_000_000
"""Ratings of a block, about."""
PACKED = "block int, repeated long, users binary, sizes binary, indices binary, ratings binary, times binary"


class Block(NamedTuple):
    """Ratings of neighboring users.

    Attributes:
        first: row of the first user.
        indptr: int64, (n_users + 1,).
        indices: int32, movies.
        values: float32, stars.
        times: int64 seconds, `NO_TIME` where unknown; empty where nobody asks for them.
    """

    first: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    times: NDArray[np.int64]

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.indptr) - 1

    def matrix(self, n_items: int, values: NDArray[np.float32] | None = None) -> sp.csr_matrix:
        """Users × movies."""
        data = self.values if values is None else values
        return sp.csr_matrix((data, self.indices, self.indptr), shape=(self.n_users, n_items))


def pack(n_films: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Makes one row of a partition of clean ratings that has its users whole, the newest of repeated ones (`PACKED`).

    Users are in the order of `Ratings.from_frame`.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        frames = [frame for batch in batches if isinstance(frame := pl.from_arrow(batch), pl.DataFrame)]
        if not sum(frame.height for frame in frames):
            return
        frame = pl.concat(frames)
        users = frame.select("user_id", "number").unique().sort("number", "user_id")["user_id"]
        frame = frame.with_columns(user=pl.col("user_id").cast(pl.Enum(users)).to_physical().cast(pl.Int64))
        frame = frame.select("user", "film", "rating", pl.col("timestamp").fill_null(NO_TIME).alias("time"), "place")
        rows = frame.height
        frame = frame.sort("user", "film", "time", "place")
        pair = frame["user"].to_numpy() * n_films + frame["film"].to_numpy()
        newest = np.append(pair[1:] != pair[:-1], True)
        frame = frame.filter(pl.Series(newest))
        sizes = np.bincount(frame["user"].to_numpy(), minlength=len(users)).astype(np.int64)
        context = TaskContext.get()
        assert context is not None
        row = {
            "block": [context.partitionId()],
            "repeated": [rows - frame.height],
            "users": ["\n".join(users.to_list()).encode()],
            "sizes": [sizes.tobytes()],
            "indices": [frame["film"].cast(pl.Int32).to_numpy().tobytes()],
            "ratings": [frame["rating"].cast(pl.Float32).to_numpy().tobytes()],
            "times": [frame["time"].to_numpy().tobytes()],
        }
        yield from batches_of(pl.DataFrame(row), PACKED)

    return run


def unpacked(packed: DataFrame, first_rows: dict[int, int], *, times: bool) -> RDD[Block]:
    """The blocks of a table as `pack` makes it.

    Args:
        first_rows: block → row of its first user.
    """
    columns = ["block", "sizes", "indices", "ratings", *(["times"] if times else [])]

    def block_of(row: Any) -> Block:
        sizes = np.frombuffer(row.sizes, dtype=np.int64)
        return Block(
            first_rows[row.block],
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.frombuffer(row.indices, dtype=np.int32),
            np.frombuffer(row.ratings, dtype=np.float32),
            np.frombuffer(row.times, dtype=np.int64) if times else np.zeros(0, dtype=np.int64),
        )

    return packed.select(*columns).rdd.map(block_of)


def spread(context: SparkContext, ratings: Ratings) -> RDD[Block]:
    """The blocks of ratings that this process has."""
    least = max(len(ratings) // BLOCK_RATINGS, min(context.defaultParallelism, ratings.n_users))
    cuts = np.searchsorted(ratings.indptr, np.linspace(0, len(ratings), max(least, 1) + 1)[1:-1])
    edges = np.unique(np.concatenate([[0], cuts, [ratings.n_users]])).tolist()

    def block_of(start: int, stop: int) -> Block:
        span = slice(int(ratings.indptr[start]), int(ratings.indptr[stop]))
        indptr = (ratings.indptr[start : stop + 1] - ratings.indptr[start]).astype(np.int64)
        parts = (np.array(ratings.indices[span]), np.array(ratings.values[span]), np.array(ratings.times[span]))
        return Block(start, indptr, *parts)

    blocks = [block_of(start, stop) for start, stop in itertools.pairwise(edges)]
    return context.parallelize(blocks, len(blocks))


@dataclass(frozen=True)
class Warm:
    """Brings blocks to the movies that a model learns, numbered in order of their rows.

    Attributes:
        place: int32, (n_items,), −1 for the others.
    """

    place: NDArray[np.int32]

    @classmethod
    def of(cls, rows: NDArray[np.int64], n_items: int) -> Warm:
        """From the rows of the movies."""
        place = np.full(n_items, -1, dtype=np.int32)
        place[rows] = np.arange(len(rows), dtype=np.int32)
        return cls(place)

    def __call__(self, block: Block) -> Block:
        """The block with its other movies left out."""
        indices = self.place[block.indices]
        keep = indices >= 0
        if keep.all():
            return block._replace(indices=indices, times=block.times[:0])
        indptr = np.concatenate([[0], np.cumsum(keep)])[block.indptr].astype(np.int64)
        return Block(block.first, indptr, indices[keep], block.values[keep], block.times[:0])


Sums = tuple[NDArray[Any], ...]


def summed(blocks: RDD[Block], sums_of: Callable[[Block], Sums]) -> Sums:
    """Sums over all blocks of what a function makes of each: arrays of the same shapes.

    Tasks add up what they have before anything is sent.
    """

    def of_task(own: Iterable[Block]) -> Iterator[Sums]:
        total: Sums | None = None
        for block in own:
            total = sums_of(block) if total is None else _added(total, sums_of(block))
        if total is not None:
            yield total

    slots = max(blocks.context.defaultParallelism, 1)
    total: Sums = blocks.coalesce(slots).mapPartitions(of_task).treeReduce(_added)
    return total


def _added(one: Sums, two: Sums) -> Sums:
    for left, right in zip(one, two, strict=True):
        left += right
    return one
