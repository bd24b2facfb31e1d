"""Spaces while serving: the snapshot's vectors, and over them those of movies written since."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.data.catalog import Catalog
from matinee.data.vectors import MovieVectors
from matinee.engine.content_places import ContentPlaces
from matinee.errors import InvalidInputError, NotFoundError
from matinee.indexes import ExactIndex, available_kinds, load_index
from matinee.indexes.base import VectorIndex
from matinee.indexes.filter_cache import FilterCache
from matinee.indexes.recall_check import Probes, proven
from matinee.indexes.updatable import UpdatableIndex
from matinee.models.base import Model
from matinee.snapshots.spaces import Space, lifted
from matinee.spaces.blend_space import blended
from matinee.spaces.content_space import ContentSpace
from matinee.stores.base import RECORD_SPACES, MovieVector

log = logging.getLogger("matinee.engine")

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

NONE: Rows = np.zeros(0, dtype=np.int64)

ENCODED = ("text", "poster")
CONTENT, TASTE, BLEND = "content", "taste", "blend"


class UpdatableSpace:
    """One space: an exact index that follows the store, and approximate ones opened at first use, which follow too.

    An approximate index must prove itself when it is opened (`indexes.proof`); the exact one stands in for one that
    fails.

    Searches take the movies in service as a mask, so that rows of movies removed, or newer than the caller's catalog,
    never come.

    Args:
        filters: see `UpdatableIndex`; shared by the indexes of the space.
    """

    def __init__(self, space: Space, filters: FilterCache | None = None) -> None:
        self.space = space
        self._filters = FilterCache() if filters is None else filters
        self._lock = threading.Lock()
        # A snapshot's vectors are of length 1, and sealed: checking them would read them all.
        vectors = np.ascontiguousarray(space.vectors)
        self._exact = UpdatableIndex(ExactIndex.trusted(space.rows, vectors), filters=self._filters)
        self._probes: Probes | None = None
        self._others: dict[str, VectorIndex] = {}
        self._kinds = ("exact", *sorted(set(space.stored) & set(available_kinds())))
        self._put: dict[int, Floats | None] = {}
        """Row → vector written since the snapshot, None: removed."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of index that can be asked: stored, and of a library that is installed here."""
        return self._kinds

    def index(self, kind: str = "exact") -> VectorIndex:
        """The index of a kind, or the exact one where that of the snapshot misses movies; see its `kind`.

        Raises:
            InvalidInputError: the snapshot has none of this kind for the space, or its library is not installed.
            IndexFileError: the stored index is damaged or belongs to other vectors.
        """
        if kind == "exact":
            return self._exact
        with self._lock:
            index = self._others.get(kind)
            if index is None:
                if kind not in self.kinds:
                    raise self._absent(kind)
                index = self._others[kind] = self._open(kind)
            return index

    def _open(self, kind: str) -> VectorIndex:
        space = self.space
        loaded = load_index(
            space.stored[kind], items=space.rows, vectors=space.vectors, kind=kind, filters=self._filters
        )
        index = None
        if not loaded.given_up:
            if self._probes is None:
                self._probes = Probes.of(space.vectors, space.asked)
            index = proven(loaded, self._probes)
        if index is None:
            log.warning("The %s index of the space %r misses films; exact search stands in for it.", kind, space.name)
            return self._exact
        _apply(index, self._put)
        return index

    def _absent(self, kind: str) -> InvalidInputError:
        hint = f"Use index={' or '.join(self.kinds)}, or install matinee[ann]"
        if kind in self.space.stored:
            return InvalidInputError(f"The library of {kind} indexes is not installed.", f"{hint}.")
        return InvalidInputError(
            f"This snapshot has no {kind} index of the space {self.space.name!r}.", f"{hint} and train again."
        )

    def change(self, put: Mapping[int, Floats | None]) -> None:
        """Replace vectors of rows (None: remove them); every index sees that at its next search."""
        if not put:
            return
        with self._lock:
            self._put |= put
            for index in {id(index): index for index in (self._exact, *self._others.values())}.values():
                _apply(index, put)

    def original(self, row: int) -> Floats | None:
        """The snapshot's vector of a movie, None where it has none."""
        i = int(np.searchsorted(self.space.rows, row))
        known = i < len(self.space.rows) and int(self.space.rows[i]) == row
        return np.array(self.space.vectors[i]) if known else None

    def vector(self, row: int) -> Floats | None:
        """The unit vector of a movie, None where it has none."""
        try:
            vector: Floats = self._exact.vectors(np.array([row], dtype=np.int64))[0]
        except NotFoundError:
            return None
        return vector

    def like(
        self,
        row: int,
        k: int,
        allowed: NDArray[np.bool_],
        kind: str = "exact",
        left_out: Rows = NONE,
    ) -> tuple[Rows, NDArray[np.float32], str] | None:
        """Rows and cosines of the k movies allowed that are most like one, best first, and the kind of index used.

        None where the movie has no vector.

        Args:
            left_out: distinct rows that may not come. So `allowed` can be the same object for all movies.

        Raises:
            InvalidInputError, IndexFileError: as `index`.
        """
        index = self.index(kind)  # raises for a missing one even where the movie has no vector
        vector = self.vector(row)
        if vector is None:
            return None
        rows, cosines = self.nearest(self.space.asked(vector[None, :])[0], k + len(left_out), allowed, kind)
        others = np.flatnonzero(~np.isin(rows, left_out))[:k]
        return rows[others], cosines[others], index.kind

    def nearest(
        self,
        vector: Floats,
        k: int,
        allowed: NDArray[np.bool_],
        kind: str = "exact",
        elsewhere: VectorIndex | None = None,
    ) -> tuple[Rows, NDArray[np.float32]]:
        """Rows and cosines of the k nearest movies allowed, best first.

        Args:
            vector: (dim,) in the space, as it is asked (`Space.asked`).
            allowed: bool by row.
            elsewhere: asked instead of the index here; a service that follows the same snapshot and store.
        """
        if elsewhere is None and not len(self._exact):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        with stage("retrieve"):
            result = (elsewhere or self.index(kind)).search(vector[None, :], k, allowed)
        valid = result.items[0] >= 0
        return result.items[0][valid], result.similarities[0][valid]


