"""Inverted indexes of a catalog's columns, made on first use and forgotten with the catalog."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from matinee.data.packed import LIST_COLUMNS, Coded, Table
from matinee.data.ratings import Ratings
from matinee.engine.catalog_cache import PerCatalog

Mask = NDArray[np.bool_]

_KEPT = 64
"""Results of "contains" that are kept for a catalog."""


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
        counts: ratings per movie, (n_items,).
        means: mean stars per movie, (n_items,), NaN where there are none.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, ratings: Ratings) -> Self:
        """Counts and means of a ratings matrix."""
        counts = ratings.counts
        return cls(counts, np.where(counts > 0, ratings.sums / np.maximum(counts, 1), np.nan))


class TextColumn:
    """A text or list column, inverted: folded value → rows.

    Args:
        values: lists of words; those of a text are itself, or nothing where there is none.
        known: which rows hold a text, (n_items,); None: all, or the column is of lists.
    """

    def __init__(self, values: Coded, known: Mask | None = None) -> None:
        self.n_items = len(values.cuts) - 1
        self.known = known
        there, places = np.unique(values.codes, return_inverse=True)
        self._code: dict[str, int] = {}
        self.spellings: list[str] = []
        """The values as they are written first."""
        code_of = np.zeros(len(there), dtype=np.int32)
        for place, word in enumerate(there.tolist()):
            folded = fold(values.words[word])
            code_of[place] = code = self._code.setdefault(folded, len(self._code))
            if code == len(self.spellings):
                self.spellings.append(values.words[word])
        self.values = list(self._code)
        codes = code_of[places]
        order = np.argsort(codes, kind="stable")
        self._rows = np.repeat(np.arange(self.n_items, dtype=np.int32), np.diff(values.cuts))[order]
        self._codes = codes[order]
        self._starts = np.searchsorted(self._codes, np.arange(len(self.values) + 1))

    @classmethod
    def of(cls, table: Table, name: str) -> Self:
        """Of a column of a table."""
        if name in LIST_COLUMNS:
            return cls(table.coded(name, np.arange(len(table), dtype=np.int64)))
        values = table.column(name)
        known = np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values))
        coded = Coded.of(() if value is None else (value,) for value in values)
        return cls(coded, None if known.all() else known)

    def equal(self, value: str, into: Mask) -> None:
        """Set `into` where a folded value equals."""
        code = self._code.get(value)
        if code is not None:
            into[self._rows[self._starts[code] : self._starts[code + 1]]] = True

    def has(self, value: str) -> bool:
        """Whether some row has a folded value."""
        return value in self._code

    def contains(self, part: str) -> Mask:
        """Where a folded value contains the part; a pass over the distinct values."""
        found = np.fromiter((part in value for value in self.values), dtype=np.bool_, count=len(self.values))
        mask = np.zeros(self.n_items, dtype=np.bool_)
        mask[self._rows[found[self._codes]]] = True
        return mask


class Columns:
    """The indexed columns of one catalog; thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._text: dict[str, TextColumn] = {}
        self._contains: dict[tuple[str, str], Mask] = {}
        self._year: NDArray[np.float64] | None = None

    def text(self, name: str) -> TextColumn:
        """The inverted index of a column."""
        with self._lock:
            if name not in self._text:
                self._text[name] = TextColumn.of(self._table, name)
            return self._text[name]

    def spellings(self, name: str) -> list[str]:
        """The distinct values of a column of lists, as the catalog writes them, in the order of `text(name).values`."""
        return self.text(name).spellings

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
            self._year = np.array(self._table.column("year"), dtype=np.float64)
        return self._year

    def present(self, name: str) -> Mask:
        """Where a column holds something."""
        known = self.text(name).known
        return np.ones(len(self._table), dtype=np.bool_) if known is None else known


columns_of = PerCatalog(lambda catalog: Columns(catalog.table))
"""The indexed columns of a catalog."""
