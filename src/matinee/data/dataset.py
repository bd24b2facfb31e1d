"""Dataset: catalog, ratings, the report of how they were cleaned, and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from matinee.data.catalog import Catalog
from matinee.data.ratings import Ratings
from matinee.data.vectors import FilmVectors

SEEN = (1.0, 1.0)
"""The scale of data without stars: whoever has seen a film has rated it 1, and that is all that is known."""


class TableReport(BaseModel):
    """What became of one table: rows in, rows out, rows dropped, changed, and kept but worth knowing, by reason."""

    model_config = ConfigDict(frozen=True)

    rows_in: int
    rows_out: int
    dropped: dict[str, int] = Field(default_factory=dict)
    changed: dict[str, int] = Field(default_factory=dict)
    noticed: dict[str, int] = Field(default_factory=dict)


class CleaningReport(BaseModel):
    """Every row that was dropped or changed, with its reason; `rows_in − rows_out = sum(dropped)` per table."""

    model_config = ConfigDict(frozen=True)

    source: str
    tables: dict[str, TableReport] = Field(default_factory=dict)
    joins: dict[str, float] = Field(default_factory=dict, description="Share of films (0..1) joined, by source.")
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """What models are fitted on.

    Attributes:
        name: e.g. "ml-latest-small".
        scale: lowest and highest number of stars, e.g. (0.5, 5.0); `SEEN`, both 1, where there are no stars.
        vectors: unit vectors of films by space ("text", "poster"), over the rows of the catalog; made by encoders,
            and no part of the fingerprint.
    """

    name: str
    catalog: Catalog
    ratings: Ratings
    report: CleaningReport
    scale: tuple[float, float] = (0.5, 5.0)
    vectors: Mapping[str, FilmVectors] = field(default_factory=dict)

    def __repr__(self) -> str:
        low, high = self.scale
        return f"<Dataset {self.name}: {self.catalog!r}, {self.ratings!r}, {low:g} to {high:g} stars>"

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over films and ratings: equal data, equal fingerprint."""
        digest = hashlib.sha256(self.catalog.frame.write_ndjson().encode())
        digest.update("\n".join(self.ratings.user_ids.to_list()).encode())
        for array in (self.ratings.indptr, self.ratings.indices, self.ratings.values, self.ratings.times):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def with_ratings(self, ratings: Ratings) -> Dataset:
        """The same films with other ratings (a training split)."""
        return replace(self, ratings=ratings)
