"""Vector spaces of a snapshot: unit vectors of movies, their encoder and projection, and their map coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee.data.vectors import MovieVectors
from matinee.encoders.projection import Projection
from matinee.errors import DataError, SnapshotError
from matinee.indexes.base import StoredIndex

_AT_ONCE = 1 << 16
MIN_LENGTH = 1e-6
"""Vectors shorter than this have no direction."""


def lifted(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length ≤ 1, (n, dim), as unit vectors, (n, dim + 1), by one additional value; see `Space.lifted`."""
    n, dim = vectors.shape
    result = np.empty((n, dim + 1), dtype=np.float32)
    for start in range(0, n, _AT_ONCE):  # in double precision: a million vectors at once would be gigabytes
        part = vectors[start : start + _AT_ONCE]
        squares = np.vecdot(part, part).astype(np.float64)
        result[start : start + len(part), :dim] = part / np.sqrt(np.maximum(squares, 1.0))[:, None]
        result[start : start + len(part), dim] = np.sqrt(np.maximum(1 - squares, 0.0))
    return result


class SpaceEntry(BaseModel):
    """One space in the manifest.

    Attributes:
        encoder: id of the encoder whose vectors were projected; "" if the vectors come from a model.
        count: number of movies that have a vector.
        layout: method of the map, "neighbors", "pca" or "umap".
        indexes: kinds of the stored approximate indexes.
        arrays: names of the stored arrays.
        lifted: see `Space`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = ""
    count: int
    dim: int
    layout: str = "pca"
    indexes: tuple[str, ...] = ()
    arrays: tuple[str, ...]
    lifted: bool = False


@dataclass(frozen=True)
class Space:
    """Unit vectors of movies in one space.

    Attributes:
        movies: rows of the snapshot's catalog and their vectors; memory maps if loaded.
        layout: float32, (n, 2), map coordinates of these movies; each axis spans −1..1.
        layout_method: "neighbors", "pca" or "umap".
        projection: from the encoder's raw vectors into this space; None if the vectors are not from an encoder.
        encoder: the encoder's id, or "".
        extra: additional arrays of the space, by name.
        indexes: approximate indexes to be written, by kind. A loaded space has `stored` instead.
        stored: folder of each approximate index, by kind.
        lifted: the last value of each vector only pads its length to 1 and is dropped from queries (`asked`). A movie
            about which little is known has a short vector before padding, and so a low similarity to every other.
            Bachrach et al. 2014, "Speeding up the Xbox recommender system using a Euclidean transformation for
            inner-product spaces".
    """

    name: str
    movies: MovieVectors
    layout: NDArray[np.float32]
    layout_method: str = "pca"
    projection: Projection | None = None
    encoder: str = ""
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    indexes: Mapping[str, StoredIndex] = field(default_factory=dict)
    stored: Mapping[str, Path] = field(default_factory=dict)
    lifted: bool = False

    @property
    def rows(self) -> NDArray[np.int64]:
        """Catalog rows of the movies, increasing."""
        return self.movies.rows

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Unit vectors, (n, dim)."""
        return self.movies.vectors

    @property
    def dim(self) -> int:
        """Values in a vector."""
        return self.movies.dim

    def asked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Query vectors for the neighbors of movies with the given vectors, (n, dim), unit length.

        A vector whose only nonzero value is the padding is returned unchanged.
        """
        if not self.lifted:
            return vectors
        lengths = np.linalg.norm(vectors[:, :-1], axis=1, keepdims=True)
        queries = np.zeros_like(vectors)
        np.divide(vectors[:, :-1], lengths, out=queries[:, :-1], where=lengths > MIN_LENGTH)
        return np.where(lengths > MIN_LENGTH, queries, vectors)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays to store, by name."""
        result: dict[str, NDArray[Any]] = {"rows": self.rows, "vectors": self.vectors, "layout": self.layout}
        if self.projection is not None:
            result |= self.projection.state()
        return result | {f"extra_{name}": values for name, values in self.extra.items()}

    def entry(self) -> SpaceEntry:
        """The manifest entry of this space."""
        return SpaceEntry(
            encoder=self.encoder,
            count=len(self.movies),
            dim=self.dim,
            layout=self.layout_method,
            indexes=tuple(sorted({*self.indexes, *self.stored})),
            arrays=tuple(self.arrays()),
            lifted=self.lifted,
        )

    @classmethod
    def of_arrays(
        cls, name: str, entry: SpaceEntry, arrays: Mapping[str, NDArray[Any]], n_items: int, stored: Mapping[str, Path]
    ) -> Space:
        """A space from its stored arrays.

        Raises:
            SnapshotError: arrays are missing, or do not match each other or the catalog.
        """
        hint = "Train again, or promote another snapshot."
        try:
            movies = MovieVectors(arrays["rows"], arrays["vectors"])
            layout = arrays["layout"]
        except (KeyError, DataError, AttributeError) as error:
            raise SnapshotError(f"The space {name!r} is damaged: {error}.", hint) from error
        if (len(movies), movies.dim) != (entry.count, entry.dim) or layout.shape != (len(movies), 2):
            raise SnapshotError(f"The space {name!r} does not match the manifest.", hint)
        if layout.dtype != np.float32 or (len(movies) and int(movies.rows[-1]) >= n_items):
            raise SnapshotError(f"The space {name!r} does not match the catalog.", hint)
        projection = Projection.from_state(arrays) if "mean" in arrays or "components" in arrays else None
        if projection is not None and projection.dim != movies.dim:
            raise SnapshotError(f"The projection of the space {name!r} has a different width than its vectors.", hint)
        extra = {key.removeprefix("extra_"): values for key, values in arrays.items() if key.startswith("extra_")}
        return cls(name, movies, layout, entry.layout, projection, entry.encoder, extra, {}, stored, entry.lifted)
