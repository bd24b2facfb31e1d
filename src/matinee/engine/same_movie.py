"""Which rows of a catalog are one movie: equal ids at other sites, or equal title and year."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.packed import ChangedTable, Table
from matinee.data.titles import split_title
from matinee.engine.catalog_cache import PerCatalog

Keys = NDArray[np.int64]
"""Hashes of what says that rows are one movie, (n, 3): IMDb id, TMDB id, title with year; 0: none."""

_root_keys: WeakKeyDictionary[Table, Keys] = WeakKeyDictionary()
"""Of the tables that changed ones are made of, which stay the same when movies are written."""


class SameMovie:
    """Rows of a catalog by what says that they are one movie."""

    def __init__(self, catalog: Catalog) -> None:
        table = catalog.table
        root, records = (table.root, table.records) if isinstance(table, ChangedTable) else (table, {})
        self._keys: Keys = np.zeros((len(table), 3), dtype=np.int64)
        if root is not None:
            if root not in _root_keys:
                _root_keys[root] = _keys_of(root)
            self._keys[: len(root)] = _root_keys[root]
        for row, record in records.items():
            self._keys[row] = _keys(*(record[name] for name in _COLUMNS))

    def rows(self, row: int) -> list[int]:
        """Rows of the same movie, the given one among them."""
        own = self._keys[row]
        same = ((self._keys == own) & (own != 0)).any(axis=1)
        same[row] = True
        return np.flatnonzero(same).tolist()


same_movie_of = PerCatalog(SameMovie)
"""Which rows of a catalog are one movie."""

_COLUMNS = ("imdb_id", "tmdb_id", "title", "year")


def _keys_of(table: Table) -> Keys:
    columns = (table.column(name) for name in _COLUMNS)
    return np.array([_keys(*values) for values in zip(*columns, strict=True)], dtype=np.int64).reshape(-1, 3)


def _keys(imdb_id: str | None, tmdb_id: str | None, title: str, year: int | None) -> tuple[int, int, int]:
    # Movies written while serving may have the year in the title only.
    title, year = (title, year) if year else split_title(title)
    return (
        hash(imdb_id) if imdb_id else 0,
        hash(tmdb_id) if tmdb_id else 0,
        hash((title.casefold(), year)) if year else 0,
    )
