"""Small data for tests: built by hand, or read from the measuring data where it is present."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from matinee.data.catalog import Catalog
from matinee.data.dataset import CleaningReport, Dataset
from matinee.data.ratings import Ratings

SHARED = Path(os.environ.get("MATINEE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for something that another thread or process does; the bound is for what never happens."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def make_dataset(
    rows: list[tuple[str, str, float, int | None]],
    movies: list[dict[str, object]] | None = None,
    name: str = "tiny",
) -> Dataset:
    """A dataset of (user, film, stars, time) rows; films default to the ids rated, titled "Film <id>"."""
    if movies is None:
        ids = sorted({row[1] for row in rows})
        movies = [{"movie_id": i, "title": f"Film {i}", "year": 1990, "genres": ["Drama"]} for i in ids]
    catalog = Catalog(pl.DataFrame(movies, infer_schema_length=None))
    frame = pl.DataFrame(
        rows,
        schema={"user_id": pl.String, "movie_id": pl.String, "rating": pl.Float32, "timestamp": pl.Int64},
        orient="row",
    )
    return Dataset(name, catalog, Ratings.from_frame(frame, catalog), CleaningReport(source=name))


def with_overviews(dataset: Dataset, overviews: Sequence[str | None], name: str) -> Dataset:
    """The data set with an overview for each film."""
    column = pl.Series("overview", overviews, dtype=pl.String)
    return replace(dataset, name=name, catalog=Catalog(dataset.catalog.frame.with_columns(column)))


def random_dataset(n_users: int = 60, n_items: int = 40, density: float = 0.2, seed: int = 0) -> Dataset:
    """A reproducible dataset with two tastes: users of each half prefer films of the same half, in its genre."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, float, int | None]] = []
    for user in range(n_users):
        for item in range(n_items):
            same = (user % 2) == (item % 2)
            if rng.random() < density * (1.6 if same else 0.4):
                stars = float(np.clip(round(2 * rng.normal(4.0 if same else 2.5, 0.8)) / 2, 0.5, 5.0))
                rows.append((f"u{user}", f"m{item}", stars, 1_000_000_000 + int(rng.integers(0, 10_000_000))))
    movies: list[dict[str, object]] = [
        {
            "movie_id": f"m{item}",
            "title": f"Story of the {'Laughing' if item % 2 else 'Weeping'} Number {item}",
            "year": 1980 + item % 40,
            "genres": ["Comedy"] if item % 2 else ["Drama"],
            "tags": ["funny", "light"] if item % 2 else ["dark"],
            "directors": [f"Director {item % 5}"],
            "cast": [f"Actor {item % 7}", f"Actor {item % 3}"],
        }
        for item in range(n_items)
    ]
    return make_dataset(rows, movies, "random")
