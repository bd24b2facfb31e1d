"""Refitted models have losses as low as whole fits have: what their answers are compared by is in tests/contracts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.models import Blend, Ease, GraphFilter, ImplicitALS, ItemKNN, Popularity, Query, Stars
from matinee.models.ials import Solver
from support import random_dataset

HARD: dict[str, Any] = {"n_factors": 8, "unobserved": 0.2, "regularization": 0.01, "iterations": 20}
"""Settings whose ridge is so small that sweeps have far to go."""


def grown(data: Dataset, seed: int) -> tuple[Dataset, np.ndarray[Any, np.dtype[np.int64]]]:
    """The films in another order, one new, and a tenth of the ratings fewer and otherwise; rows of the old films."""
    rng = np.random.default_rng(seed)
    new = data.catalog.frame.head(1).with_columns(movie_id=pl.lit("m99"))
    catalog = Catalog(pl.concat([data.catalog.frame.reverse(), new]))
    frame = data.ratings.to_frame(data.catalog).with_columns(pl.col("timestamp").cast(pl.Int64))
    frame = frame.filter(pl.Series(rng.random(frame.height) > 0.05))
    moved = pl.Series(rng.random(frame.height) > 0.95) & (pl.col("movie_id") == "m3")
    frame = frame.with_columns(movie_id=pl.when(moved).then(pl.lit("m99")).otherwise(pl.col("movie_id")))
    some = frame.filter(pl.col("movie_id") == "m5").head(5).with_columns(movie_id=pl.lit("m99"))
    frame = pl.concat([frame, some]).unique(["user_id", "movie_id"], keep="first", maintain_order=True)
    rows = np.array([catalog.find(movie_id) for movie_id in data.catalog.column("movie_id")], dtype=np.int64)
    return replace(data, catalog=catalog, ratings=Ratings.from_frame(frame, catalog)), rows


def loss(model: ImplicitALS, data: Dataset) -> float:
    """Of the movies' factors, with the users solved for exactly, over the number of ratings."""
    factors, rows = model._factors.astype(np.float64), model._items.rows
    rated = data.ratings.matrix(binary=True)[:, rows].toarray() > 0
    ridges = model._ridge(rated.sum(axis=1), len(rows)).astype(np.float64)
    total = float(model._ridge(rated.sum(axis=0), len(rated)).astype(np.float64) @ np.square(factors).sum(axis=1))
    base = model._alpha * factors.T @ factors
    for mask, ridge in zip(rated, ridges, strict=True):
        known = factors[mask]
        user = np.linalg.solve(base + known.T @ known + ridge * np.eye(len(base)), known.sum(axis=0))
        total += float(np.square(1 - known @ user).sum() + user @ base @ user + ridge * user @ user)
    return total / rated.sum()


@pytest.mark.parametrize("solver", ["exact", "blocks", "cg"])
@pytest.mark.parametrize("seed", [0, 1])
def test_factors_have_as_low_a_loss(solver: Solver, seed: int) -> None:
    if solver == "cg":
        pytest.importorskip("numba")
    data = random_dataset(200, 60)
    later, rows = grown(data, seed)
    base = ImplicitALS(solver=solver, **HARD).fit(data)
    whole = ImplicitALS(solver=solver, **HARD).fit(later)
    refitted = ImplicitALS(solver=solver, **HARD).refit(later, base, rows)
    stale = ImplicitALS(solver=solver, **HARD).fit(later)
    stale._set(stale._items.carried(base._items, base._factors, rows))
    reached = loss(refitted, later)
    assert reached <= 1.01 * loss(whole, later)
    assert reached < loss(stale, later)


def test_another_number_of_factors_is_fitted_whole() -> None:
    data = random_dataset()
    wide = ImplicitALS(n_factors=8).fit(data)
    rows = np.arange(len(data.catalog))
    whole, refitted = ImplicitALS(n_factors=4).fit(data), ImplicitALS(n_factors=4).refit(data, wide, rows)
    np.testing.assert_array_equal(whole.state()["factors"], refitted.state()["factors"])


@pytest.mark.parametrize("seed", [0, 1])
def test_directions_hold_as_much_of_the_ratings(seed: int) -> None:
    data = random_dataset(200, 60)
    later, rows = grown(data, seed)
    base, whole = GraphFilter(rank=12).fit(data), GraphFilter(rank=12).fit(later)
    refitted = GraphFilter(rank=12).refit(later, base, rows)
    held = [float(np.square(model.state()["values"]).sum()) for model in (refitted, whole)]
    assert held[0] >= 0.995 * held[1]
    directions = refitted.state()["directions"]
    np.testing.assert_allclose(directions.T @ directions, np.eye(12), atol=1e-4)


@pytest.mark.parametrize("n_factors", [0, 4])
def test_stars_have_as_low_an_error(n_factors: int) -> None:
    data = random_dataset(200, 60)
    later, rows = grown(data, 0)
    base, whole = Stars(n_factors=n_factors).fit(data), Stars(n_factors=n_factors).fit(later)
    refitted = Stars(n_factors=n_factors).refit(later, base, rows)
    errors = [error_of(model, later) for model in (refitted, whole)]
    assert errors[0] <= errors[1] + 0.002


def error_of(model: Stars, data: Dataset) -> float:
    """RMSE on the ratings learned from."""
    scores = model.score([Query.of(data.ratings, user) for user in range(data.ratings.n_users)])
    users = np.repeat(np.arange(data.ratings.n_users), np.diff(data.ratings.indptr))
    return float(np.sqrt(np.mean(np.square(scores[users, data.ratings.indices] - data.ratings.values))))


def test_a_blend_keeps_its_weights_unless_its_parts_are_others() -> None:
    data = random_dataset()
    rows = np.arange(len(data.catalog))
    parts = {"ease": Ease().fit(data), "itemknn": ItemKNN().fit(data), "popular": Popularity().fit(data)}

    def blend(*names: str) -> Blend:
        return Blend(weights=dict.fromkeys(names, 1.0), content=None).bind(parts)

    earlier = blend("ease", "itemknn").fit(data)
    assert earlier.config.curves is not None
    same = blend("ease", "itemknn").refit(data.with_ratings(data.ratings.of_users(np.arange(30))), earlier, rows)
    assert same.config.curves == earlier.config.curves
    other = blend("ease", "itemknn", "popular").refit(data, earlier, rows)
    assert set(other.config.curves or ()) == {"ease", "itemknn", "popular"}
