"""A random forest of each user's stars, on features of texts or on sparse ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee._util.extras import need
from matinee.data.dataset import Dataset
from matinee.models.base import Progress
from matinee.models.baseline_stars import Doubles, Floats
from matinee.models.content_stars import ContentStars, ContentStarsConfig


class ForestStarsConfig(ContentStarsConfig):
    """Settings of `ForestStars`."""

    trees: int = Field(100, ge=1, le=10_000, description="Trees of each user's forest.")
    min_leaf: int = Field(5, ge=1, description="Fewest films in a leaf.")
    max_features: float = Field(0.33, gt=0, le=1, description="Share of the features that each split may choose from.")
    seed: int = Field(0, ge=0, description="Of the forests.")


class ForestStars(ContentStars[ForestStarsConfig]):
    """Random forests (Breiman 2001) on the residuals of a baseline; needs scikit-learn (extra `classic`).

    A forest is grown when a history asks, a tenth of a second for a hundred films and a hundred trees.

    Examples:
        >>> model = matinee.ForestStars(trees=20).fit(dataset)
        >>> scores = model.score([history])[0]
        >>> bool(scores.min() > 0 and scores.max() < 6)
        True
    """

    name = "forest"
    Config = ForestStarsConfig

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        need("sklearn", "A random forest", "classic")
        super()._fit(dataset, progress)

    def _table(self, rows: NDArray[np.int64]) -> Floats:
        if self.config.features == "sparse":
            return self._plain[rows]
        return np.hstack([self._plain[rows], self._content[rows]])

    def _learn(self, rows: NDArray[np.int64], residuals: Doubles) -> Any:
        need("sklearn", "A random forest", "classic")
        from sklearn.ensemble import RandomForestRegressor

        config = self.config
        forest: Any = RandomForestRegressor(
            config.trees,
            min_samples_leaf=config.min_leaf,
            max_features=config.max_features,
            random_state=config.seed,
            n_jobs=1,
        )
        return forest.fit(self._table(rows), residuals)

    def _predict(self, learned: Any, rows: NDArray[np.int64]) -> Floats:
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        predicted: Floats = learned.predict(self._table(rows)).astype(np.float32)
        return predicted
