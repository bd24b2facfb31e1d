"""The report of `matinee data inspect`: cleaning, size and density of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from matinee._util.progress import Progress
from matinee.data.dataset import CleaningReport, Dataset
from matinee.data.load import load_dataset
from matinee.data.ratings import NO_TIME
from matinee.data.readers.columns import ColumnMapping
from matinee.settings import Settings

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)


class Statistics(BaseModel):
    """Basic statistics of a clean data set.

    Attributes:
        rated: movies with at least one rating.
        density: ratings / (users × movies), 0..1.
        histogram: stars as text ("0.5") → number of ratings, by stars.
        first, last: times of the oldest and newest rating, seconds since 1970 UTC; None if unknown.
        per_user, per_film: quantile as text ("0.5") → ratings per user, and per rated movie.
        filled: share (0..1) of movies that have a value, by column of the catalog.
    """

    model_config = ConfigDict(frozen=True)

    films: int
    rated: int
    users: int
    ratings: int
    density: float
    mean: float
    histogram: dict[str, int]
    first: int | None
    last: int | None
    per_user: dict[str, float]
    per_film: dict[str, float]
    filled: dict[str, float]


class Inspection(CleaningReport):
    """A cleaning report with statistics."""

    scale: tuple[float, float]
    fingerprint: str
    statistics: Statistics


def _quantiles(counts: NDArray[np.int64]) -> dict[str, float]:
    values = np.quantile(counts, QUANTILES) if len(counts) else np.zeros(len(QUANTILES))
    return {f"{share:g}": float(value) for share, value in zip(QUANTILES, values, strict=True)}


def describe(dataset: Dataset) -> Statistics:
    """The statistics of a data set."""
    ratings, frame = dataset.ratings, dataset.catalog.frame
    stars, counts = np.unique(ratings.values, return_counts=True)
    times = ratings.times[ratings.times != NO_TIME]
    rated_counts = ratings.counts[ratings.counts > 0]
    filled = {
        name: float(
            ((frame[name].list.len() > 0) if frame[name].dtype.is_nested() else frame[name].is_not_null()).mean() or 0.0  # type: ignore[arg-type]
        )
        for name in frame.columns
    }
    return Statistics(
        films=len(dataset.catalog),
        rated=len(rated_counts),
        users=ratings.n_users,
        ratings=len(ratings),
        density=len(ratings) / max(ratings.n_users * ratings.n_items, 1),
        mean=float(ratings.values.mean(dtype=np.float64)) if len(ratings) else 0.0,
        histogram={f"{star:g}": int(count) for star, count in zip(stars, counts, strict=True)},
        first=int(times.min()) if len(times) else None,
        last=int(times.max()) if len(times) else None,
        per_user=_quantiles(np.diff(ratings.indptr)),
        per_film=_quantiles(rated_counts),
        filled=filled,
    )


def inspect_source(
    source: str | Path,
    settings: Settings,
    progress: Progress | None = None,
    *,
    mapping: ColumnMapping | None = None,
    scale: tuple[float, float] | None = None,
    values: Mapping[str, float] | None = None,
    unrated: Sequence[float] | None = None,
) -> Inspection:
    """Load a data set (see `load_dataset`) and summarize it.

    Raises:
        MatineeError: as `load_dataset`.
    """
    dataset = load_dataset(source, settings, progress, mapping=mapping, scale=scale, values=values, unrated=unrated)
    return Inspection(
        **dict(dataset.report),
        scale=dataset.scale,
        fingerprint=dataset.fingerprint,
        statistics=describe(dataset),
    )
