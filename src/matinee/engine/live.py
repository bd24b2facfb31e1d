"""Spaces while serving: the snapshot's vectors, and over them those of films written since."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.vectors import FilmVectors
from matinee.errors import InvalidInputError, NotFoundError
from matinee.indexes import available_kinds, build_index, load_index
from matinee.indexes.base import VectorIndex
from matinee.models.base import Model
from matinee.models.content import Content
from matinee.snapshots.spaces import Space
from matinee.stores.base import RECORD_SPACES, FilmVector

log = logging.getLogger("matinee.engine")

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

ENCODED = ("text", "poster")
CONTENT = "content"
_BATCH = 256
"""Films whose words are made dense at a time (some 40,000 of them a film)."""


class LiveSpace:
    """One space: an exact index that follows the store, and approximate ones opened at first use, which follow too.

    Searches take the films in service as a mask, so that rows of films removed, or newer than the caller's catalogue,
    never come.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._lock = threading.Lock()
        self._exact: VectorIndex = build_index("exact", space.rows, space.vectors)
        self._others: dict[str, VectorIndex] = {}
        self._kinds = ("exact", *sorted(set(space.stored) & set(available_kinds())))
        self._put: dict[int, Floats | None] = {}
        """Row → vector put since the snapshot, None: taken away."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of index that can be asked: stored, and of a library that is installed here."""
        return self._kinds

    def index(self, kind: str = "exact") -> VectorIndex:
        """The index of a kind.

        Raises:
            InvalidInputError: the snapshot has none of this kind for the space, or its library is not installed.
            IndexFileError: the stored index is damaged or belongs to other vectors.
        """
        if kind == "exact":
            return self._exact
        with self._lock:
            found = self._others.get(kind)
            if found is None:
                if kind not in self.kinds:
                    raise self._absent(kind)
                found = load_index(
                    self.space.stored[kind], items=self.space.rows, vectors=self.space.vectors, kind=kind
                )
                _apply(found, self._put)
                self._others[kind] = found
            return found

    def _absent(self, kind: str) -> InvalidInputError:
        hint = f"Use index={' or '.join(self.kinds)}, or install matinee[ann]"
        if kind in self.space.stored:
            return InvalidInputError(f"The library of {kind} indexes is not installed.", f"{hint}.")
        return InvalidInputError(
            f"This snapshot has no {kind} index of the space {self.space.name!r}.", f"{hint} and train again."
        )

    def change(self, put: Mapping[int, Floats | None]) -> None:
        """Put vectors of rows (None: take them away); found by the next search in every index."""
        if not put:
            return
        with self._lock:
            self._put |= put
            for index in (self._exact, *self._others.values()):
                _apply(index, put)

    def original(self, row: int) -> Floats | None:
        """The snapshot's vector of a film, None where it has none."""
        place = int(np.searchsorted(self.space.rows, row))
        known = place < len(self.space.rows) and int(self.space.rows[place]) == row
        return np.array(self.space.vectors[place]) if known else None

    def vector(self, row: int) -> Floats | None:
        """The unit vector of a film, None where it has none."""
        try:
            found: Floats = self._exact.vectors(np.array([row], dtype=np.int64))[0]
        except NotFoundError:
            return None
        return found

    def nearest(
        self,
        vector: Floats,
        k: int,
        allowed: NDArray[np.bool_],
        kind: str = "exact",
        elsewhere: VectorIndex | None = None,
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Rows and cosines of the k nearest films allowed, best first.

        Args:
            vector: (dim,) in the space.
            allowed: bool by row.
            elsewhere: asked instead of the index here; a service that follows the same snapshot and store.
        """
        if elsewhere is None and not len(self._exact):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        found = (elsewhere or self.index(kind)).search(vector[None, :], k, allowed)
        kept = found.items[0] >= 0
        return found.items[0][kept], found.similarities[0][kept]


def _apply(index: VectorIndex, put: Mapping[int, Floats | None]) -> None:
    gone = np.array([row for row, vector in put.items() if vector is None], dtype=np.int64)
    gone = gone[np.isin(gone, index.items())]
    if len(gone):
        index.delete(gone)
    fresh = {row: vector for row, vector in put.items() if vector is not None}
    if fresh:
        index.add(np.fromiter(fresh, dtype=np.int64), np.vstack(list(fresh.values())))


class LiveSpaces:
    """All spaces of a snapshot, following the store. `change_*` are called by one thread at a time."""

    def __init__(self, spaces: Mapping[str, Space]) -> None:
        self._spaces = {name: LiveSpace(space) for name, space in spaces.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._spaces

    def names(self) -> list[str]:
        """Names of the spaces."""
        return list(self._spaces)

    def get(self, name: str) -> LiveSpace | None:
        """A space by name, or None."""
        return self._spaces.get(name)

    def __getitem__(self, name: str) -> LiveSpace:
        found = self._spaces.get(name)
        if found is None:
            has = ", ".join(self._spaces) or "none"
            hint = "Add posters with `matinee posters add FOLDER`." if name == "poster" else "Train again."
            raise InvalidInputError(f"This snapshot has no space {name!r} (it has: {has}).", hint)
        return found

    def change_encoded(
        self, catalog: Catalog, records: Mapping[int, bool], stored: Sequence[FilmVector]
    ) -> dict[str, dict[int, Floats | None]]:
        """Fold in vectors of the store; returns what changed, by space and row.

        Args:
            catalog: with the films changed.
            records: rows of the films that were put, and whether their record is the snapshot's still (or again);
                if it is not, vectors made of that no longer hold.
            stored: all vectors that the store holds of the films changed.
        """
        changed: dict[str, dict[int, Floats | None]] = {}
        for name in ENCODED:
            live = self._spaces.get(name)
            if live is None:
                continue
            put: dict[int, Floats | None] = {}
            if name in RECORD_SPACES:
                put = {row: live.original(row) if same else None for row, same in records.items()}
            for vector in stored:
                row = catalog.find_any(vector.movie_id)
                if vector.space == name and row is not None:
                    put[row] = _projected(live.space, vector)
            live.change(put)
            changed[name] = put
        return changed

    def known(self, rows: Rows) -> dict[str, FilmVectors]:
        """The vectors that these films have now, by encoded space; what models are told of changed films."""
        found: dict[str, FilmVectors] = {}
        for name in ENCODED:
            live = self._spaces.get(name)
            if live is not None:
                pairs = [(row, vector) for row in sorted(rows.tolist()) if (vector := live.vector(row)) is not None]
                vectors = np.vstack([vector for _, vector in pairs]) if pairs else np.zeros((0, live.space.dim))
                found[name] = FilmVectors(
                    np.array([row for row, _ in pairs], dtype=np.int64), vectors.astype(np.float32, copy=False)
                )
        return found

    def change_content(self, model: Model[Any] | None, rows: Rows) -> None:
        """Vectors of changed films in the space of the content model."""
        live = self._spaces.get(CONTENT)
        if live is None or not isinstance(model, Content) or live.space.projection is None or not len(rows):
            return
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            words = model.vectors[batch].toarray().astype(np.float32, copy=False)
            known = (words != 0).any(axis=1)
            vectors = live.space.projection.apply(words)
            live.change({row: vectors[i] if known[i] else None for i, row in enumerate(batch.tolist())})


def _projected(space: Space, vector: FilmVector) -> Floats | None:
    """A stored raw vector in the space; None for a tombstone, and for one that another encoder made."""
    if not len(vector.values):
        return None
    if vector.encoder != space.encoder or space.projection is None or len(vector.values) != len(space.projection.mean):
        log.warning("The %s vector of film %s is of another encoder; it is left out.", space.name, vector.movie_id)
        return None
    found = space.projection.apply(vector.values[None, :])[0]
    return found if np.any(found) else None
