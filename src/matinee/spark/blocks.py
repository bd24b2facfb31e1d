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

from matinee.data.ratings import Ratings
from matinee.spark.pieces import PIECES, Piece, batches_of

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


@dataclass(frozen=True)
class UserOrder:
    """The order of users, that of `Ratings.from_frame`, and where blocks begin in it.

    Attributes:
        numbers: all ids are numbers, and in the order of these.
        starts: int64 or text, the first user of each block but the first.
    """

    numbers: bool
    starts: NDArray[Any]

    @classmethod
    def of(cls, users: list[tuple[str, int]], count: int, *, numbers: bool) -> UserOrder:
        """Blocks of about as many ratings.

        Args:
            users: some users, and how many ratings each stands for.
            count: of blocks, at most.
        """
        ids, weights = [user for user, _ in users], np.array([weight for _, weight in users], dtype=np.int64)
        keys = cls(numbers, np.zeros(0)).keys(pl.Series(ids, dtype=pl.String))
        order = np.argsort(keys, kind="stable")
        ends = np.cumsum(weights[order])
        cuts = np.searchsorted(ends, np.linspace(0, ends[-1] if len(ends) else 0, count + 1)[1:-1])
        return cls(numbers, np.unique(keys[order][cuts]) if len(ids) else keys)

    def keys(self, users: pl.Series) -> NDArray[Any]:
        """What ids are compared by."""
        return users.cast(pl.Int64).to_numpy() if self.numbers else users.to_numpy().astype(object)

    def block_of(self, users: pl.Series) -> NDArray[np.int64]:
        """The block of each user."""
        return np.searchsorted(self.starts, self.keys(users), side="right").astype(np.int64)

    def sorted(self, users: pl.Series) -> pl.Series:
        """Each user once, in order."""
        table = users.unique().to_frame("user_id")
        by = [pl.col("user_id").cast(pl.Int64)] if self.numbers else []
        return table.sort(*by, "user_id")["user_id"]


Rows = Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]


def divide(order: UserOrder) -> Rows:
    """Divides pieces by the blocks of their users (`PIECES`)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in range(batch.num_rows):
                piece = Piece.from_row(batch, row)
                block_of = order.block_of(piece.users)
                for block in np.unique(block_of).tolist():
                    yield from batches_of(pl.DataFrame([piece.select(block_of == block).row(block)]), PIECES)

    return run


def pack(order: UserOrder, n_films: int) -> Rows:
    """Makes one row of all pieces of a block, the newest of repeated ratings kept (`PACKED`)."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pieces: dict[int, list[Piece]] = {}
        for batch in batches:
            for row, block in enumerate(batch.column("block").to_pylist()):
                pieces.setdefault(block, []).append(Piece.from_row(batch, row))
        for block in list(pieces):
            yield from batches_of(pl.DataFrame([_packed(pieces.pop(block), block, order, n_films)]), PACKED)

    return run


def _packed(pieces: list[Piece], block: int, order: UserOrder, n_films: int) -> dict[str, Any]:
    ids = pl.concat([piece.users for piece in pieces])
    users = order.sorted(ids)
    rows = ids.cast(pl.Enum(users)).to_physical().to_numpy().astype(np.int64)
    user = np.repeat(rows, np.concatenate([piece.sizes for piece in pieces]))
    films, stars, times, places = (
        np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("films", "stars", "times", "places")
    )
    pair = user * n_films + films
    repeated = 0
    if not (pair[1:] > pair[:-1]).all():  # tables are often in this order already
        sequence = np.lexsort((places, times, pair))
        pair = pair[sequence]
        newest = sequence[np.append(pair[1:] != pair[:-1], True)]
        repeated = len(sequence) - len(newest)
        user, films, stars, times = user[newest], films[newest], stars[newest], times[newest]
    return {
        "block": block,
        "repeated": repeated,
        "users": "\n".join(users.to_list()).encode(),
        "sizes": np.bincount(user, minlength=len(users)).astype(np.int64).tobytes(),
        "indices": films.tobytes(),
        "ratings": stars.tobytes(),
        "times": times.tobytes(),
    }


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


def on_disk(rows: Any) -> Any:
    """An RDD or a DataFrame that executors keep on their disks.

    In their heaps rows of a million ratings would leave no room for the copies that each pass makes of some.
    """
    from pyspark import StorageLevel

    return rows.persist(StorageLevel.DISK_ONLY)


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
