"""What a movie is at a glance: genres, countries, languages and decade, as shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.models.sparse import entries, weighted_sum

KINDS = ("genres", "countries", "languages", "decade")
WEIGHTS = np.array([1.0, 1.0, 0.5, 0.5])
"""How much each kind counts: languages say the countries over again, and most people like movies of all decades."""


@dataclass(frozen=True)
class Traits:
    """Movies × traits; a movie's traits of one kind share 1 equally, and a kind that its data lack has none.

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
        """Of every movie of a catalog."""
        rows, kinds, words, shares = _entries(catalog, np.arange(len(catalog)))
        names = sorted(set(zip(kinds.tolist(), words, strict=True)))
        return cls._made(names, len(catalog), rows, _numbers(names, kinds, words), shares)

    def with_catalog(self, catalog: Catalog, rows: NDArray[np.int64]) -> Self:
        """Over a grown catalog.

        Args:
            rows: of the movies that were added or edited.
        """
        entry_rows, kinds, words, shares = _entries(catalog, rows)
        names = list(self.names)
        names += sorted(set(zip(kinds.tolist(), words, strict=True)) - set(names))
        old = self.matrix.tocoo()
        unchanged = ~np.isin(old.row, rows)
        return self._made(
            names,
            len(catalog),
            np.concatenate([old.row[unchanged], entry_rows]),
            np.concatenate([old.col[unchanged], _numbers(names, kinds, words)]),
            np.concatenate([old.data[unchanged], shares]),
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
        """Every trait of some movies: place in `rows`, trait, share, one entry each."""
        return entries(self.matrix, rows)

    def total(self, rows: NDArray[np.int64], weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Sum of the traits of some movies, float64 (n_traits,); `weights` has one entry a movie."""
        return weighted_sum(self.matrix, rows, weights)

    def movies(self, trait: int) -> NDArray[np.integer[Any]]:
        """Rows of the movies that have a trait, increasing."""
        start, end = self.by_trait.indptr[trait : trait + 2]
        result: NDArray[np.integer[Any]] = self.by_trait.indices[start:end]
        return result


def _numbers(names: list[tuple[int, str]], kinds: NDArray[np.int64], words: list[str]) -> NDArray[np.int64]:
    number = {name: position for position, name in enumerate(names)}
    pairs = zip(kinds.tolist(), words, strict=True)
    return np.fromiter((number[pair] for pair in pairs), dtype=np.int64, count=len(words))


def _entries(
    catalog: Catalog, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str], NDArray[np.float32]]:
    """Row, kind, word and share of every trait of some movies."""
    chosen = rows.tolist()
    entry_rows: list[int] = []
    words: list[str] = []
    shares: list[float] = []
    ends = [0]
    lower: dict[str, str] = {}
    for name in KINDS[:-1]:
        values = catalog.column(name)
        for row in chosen:
            if own := values[row]:
                try:
                    own = dict.fromkeys([lower[word] for word in own])
                except KeyError:
                    own = dict.fromkeys([lower.setdefault(word, word.lower()) for word in own])
                words += own
                entry_rows += [row] * len(own)
                shares += [1.0 / len(own)] * len(own)
        ends.append(len(words))
    years = catalog.column("year")
    dated = [row for row in chosen if years[row] is not None]
    entry_rows += dated
    words += [f"{years[row] // 10 * 10}s" for row in dated]
    shares += [1.0] * len(dated)
    ends.append(len(words))
    return (
        np.array(entry_rows, dtype=np.int64),
        np.repeat(np.arange(len(KINDS)), np.diff(ends)),
        words,
        np.array(shares, dtype=np.float32),
    )
