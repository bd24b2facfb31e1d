"""From scores to a list: calibrated to the user's tastes, and as adventurous as is wished.

How: `matinee.models.calibration`. Here is what the engine adds to it: one re-ranker for each state of the catalog.
"""

from __future__ import annotations

import threading

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.models.calibration import Reranker
from matinee.models.preference import StarScale


class Rerankers:
    """The re-ranker of each state of a catalog, made on first use. Thread-safe.

    Popularity is the snapshot's: with current counts every answer would change with everybody's ratings.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self._made: Reranker | None = None

    def __call__(self, catalog: Catalog) -> Reranker:
        """The re-ranker over this state's movies; only what changed since the last state is recomputed."""
        with self._lock:
            made = self._made
            if made is not None and made.catalog is catalog:
                return made
            if made is None or len(made.catalog) > len(catalog):
                made = Reranker(catalog, self._dataset.ratings.counts, StarScale.of(self._dataset))
            else:
                made = made.with_catalog(catalog)
            self._made = made
            return made
