"""Clean ratings of a part of a table as one row of packed arrays: Spark moves few large values, not many small ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.ratings import NO_TIME

if TYPE_CHECKING:
    import pyarrow as pa

_ARRAYS = {"sizes": np.int64, "films": np.int32, "stars": np.float32, "times": np.int64, "places": np.int64}
PIECES = f"block int, users binary, {', '.join(f'{name} binary' for name in _ARRAYS)}, report string"


@dataclass(frozen=True)
class Piece:
    """Ratings, user by user.

    Attributes:
        users: ids, each once.
        sizes: ratings of each, int64.
        films: int32, rows of the catalog.
        stars: float32.
        times: int64 seconds, `NO_TIME` where unknown.
        places: int64, in the table.
    """

    users: pl.Series
    sizes: NDArray[np.int64]
    films: NDArray[np.int32]
    stars: NDArray[np.float32]
    times: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pl.DataFrame, place: int) -> Piece:
        """From the rows that `clean_part` leaves of a part.

        Args:
            place: of its first row; those behind keep their order.
        """
        users = frame.select(pl.col("user_id").cast(pl.String).unique(maintain_order=True)).to_series()
        codes = frame["user_id"].cast(pl.String).cast(pl.Enum(users)).to_physical().to_numpy().astype(np.int64)
        order = np.arange(len(codes)) if (codes[1:] >= codes[:-1]).all() else np.argsort(codes, kind="stable")
        return cls(
            users,
            np.bincount(codes, minlength=len(users)).astype(np.int64),
            frame["film"].cast(pl.Int32).to_numpy()[order],
            frame["rating"].cast(pl.Float32).to_numpy()[order],
            frame["timestamp"].fill_null(NO_TIME).to_numpy()[order],
            order + place,
        )

    def row(self, block: int | None = None) -> dict[str, Any]:
        """As a row of `PIECES`."""
        packed = {name: getattr(self, name).tobytes() for name in _ARRAYS}
        return {"block": block, "users": "\n".join(self.users.to_list()).encode(), **packed}

    @classmethod
    def from_row(cls, batch: pa.RecordBatch, row: int) -> Piece:
        """What `row` made."""
        values = {name: batch.column(name)[row].as_buffer() for name in ("users", *_ARRAYS)}
        users = pl.Series("user_id", values.pop("users").to_pybytes().decode().split("\n"), dtype=pl.String)
        return cls(users, **{name: np.frombuffer(values[name], dtype=kind) for name, kind in _ARRAYS.items()})

    def select(self, keep: NDArray[np.bool_]) -> Piece:
        """Some of the users."""
        rows = np.repeat(keep, self.sizes)
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS if name != "sizes"}
        return Piece(self.users.filter(pl.Series(keep)), self.sizes[keep], **arrays)

    def sample(self, n: int) -> list[tuple[str, int]]:
        """The users of n ratings that lie evenly, and the number of ratings that each stands for."""
        n = min(n, len(self.films))
        ends = np.cumsum(self.sizes)
        found = np.searchsorted(ends, (np.arange(n) + 0.5) * len(self.films) / n, side="right")
        return [(user, -(-len(self.films) // n)) for user in self.users.gather(found).to_list()]


_TYPES = {"string": pl.String, "long": pl.Int64, "int": pl.Int32, "float": pl.Float32, "binary": pl.Binary}


def batches_of(frame: pl.DataFrame, schema: str) -> Iterator[pa.RecordBatch]:
    """A frame as Spark wants it: the columns of a schema, null where there is none."""
    import pyarrow as pa

    names = [part.split(" ") for part in schema.split(", ")]
    columns = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(_TYPES[kind]).alias(name) for name, kind in names
    ]
    table = frame.select(columns).to_arrow()
    plain = [
        pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind
        for kind in table.schema.types
    ]
    plain = [pa.binary() if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) else kind for kind in plain]
    yield from table.cast(pa.schema(list(zip(table.column_names, plain, strict=True)))).to_batches()
