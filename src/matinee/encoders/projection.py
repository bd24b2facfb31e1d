"""From an encoder's raw vectors to a space: centre, principal components, half whitening, unit length.

The mean of a catalog's vectors says what all posters (or texts) have in common, and tells none apart; the first
components hold much of the rest. Dividing each component by its deviation to a power of ½ lets the finer ones speak
without raising mere noise (power 1 would). Learnt on the catalog and stored beside its vectors, so that a query
takes the same way as what it is compared with.
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
"""Vectors that the components are learnt from, at most."""


def unit(vectors: NDArray[Any]) -> Floats:
    """Each row divided by its length, float32; rows of length 0 stay 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Floats = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).astype(np.float32)
    return found


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
        """Values in a projected vector."""
        return int(self.components.shape[1])

    @classmethod
    def fit(cls, vectors: Floats, dim: int, power: float = 0.5, seed: int = 0, *, centre: bool = True) -> Projection:
        """Learn from raw vectors, (n, n_raw).

        Args:
            dim: components kept; fewer where the vectors have no more.
            power: 0: plain principal components; ½: half whitening; 1: whitening.
            seed: of the sample that is looked at where there are more than 20,000 vectors.
            centre: take the mean off; without, the mean is 0 and cosines change as little as the dimensions allow.

        Raises:
            InvalidInputError: no vectors.
        """
        if not len(vectors):
            raise InvalidInputError("A projection cannot be learnt from no vectors.")
        sample = vectors
        if len(vectors) > _SAMPLE:
            sample = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), _SAMPLE, replace=False))]
        mean = sample.mean(axis=0, dtype=np.float64) if centre else np.zeros(sample.shape[1])
        rest = sample.astype(np.float64) - mean
        values, axes = np.linalg.eigh(rest.T @ rest / len(sample))
        values, axes = values[::-1], axes[:, ::-1]
        kept = max(min(dim, int((values > values[0] * 1e-9).sum()), len(values)), 1)
        # The sign of an axis is arbitrary: fix it, so that equal data give equal vectors.
        axes = axes[:, :kept] * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(values))] < 0, -1, 1)[:kept]
        scale = np.maximum(values[:kept], 1e-12) ** (-power / 2)
        return cls(mean.astype(np.float32), np.ascontiguousarray(axes * scale, dtype=np.float32))

    def apply(self, vectors: Floats) -> Floats:
        """Projected unit vectors, (n, dim) float32, of raw ones, (n, n_raw).

        Raises:
            InvalidInputError: vectors of another length.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise InvalidInputError(
                f"These vectors have {vectors.shape[-1]} values; the space was made of {len(self.mean)}.",
                "Use the encoder that the snapshot names.",
            )
        return unit((vectors - self.mean) @ self.components)

    def state(self) -> dict[str, NDArray[Any]]:
        """`mean` and `components`."""
        return {"mean": self.mean, "components": self.components}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Projection:
        """Rebuild. Raises SnapshotError where the arrays do not fit together."""
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
