"""What a film is at a glance: genres, countries, languages and decade, as shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.models.sparse import entries, weighted_sum

KINDS = ("genres", "countries", "languages", "decade")
WEIGHTS = np.array([1.0, 1.0, 0.5, 0.5])
"""How much each kind counts: languages say the countries over again, and most people like films of all decades."""


@dataclass(frozen=True)
class Traits:
    """Films × traits; a film's traits of one kind share 1 equally, and a kind that its data lack has none.

    Attributes:
        names: kind (a place in `KINDS`) and word of each trait; words are lower case.
        kinds: kind of each trait, int64 (n_traits,).
        matrix: float32 (n_items, n_traits).
        by_trait: the same, column by column.
    """

    names: tuple[tuple[int, str], ...]
    kinds: NDArray[np.int64]
    matrix: sp.csr_matrix
    by_trait: sp.csc_matrix

    @classmethod
    def of(cls, catalog: Catalog) -> Self:
        """Of every film of a catalogue."""
        rows, kinds, words, shares = _entries(catalog, np.arange(len(catalog)))
        names = sorted(set(zip(kinds.tolist(), words, strict=True)))
        return cls._made(names, len(catalog), rows, _numbers(names, kinds, words), shares)

    def with_catalog(self, catalog: Catalog, rows: NDArray[np.int64]) -> Self:
        """Over a grown catalogue.

        Args:
            rows: of the films that were added or edited.
        """
        put, kinds, words, shares = _entries(catalog, rows)
        names = list(self.names)
        names += sorted(set(zip(kinds.tolist(), words, strict=True)) - set(names))
        old = self.matrix.tocoo()
        kept = ~np.isin(old.row, rows)
        return self._made(
            names,
            len(catalog),
            np.concatenate([old.row[kept], put]),
            np.concatenate([old.col[kept], _numbers(names, kinds, words)]),
            np.concatenate([old.data[kept], shares]),
        )

    @classmethod
    def _made(
        cls,
        names: list[tuple[int, str]],
        n_items: int,
        rows: NDArray[np.integer[Any]],
        traits: NDArray[np.integer[Any]],
        shares: NDArray[np.float32],
    ) -> Self:
        matrix = sp.csr_matrix((shares, (rows, traits)), shape=(n_items, len(names)), dtype=np.float32)
        matrix.sort_indices()
        return cls(tuple(names), np.array([kind for kind, _ in names], dtype=np.int64), matrix, matrix.tocsc())

    def entries(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Every trait of some films: place in `rows`, trait, share, one entry each."""
        return entries(self.matrix, rows)

    def total(self, rows: NDArray[np.int64], weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Sum of the traits of some films, float64 (n_traits,); `weights` has one entry a film."""
        return weighted_sum(self.matrix, rows, weights)

    def films(self, trait: int) -> NDArray[np.integer[Any]]:
        """Rows of the films that have a trait, increasing."""
        start, end = self.by_trait.indptr[trait : trait + 2]
        found: NDArray[np.integer[Any]] = self.by_trait.indices[start:end]
        return found


def _numbers(names: list[tuple[int, str]], kinds: NDArray[np.int64], words: list[str]) -> NDArray[np.int64]:
    number = {name: place for place, name in enumerate(names)}
    pairs = zip(kinds.tolist(), words, strict=True)
    return np.fromiter((number[pair] for pair in pairs), dtype=np.int64, count=len(words))


def _entries(
    catalog: Catalog, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str], NDArray[np.float32]]:
    """Row, kind, word and share of every trait of some films."""
    frame = catalog.frame if len(rows) == len(catalog) else catalog.frame[rows]
    decade = pl.format("{}s", pl.col("year") // 10 * 10).alias("decade")
    frame = frame.select(*KINDS[:3], decade).with_columns(row=pl.Series(rows, dtype=pl.Int64))
    parts = []
    for kind, name in enumerate(KINDS):
        column = frame.select("row", word=pl.col(name))
        column = column.explode("word") if name != "decade" else column
        column = column.drop_nulls("word").with_columns(pl.col("word").str.to_lowercase())
        column = column.unique(maintain_order=True)
        share = (1.0 / pl.len().over("row")).cast(pl.Float32)
        parts.append(column.with_columns(share=share, kind=pl.lit(kind, dtype=pl.Int64)))
    found = pl.concat(parts)
    return (
        found["row"].to_numpy(),
        found["kind"].to_numpy(),
        found["word"].to_list(),
        found["share"].to_numpy(),
    )