def _apply(index: VectorIndex, put: Mapping[int, Floats | None]) -> None:
    gone = np.array([row for row, vector in put.items() if vector is None], dtype=np.int64)
    gone = gone[np.isin(gone, index.items())]
    if len(gone):
        index.delete(gone)
    fresh = {row: vector for row, vector in put.items() if vector is not None}
    if fresh:
        index.add(np.fromiter(fresh, dtype=np.int64), np.vstack(list(fresh.values())))


class UpdatableSpaces:
    """All spaces of a snapshot, following the store. `change_*` are called by one thread at a time.

    Args:
        content: the content model, so that the spaces of content follow.
        filters: see `UpdatableIndex`; shared by all indexes of all spaces.
    """

    def __init__(
        self, spaces: Mapping[str, Space], content: Model[Any] | None = None, filters: FilterCache | None = None
    ) -> None:
        filters = FilterCache() if filters is None else filters
        self._spaces = {name: UpdatableSpace(space, filters) for name, space in spaces.items()}
        space = spaces.get(CONTENT)
        self._places = None
        if content is not None and content.item_vectors is not None and space is not None:
            self._places = ContentPlaces(ContentSpace.of(space), content)

    def __contains__(self, name: str) -> bool:
        return name in self._spaces

    def names(self) -> list[str]:
        """Names of the spaces."""
        return list(self._spaces)

    def get(self, name: str) -> UpdatableSpace | None:
        """A space by name, or None."""
        return self._spaces.get(name)

    def __getitem__(self, name: str) -> UpdatableSpace:
        space = self._spaces.get(name)
        if space is None:
            has = ", ".join(self._spaces) or "none"
            hint = "Add posters with `matinee posters add FOLDER`." if name == "poster" else "Train again."
            raise InvalidInputError(f"This snapshot has no space {name!r} (it has: {has}).", hint)
        return space

    def change_encoded(
        self, catalog: Catalog, records: Mapping[int, bool], stored: Sequence[MovieVector]
    ) -> dict[str, dict[int, Floats | None]]:
        """Fold in vectors of the store; returns what changed, by space and row.

        Args:
            catalog: with the movies changed.
            records: rows of the movies that were put, and whether their record is the snapshot's still (or again);
                if it is not, vectors made of that no longer hold.
            stored: all vectors that the store holds of the movies changed.
        """
        changed: dict[str, dict[int, Floats | None]] = {}
        for name in ENCODED:
            space = self._spaces.get(name)
            if space is None:
                continue
            put: dict[int, Floats | None] = {}
            if name in RECORD_SPACES:
                put = {row: space.original(row) if same else None for row, same in records.items()}
            for vector in stored:
                row = catalog.find_any(vector.movie_id)
                if vector.space == name and row is not None and not _outlived(space, vector, row, records):
                    put[row] = _projected(space.space, vector)
            space.change(put)
            changed[name] = put
        return changed

    def known(self, rows: Rows) -> dict[str, MovieVectors]:
        """The vectors that these movies have now, by encoded space; for models over changed movies."""
        vectors_by_space: dict[str, MovieVectors] = {}
        for name in ENCODED:
            space = self._spaces.get(name)
            if space is not None:
                pairs = [(row, vector) for row in sorted(rows.tolist()) if (vector := space.vector(row)) is not None]
                vectors = np.vstack([vector for _, vector in pairs]) if pairs else np.zeros((0, space.space.dim))
                vectors_by_space[name] = MovieVectors(
                    np.array([row for row, _ in pairs], dtype=np.int64), vectors.astype(np.float32, copy=False)
                )
        return vectors_by_space

    def change_content(self, model: Model[Any] | None, catalog: Catalog, rows: Rows) -> None:
        """Places of changed movies, and of the series that they enter or leave, in the spaces of content and of both.

        Args:
            model: the content model over the catalog as it is.
        """
        if self._places is None or model is None or not len(rows):
            return
        vectors: dict[str, tuple[Floats, Floats]] = {}
        for name, films in self.known(rows).items():
            space = self[name]
            now = dict(zip(films.rows.tolist(), films.vectors, strict=True))
            before = {row: space.original(row) for row in rows.tolist()}
            vectors[name] = _dense(rows, before, space.space.dim), _dense(rows, now, space.space.dim)
        order, content = self._places.changed(model, catalog, rows, vectors)
        there = (content != 0).any(axis=1)
        made = lifted(content)
        self[CONTENT].change({row: made[i] if there[i] else None for i, row in enumerate(order.tolist())})
        taste, blend = self._spaces.get(TASTE), self._spaces.get(BLEND)
        if taste is None or blend is None:
            return
        tastes = {row: vector for row in order.tolist() if (vector := taste.vector(row)) is not None}
        made = blended(_dense(order, tastes, taste.space.dim)[:, :-1], content)
        blend.change({row: made[i] if there[i] or row in tastes else None for i, row in enumerate(order.tolist())})


