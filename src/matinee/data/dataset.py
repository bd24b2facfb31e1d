"""Dataset: catalog, ratings, cleaning report and fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from matinee._util.notebook import html_table
from matinee.data.catalog import Catalog
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors

SEEN = (1.0, 1.0)
"""The scale of implicit feedback: a movie that was watched counts as rated 1."""

_AT_ONCE = 1 << 16
"""Movies that are written as text at a time, to be hashed."""
_SHOWN = 5
"""Movies that a notebook shows of a data set."""


class TableReport(BaseModel):
    """Cleaning of one table: rows in, rows out, and counts of rows dropped, changed and noticed, by reason."""

    model_config = ConfigDict(frozen=True)

    rows_in: int
    rows_out: int
    dropped: dict[str, int] = Field(default_factory=dict)
    changed: dict[str, int] = Field(default_factory=dict)
    noticed: dict[str, int] = Field(default_factory=dict)

    def with_lost(self, lost: Mapping[str, int]) -> TableReport:
        """The report with rows of the file that did not become rows of the table, by reason."""
        if not lost:
            return self
        rows_in = self.rows_in + sum(lost.values())
        return self.model_copy(update={"rows_in": rows_in, "dropped": {**lost, **self.dropped}})


class CleaningReport(BaseModel):
    """Counts of dropped and changed rows by reason; `rows_in − rows_out = sum(dropped)` in each table."""

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
        vectors: unit vectors of movies by space ("text", "poster"), over the rows of the catalog; made by encoders,
            and no part of the fingerprint.

    Examples:
        >>> dataset
        <Dataset small: <Catalog: 40 films>, <Ratings: 817 of 40 films by 60 users>, 0.5 to 5 stars>
        >>> dataset.report.tables["ratings"].rows_out
        817
    """

    name: str
    catalog: Catalog
    ratings: Ratings
    report: CleaningReport
    scale: tuple[float, float] = (0.5, 5.0)
    vectors: Mapping[str, MovieVectors] = field(default_factory=dict)

    def __repr__(self) -> str:
        low, high = self.scale
        return f"<Dataset {self.name}: {self.catalog!r}, {self.ratings!r}, {low:g} to {high:g} stars>"

    def _repr_html_(self) -> str:
        ratings, rows_shown = self.ratings, np.argsort(-self.ratings.counts, kind="stable")[:_SHOWN].tolist()
        means = ratings.sums / np.maximum(ratings.counts, 1)
        genres = self.catalog.column("genres")
        rows = [
            (title, ", ".join(genres[row]), f"{ratings.counts[row]:,}", f"{means[row]:.2f}")
            for title, row in zip(self.catalog.titles(rows_shown), rows_shown, strict=True)
        ]
        low, high = self.scale
        caption = (
            f"{self.name}: {len(self.catalog):,} films, {len(ratings):,} ratings by {ratings.n_users:,} users, "
            f"{low:g} to {high:g} stars; most rated:"
        )
        return html_table(["Title", "Genres", "Ratings", "Mean"], rows, caption=caption, right=("Ratings", "Mean"))

    def titles(self, rows: Iterable[int]) -> list[str]:
        """Titles of rows, as models return them, with years: "Toy Story (1995)"."""
        return self.catalog.titles(rows)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of movies and ratings. Equal data have equal fingerprints."""
        digest = hashlib.sha256()
        for part in self.catalog.frame.iter_slices(_AT_ONCE):
            digest.update(part.write_ndjson().encode())
        digest.update("\n".join(self.ratings.user_ids.to_list()).encode())
        for array in (self.ratings.indptr, self.ratings.indices, self.ratings.values, self.ratings.times):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def with_ratings(self, ratings: Ratings) -> Dataset:
        """The same movies with other ratings (a training split)."""
        return replace(self, ratings=ratings)
