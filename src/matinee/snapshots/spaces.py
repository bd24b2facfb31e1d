"""Vector spaces of a snapshot: unit vectors of films, where they come from, and where they lie on the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee.data.vectors import FilmVectors
from matinee.encoders.projection import Projection
from matinee.errors import DataError, SnapshotError
from matinee.indexes.base import StoredIndex

LEAST_LENGTH = 1e-6
"""Vectors shorter than this have no direction."""


def lifted(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1 at most, (n, dim), made unit vectors, (n, dim + 1), by one more value; see `Space.lifted`."""
    squares = np.vecdot(vectors, vectors).astype(np.float64)
    shrunk = vectors / np.sqrt(np.maximum(squares, 1.0))[:, None]
    rest = np.sqrt(np.maximum(1 - squares, 0.0))
    return np.ascontiguousarray(np.column_stack([shrunk, rest]), dtype=np.float32)


class SpaceEntry(BaseModel):
    """One space in the manifest.

    Attributes:
        encoder: id of the encoder whose vectors were projected; "" where the vectors come from a model.
        count: films that have a vector.
        layout: how the map was made, "pca" or "umap".
        indexes: kinds of the approximate indexes stored.
        arrays: names of the arrays stored.
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
    """Unit vectors of films in one space.

    Attributes:
        films: rows of the snapshot's catalogue and their vectors; memory maps where loaded.
        layout: float32, (n, 2): where each of these films lies on the map; each axis spans −1..1.
        layout_method: "pca" or "umap".
        projection: from the encoder's raw vectors into this space; None where no encoder made them.
        encoder: the encoder's id, or "".
        extra: further arrays that belong to the space, by name.
        indexes: approximate indexes built over it, by kind (to be written; a loaded space has `stored` instead).
        stored: folder of each approximate index, by kind.
        lifted: the last value of each vector only makes its length 1, where the others say less than that much of
            the film: it is left out of what is asked with (`asked`). So little is known of a film, and it is like many
            but like none much; Bachrach et al. 2014, "Speeding up the Xbox recommender system using a Euclidean
            transformation for inner-product spaces".
    """

    name: str
    films: FilmVectors
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
        """Catalogue rows of the films, increasing."""
        return self.films.rows

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Unit vectors, (n, dim)."""
        return self.films.vectors

    @property
    def dim(self) -> int:
        """Values in a vector."""
        return self.films.dim

    def asked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to search with for the films like those of some vectors, (n, dim), unit length.

        A film of which nothing but the last value is left asks for itself.
        """
        if not self.lifted:
            return vectors
        lengths = np.linalg.norm(vectors[:, :-1], axis=1, keepdims=True)
        found = np.zeros_like(vectors)
        np.divide(vectors[:, :-1], lengths, out=found[:, :-1], where=lengths > LEAST_LENGTH)
        return np.where(lengths > LEAST_LENGTH, found, vectors)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of the space by name, to be stored."""
        found: dict[str, NDArray[Any]] = {"rows": self.rows, "vectors": self.vectors, "layout": self.layout}
        if self.projection is not None:
            found |= self.projection.state()
        return found | {f"extra_{name}": values for name, values in self.extra.items()}

    def entry(self) -> SpaceEntry:
        """What the manifest says of it."""
        return SpaceEntry(
            encoder=self.encoder,
            count=len(self.films),
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
        """A space read back.

        Raises:
            SnapshotError: arrays missing, or that do not fit each other or the catalogue.
        """
        hint = "Train again, or promote another snapshot."
        try:
            films = FilmVectors(arrays["rows"], arrays["vectors"])
            layout = arrays["layout"]
        except (KeyError, DataError, AttributeError) as error:
            raise SnapshotError(f"The space {name!r} is damaged: {error}.", hint) from error
        if (len(films), films.dim) != (entry.count, entry.dim) or layout.shape != (len(films), 2):
            raise SnapshotError(f"The space {name!r} is not what the manifest says.", hint)
        if layout.dtype != np.float32 or (len(films) and int(films.rows[-1]) >= n_items):
            raise SnapshotError(f"The space {name!r} does not fit the catalogue.", hint)
        projection = Projection.from_state(arrays) if "mean" in arrays or "components" in arrays else None
        if projection is not None and projection.dim != films.dim:
            raise SnapshotError(f"The projection of the space {name!r} has another width than its vectors.", hint)
        extra = {key.removeprefix("extra_"): values for key, values in arrays.items() if key.startswith("extra_")}
        return cls(name, films, layout, entry.layout, projection, entry.encoder, extra, {}, stored, entry.lifted)
