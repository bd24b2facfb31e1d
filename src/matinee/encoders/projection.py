"""Projection of an encoder's raw vectors to a space: centering, principal components, partial whitening, unit length.

The mean of a catalog's vectors represents what all posters (or texts) have in common, which does not distinguish them,
and the first components dominate the rest. Dividing each component by its deviation to a power of ½ gives more weight
to finer components without amplifying noise (as power 1 would). The projection is fitted on the catalog and stored with
its vectors, so that queries are projected in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.errors import InvalidInputError, SnapshotError

Floats = NDArray[np.float32]
_SAMPLE = 20_000
"""Maximum number of vectors to fit the components on."""


def unit(vectors: NDArray[Any]) -> Floats:
    """Each row divided by its length, float32; rows of length 0 stay 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).astype(np.float32)
    return result


@dataclass(frozen=True)
class Projection:
    """x → unit((x − mean) · components).

    Attributes:
        mean: float32, (n_raw,).
        components: float32, (n_raw, dim).
    """

    mean: Floats
    components: Floats

    @property
    def dim(self) -> int:
        """Number of values in a projected vector."""
        return int(self.components.shape[1])

    @classmethod
    def fit(cls, vectors: Floats, dim: int, power: float = 0.5, seed: int = 0, *, center: bool = True) -> Projection:
        """Fit on raw vectors, (n, n_raw).

        Args:
            dim: number of components; fewer if the vectors have a lower rank.
            power: 0: principal components; ½: half whitening; 1: whitening.
            seed: random seed of the sample, if there are more than 20,000 vectors.
            center: subtract the mean; otherwise the mean is 0 and cosines are preserved as well as possible.

        Raises:
            InvalidInputError: no vectors.
        """
        if not len(vectors):
            raise InvalidInputError("A projection cannot be fitted on no vectors.")
        sample = vectors
        if len(vectors) > _SAMPLE:
            sample = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), _SAMPLE, replace=False))]
        mean = sample.mean(axis=0, dtype=np.float64) if center else np.zeros(sample.shape[1])
        rest = sample.astype(np.float64) - mean
        values, axes = np.linalg.eigh(rest.T @ rest / len(sample))
        values, axes = values[::-1], axes[:, ::-1]
        n = max(min(dim, int((values > values[0] * 1e-9).sum()), len(values)), 1)
        # The sign of an axis is arbitrary: fix it, so that equal data give equal vectors.
        axes = axes[:, :n] * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(values))] < 0, -1, 1)[:n]
        scale = np.maximum(values[:n], 1e-12) ** (-power / 2)
        return cls(mean.astype(np.float32), np.ascontiguousarray(axes * scale, dtype=np.float32))

    def apply(self, vectors: Floats) -> Floats:
        """Projected unit vectors, (n, dim) float32, of raw ones, (n, n_raw).

        Raises:
            InvalidInputError: vectors of another length.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise InvalidInputError(
                f"These vectors have {vectors.shape[-1]} values; the space was made from {len(self.mean)}.",
                "Use the encoder named in the snapshot.",
            )
        return unit((vectors - self.mean) @ self.components)

    def state(self) -> dict[str, NDArray[Any]]:
        """`mean` and `components`."""
        return {"mean": self.mean, "components": self.components}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Projection:
        """The projection from its arrays. Raises SnapshotError if their shapes or types are not valid."""
        mean, components = state.get("mean"), state.get("components")
        if (
            mean is None
            or components is None
            or mean.ndim != 1
            or components.ndim != 2
            or components.shape[0] != len(mean)
            or mean.dtype != np.float32
            or components.dtype != np.float32
        ):
            raise SnapshotError("A stored projection is damaged.", "Train again, or promote another snapshot.")
        return cls(mean, components)
