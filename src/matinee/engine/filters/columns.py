"""Inverted indexes of a catalogue's columns, made on first use and forgotten with the catalogue."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.data.ratings import Ratings
from matinee.engine.catalog_cache import PerCatalog

Mask = NDArray[np.bool_]

_KEPT = 64
"""Results of "contains" that are kept for a catalogue."""


def fold(text: str) -> str:
    """Text as it is compared: no case, no accents, single spaces ("  Amélie " → "amelie")."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFKC", plain.casefold()).split())


@dataclass(frozen=True, eq=False)
class FilterStats:
    """What the fields `ratings` and `mean` read.

    Attributes:
        counts: ratings per film, (n_items,).
        means: mean stars per film, (n_items,), NaN where there are none.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Counts and means of a ratings matrix."""
        counts = ratings.counts
        return cls(counts, np.where(counts > 0, ratings.sums / np.maximum(counts, 1), np.nan))


class TextColumn:
    """A text or list column, inverted: folded value → rows."""

    def __init__(self, column: pl.Series) -> None:
        table = pl.DataFrame({"row": np.arange(len(column), dtype=np.int64), "value": column})
        if isinstance(column.dtype, pl.List):
            self.known: Mask | None = None
            table = table.explode("value").drop_nulls()
        else:
            self.known = column.is_not_null().to_numpy() if column.null_count() else None
            table = table.drop_nulls()
        distinct = table["value"].unique(maintain_order=True)
        folded = [fold(value) for value in distinct.to_list()]
        self.values = list(dict.fromkeys(folded))
        self._code = {value: code for code, value in enumerate(self.values)}
        lookup = pl.DataFrame({"value": distinct, "code": pl.Series([self._code[v] for v in folded], dtype=pl.Int64)})
        codes = table.join(lookup, on="value", how="left", maintain_order="left")["code"].to_numpy()
        order = np.argsort(codes, kind="stable")
        self._codes, self._rows = codes[order], table["row"].to_numpy()[order]
        self._starts = np.searchsorted(self._codes, np.arange(len(self.values) + 1))
        self.n_items = len(column)

    def equal(self, value: str, into: Mask) -> None:
        """Set `into` where a folded value equals."""
        code = self._code.get(value)
        if code is not None:
            into[self._rows[self._starts[code] : self._starts[code + 1]]] = True

    def contains(self, part: str) -> Mask:
        """Where a folded value contains the part; a pass over the distinct values."""
        found = np.fromiter((part in value for value in self.values), dtype=np.bool_, count=len(self.values))
        mask = np.zeros(self.n_items, dtype=np.bool_)
        mask[self._rows[found[self._codes]]] = True
        return mask


class Columns:
    """The indexed columns of one catalogue; thread-safe."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._lock = threading.Lock()
        self._text: dict[str, TextColumn] = {}
        self._contains: dict[tuple[str, str], Mask] = {}
        self._year: NDArray[np.float64] | None = None

    def text(self, name: str) -> TextColumn:
        """The inverted index of a column."""
        with self._lock:
            if name not in self._text:
                self._text[name] = TextColumn(self._frame[name])
            return self._text[name]

    def contains(self, name: str, part: str) -> Mask:
        """Where a column contains folded text; read-only, kept for the next time."""
        mask = self._contains.get((name, part))
        if mask is None:
            mask = self.text(name).contains(part)
            mask.setflags(write=False)
            with self._lock:
                while len(self._contains) >= _KEPT:
                    del self._contains[next(iter(self._contains))]
                self._contains[(name, part)] = mask
        return mask

    def year(self) -> NDArray[np.float64]:
        """Years, NaN where unknown."""
        if self._year is None:
            self._year = self._frame["year"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        return self._year

    def present(self, name: str) -> Mask:
        """Where a column holds something."""
        known = self.text(name).known
        return np.ones(self._frame.height, dtype=np.bool_) if known is None else known


columns_of = PerCatalog(lambda catalog: Columns(catalog.frame))
"""The indexed columns of a catalogue."""
