"""Positions in the content space of movies written since the snapshot, and of the series that these change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.models.base import Model
from matinee.spaces.content_space import NOTHING, ContentSpace, drawn_together
from matinee.spaces.series import series_of

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


class ContentPlaces:
    """Follows the catalog. For one thread at a time.

    Args:
        space: as learned.
        content: the model that it was learned from.
    """

    def __init__(self, space: ContentSpace, content: Model[Any]) -> None:
        self._space, self._content = space, content
        self._moved: dict[int, Floats] = {}
        """Row → position of a movie written since, before series are drawn together."""
        self._series: dict[int, frozenset[int]] | None = None
        """Row → all movies of its series; None until a movie is put."""

    def changed(
        self, model: Model[Any], catalog: Catalog, rows: Rows, vectors: Mapping[str, tuple[Floats, Floats]]
    ) -> tuple[Rows, Floats]:
        """New positions after movies were written.

        Args:
            model: the content model over the catalog as it is.
            rows: of the movies written.
            vectors: of these movies by encoded space, when the space was learned and now; 0 where there are none.

        Returns:
            Rows of all movies that move, increasing, and where to, (n, dim); 0 for movies of which nothing is known.
        """
        before = {name: old for name, (old, _) in vectors.items()}
        after = {name: new for name, (_, new) in vectors.items()}
        placed = self._space.placed(self._content, model, rows, before, after)
        placed[~model.has_features(rows)] = 0
        placed[np.linalg.norm(placed, axis=1) <= NOTHING] = 0
        self._moved |= dict(zip(rows.tolist(), placed, strict=True))
        if self._series is None:
            groups = self._space.groups()
            self._series = {row: frozenset(group.tolist()) for group in groups for row in group.tolist()}
        touched = {other for row in rows.tolist() for other in self._series.get(row, {row})}
        series = [frozenset(group.tolist()) for group in series_of(catalog, sorted(touched))]
        touched = touched.union(*series)
        for row in touched:
            self._series.pop(row, None)
        order = np.array(sorted(touched), dtype=np.int64)
        places = dict(zip(order.tolist(), self._apart(order), strict=True))
        years = catalog.column("year")
        for group in series:
            known = [row for row in sorted(group) if places[row].any()]
            if len(known) > 1:
                self._series |= dict.fromkeys(known, frozenset(known))
                drawn = drawn_together(np.vstack([places[row] for row in known]), [years[row] for row in known])
                places |= dict(zip(known, drawn, strict=True))
        return order, np.vstack([places[row] for row in order.tolist()])

    def _apart(self, rows: Rows) -> Floats:
        """Places before series are drawn together."""
        placed = self._space.places(rows)
        for i, row in enumerate(rows.tolist()):
            if row in self._moved:
                placed[i] = self._moved[row]
        return placed
