"""Ridge regression of each user's stars on the vectors of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.models.baseline_stars import Doubles, Floats
from matinee.models.content_stars import ContentStars, ContentStarsConfig


class RidgeStarsConfig(ContentStarsConfig):
    """Settings of `RidgeStars`."""

    regularization: float = Field(
        10.0, gt=0, description="Ridge, in units of the components' mean square: so many ratings' worth of prior."
    )


class RidgeStars(ContentStars[RidgeStarsConfig]):
    """f_u(x) = w_uᵀx, w_u by ridge regression on the residuals of a baseline (Hoerl, Kennard 1970), in the dual.

    Examples:
        >>> model = matinee.RidgeStars().fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "ridge"
    Config = RidgeStarsConfig

    def _learn(self, rows: NDArray[np.int64], residuals: Doubles) -> Any:
        known = self._content[rows].astype(np.float64)
        size = max(float(np.mean(np.square(self._content, dtype=np.float64).sum(axis=1))), 1e-12)
        kernel = known @ known.T
        kernel[np.diag_indices_from(kernel)] += self.config.regularization * size
        return (known.T @ np.linalg.solve(kernel, residuals)).astype(np.float32)

    def _predict(self, learned: Any, rows: NDArray[np.int64]) -> Floats:
        predicted: Floats = self._content[rows] @ learned
        return predicted