def _dense(rows: Rows, vectors: Mapping[int, Floats | None], dim: int) -> Floats:
    """(len(rows), dim), 0 for rows without a vector."""
    dense = np.zeros((len(rows), dim), dtype=np.float32)
    for i, row in enumerate(rows.tolist()):
        vector = vectors.get(row)
        if vector is not None:
            dense[i] = vector
    return dense


def fits(space: Space, vector: MovieVector) -> bool:
    """Whether a stored raw vector is one (no tombstone), and of the encoder that the space was made with."""
    raw = 0 if space.projection is None else len(space.projection.mean)
    return vector.encoder == space.encoder and len(vector.values) == raw > 0


def _outlived(space: UpdatableSpace, vector: MovieVector, row: int, records: Mapping[int, bool]) -> bool:
    """Whether the snapshot's own vector holds in place of a stored one, which an encoder of earlier days made.

    Only of what is computed from a record that is the same in both: two pictures are not compared.
    """
    return vector.space in RECORD_SPACES and not fits(space.space, vector) and records.get(row, False)


def _projected(space: Space, vector: MovieVector) -> Floats | None:
    """A stored raw vector in the space; None for a tombstone, and for one that another encoder made."""
    if not fits(space, vector):
        if len(vector.values):
            log.warning("The %s vector of film %s is of another encoder; it is left out.", space.name, vector.movie_id)
        return None
    assert space.projection is not None
    projected = space.projection.apply(vector.values[None, :])[0]
    return projected if np.any(projected) else None
