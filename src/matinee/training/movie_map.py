"""The map: each movie of a space as a point in two dimensions."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.encoders.projection import Projection, unit
from matinee.errors import MissingExtraError

Method = Literal["neighbors", "pca", "umap"]

_PLACED_BY, _PLACED_AT_ONCE = 5, 512
"""Neighbors among which a new movie is placed on a map, and movies that are placed at a time."""

MAX_NEIGHBORS = 100_000
"""More movies are laid out by principal components: comparing all pairs takes the square of their number."""


def method_for(n: int, wanted: Method) -> Method:
    """How n movies are laid out: as wanted, or by principal components where that cannot be done."""
    return "pca" if wanted == "neighbors" and (n > MAX_NEIGHBORS or find_spec("numba") is None) else wanted


def layout(vectors: NDArray[np.float32], method: Method = "neighbors", seed: int = 0) -> NDArray[np.float32]:
    """Points (n, 2), each axis within −1..1 and centered on its median movie.

    Args:
        vectors: (n, dim), unit length.
        method: "neighbors": neighbors stay together, see `matinee.training.neighbor_layout`; "pca": the two principal
            components; "umap": the same method as "neighbors" by its authors' library (`pip install 'matinee[map]'`).
        seed: random seed of "neighbors" and "umap".

    Raises:
        MatineeError: UMAP is not installed.
    """
    if len(vectors) == 0:
        return np.zeros((0, 2), dtype=np.float32)
    if method == "umap" and len(vectors) > 3:
        points = _umap(vectors, seed)
    else:
        projection = Projection.fit(vectors, 2, power=0.0, seed=seed)
        points = ((vectors - projection.mean) @ projection.components).astype(np.float32)
        if method == "neighbors":
            from matinee.training.neighbor_layout import neighbor_layout

            points = neighbor_layout(unit(vectors), np.pad(points, ((0, 0), (0, 2 - points.shape[1]))), seed)
    padded = np.pad(points.astype(np.float64), ((0, 0), (0, 2 - points.shape[1])))
    padded -= np.median(padded, axis=0)
    scaled: NDArray[np.float32] = (padded / np.maximum(np.abs(padded).max(axis=0), 1e-12)).astype(np.float32)
    return scaled


def grown_layout(vectors: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The points of a map, (n, 2), with those that are NaN at the mean of their nearest movies' on it.

    Args:
        vectors: (n, dim), unit length.
        points: of an earlier map, some not NaN.
    """
    result = points.copy()
    new = np.flatnonzero(np.isnan(points).any(axis=1))
    old = np.flatnonzero(~np.isnan(points).any(axis=1))
    k = min(_PLACED_BY, len(old))
    for part in np.array_split(new, max(1, -(-len(new) // _PLACED_AT_ONCE))):
        nearest = np.argpartition(-(vectors[part] @ vectors[old].T), k - 1, axis=1)[:, :k]
        result[part] = points[old[nearest]].mean(axis=1)
    return result


def _umap(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtraError("A map by UMAP (MATINEE_MAP_METHOD=umap)", "map") from error
    model = UMAP(n_components=2, metric="cosine", n_neighbors=min(15, len(vectors) - 1), random_state=seed, n_jobs=1)
    result: NDArray[np.float32] = model.fit_transform(vectors)
    return result
