"""Ratings divided into pieces and packed into blocks of users are those of one table; these tests need no Spark."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from matinee.data.ratings import NO_TIME
from matinee.spark.blocks import UserOrder, divide, pack
from matinee.spark.pieces import PIECES, Piece, batches_of

pa = pytest.importorskip("pyarrow")

FILMS = 40


def table(ids: list[str], seed: int) -> pl.DataFrame:
    """Ratings in no order, some of them repeated, some without a time."""
    random = np.random.default_rng(seed)
    n = 3000
    times = [None if time == 0 else time for time in random.integers(0, 5, n).tolist()]
    return pl.DataFrame(
        {
            "user_id": [ids[place] for place in (random.random(n) ** 2 * len(ids)).astype(int)],
            "film": random.integers(0, FILMS, n).astype(np.uint32),
            "rating": random.integers(1, 11, n).astype(np.float32) / 2,
            "timestamp": pl.Series(times, dtype=pl.Int64),
        }
    )


@pytest.mark.parametrize(
    "ids", [[str(number) for number in range(90)], ["007", "7", "10", *map(str, range(20, 90))], ["é", "Z", "a1", "10"]]
)
def test_pieces_become_blocks_of_whole_users_in_order(ids: list[str]) -> None:
    frame = table(ids, 1)
    numbers = all(user.isdecimal() for user in ids)
    pieces = [Piece.of(part, place * 700) for place, part in enumerate(frame.iter_slices(700))]
    order = UserOrder.of([told for piece in pieces for told in piece.sample(16)], 5, numbers=numbers)
    parts = divide(order)(batch for piece in pieces for batch in batches_of(pl.DataFrame([piece.row()]), PIECES))
    packed = pa.Table.from_batches(list(pack(order, FILMS)(shuffled(parts)))).sort_by("block").to_pylist()

    expected = (
        frame.with_row_index("place")
        .with_columns(time=pl.col("timestamp").fill_null(NO_TIME))
        .sort("user_id", "film", "time", "place")
        .unique(["user_id", "film"], keep="last", maintain_order=True)
    )
    users = [user for row in packed for user in row["users"].decode().split("\n")]
    by_number = (lambda user: (int(user), user)) if numbers else (lambda user: (0, user))
    assert users == sorted(set(ids), key=by_number)
    sizes = np.concatenate([np.frombuffer(row["sizes"], np.int64) for row in packed])
    found = pl.DataFrame(
        {
            "user_id": np.repeat(np.array(users, dtype=object), sizes).tolist(),
            "film": np.concatenate([np.frombuffer(row["indices"], np.int32) for row in packed]),
            "rating": np.concatenate([np.frombuffer(row["ratings"], np.float32) for row in packed]),
            "time": np.concatenate([np.frombuffer(row["times"], np.int64) for row in packed]),
        }
    )
    assert found.sort("user_id", "film").rows() == expected.select(found.columns).rows()
    assert found.height + sum(row["repeated"] for row in packed) == frame.height
    assert len(packed) > 1


def shuffled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All batches, the last first."""
    return iter(list(batches)[::-1])


def test_blocks_have_about_as_many_ratings() -> None:
    told = [(str(user), 1 + user % 3) for user in range(1000)]
    order = UserOrder.of(told, 8, numbers=True)
    block_of = order.block_of(pl.Series([user for user, _ in told]))
    sizes = np.bincount(block_of, weights=[weight for _, weight in told])
    assert len(sizes) == 8
    assert sizes.max() < 1.1 * sizes.min()


def test_users_without_any_ratings_make_one_block() -> None:
    order = UserOrder.of([], 4, numbers=True)
    assert order.block_of(pl.Series(["3", "4"])).tolist() == [0, 0]
