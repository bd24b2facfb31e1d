"""Every model that ranks by a history goes by the stars in it: likes pull, dislikes push."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matinee.data.dataset import Dataset
from matinee.models import Model, Query, default_lineup
from support import random_dataset

RANKING = ("itemknn", "ease", "edlae", "ials", "graph", "content", "userkernel", "coldstart", "blend")
"""Models of the line-up that go by the history; `watched` is there for those who ask what people watch together."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Two tastes: films of even and of odd numbers."""
    return random_dataset(150, 60, 0.25, seed=5)


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> dict[str, Model[Any]]:
    done: dict[str, Model[Any]] = {}
    for name, model in default_lineup(data).items():
        done[name] = (model.bind(done) if model.parts else model).fit(data)
    return done


def by_taste(data: Dataset) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    number = np.array([int(movie_id[1:]) for movie_id in data.catalog.column("movie_id")])
    return np.flatnonzero(number % 2 == 0), np.flatnonzero(number % 2 == 1)


def nearer(model: Model[Any], query: Query, own: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """How much higher the unseen films of one taste stand than those of the other, in deviations of the scores."""
    scores = model.score([query])[0]
    own, other = np.setdiff1d(own, query.rows), np.setdiff1d(other, query.rows)
    return float((np.nanmean(scores[own]) - np.nanmean(scores[other])) / np.nanstd(scores))


@pytest.mark.parametrize("name", RANKING)
def test_turning_stars_round_turns_neighbors_round(name: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    if name not in fitted:
        pytest.skip("made where there are vectors")
    even, odd = by_taste(data)
    rows = even[:4].astype(np.int64)
    loved = nearer(fitted[name], Query(rows, np.full(4, 5, np.float32)), even, odd)
    hated = nearer(fitted[name], Query(rows, np.full(4, 0.5, np.float32)), even, odd)
    assert loved > 0 > hated


@pytest.mark.parametrize("name", RANKING)
def test_mixed_stars_follow_what_is_loved(name: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    if name not in fitted:
        pytest.skip("made where there are vectors")
    even, odd = by_taste(data)
    rows = np.concatenate([even[:3], odd[:3]]).astype(np.int64)
    stars = np.repeat(np.float32([5, 1]), 3)
    assert nearer(fitted[name], Query(rows, stars), even, odd) > 0
    assert nearer(fitted[name], Query(rows, stars[::-1].copy()), even, odd) < 0


@pytest.mark.parametrize("name", RANKING)
def test_a_film_that_says_little_changes_little(name: str, fitted: dict[str, Model[Any]], data: Dataset) -> None:
    """A film 1.5 deviations below the user's mean, the neutral point, moves the scores less than a loved one does."""
    if name not in fitted or name == "userkernel":
        pytest.skip("made where there are vectors; or not linear in the history")
    model = fitted[name]
    even, odd = by_taste(data)
    base = Query(even[:5].astype(np.int64), np.float32([5, 4, 5, 4, 4]))

    def moved(stars: float) -> float:
        more = Query(np.append(base.rows, odd[0]), np.append(base.ratings, np.float32(stars)))
        return nearer(model, base, even, odd) - nearer(model, more, even, odd)

    assert moved(2.5) < moved(5.0)
    assert moved(0.5) < moved(5.0)


def test_the_default_lists_other_films_for_a_hate_than_for_a_love(fitted: dict[str, Model[Any]], data: Dataset) -> None:
    even, _ = by_taste(data)
    for row in even[:5].tolist():
        rows = np.array([row], dtype=np.int64)
        loved, hated = (fitted["blend"].top(Query(rows, np.float32([stars])), n=10) for stars in (5, 0.5))
        assert loved != hated


@pytest.mark.parametrize("name", RANKING)
def test_one_film_that_is_hated_does_not_push_its_neighbors_up(
    name: str, fitted: dict[str, Model[Any]], data: Dataset
) -> None:
    """Case dislike: the same film hated and loved, as the only history."""
    if name not in fitted:
        pytest.skip("made where there are vectors")
    even, _ = by_taste(data)
    n = len(data.catalog)
    for row in even[:5].tolist():
        rows = np.array([row], dtype=np.int64)
        ranks = {}
        for stars in (5.0, 0.5):
            query = Query(rows, np.float32([stars]))
            assert fitted[name].fallback(query) is None
            scores = fitted[name].score([query])[0]
            scores[row] = np.nan
            order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
            ranks[stars] = np.empty(n)
            ranks[stars][order] = np.arange(n)
        loved = np.flatnonzero(ranks[5.0] < 10)
        assert set(loved) != set(np.flatnonzero(ranks[0.5] < 10))
        assert ranks[0.5][loved].mean() > n / 3, "those that are listed for a love stand low for a hate"


def test_seen_without_stars_is_a_mild_like(fitted: dict[str, Model[Any]], data: Dataset) -> None:
    even, odd = by_taste(data)
    rows = even[:4].astype(np.int64)
    unknown = Query(rows, np.full(4, np.nan, dtype=np.float32))
    for name in ("itemknn", "edlae", "graph", "content"):
        assert nearer(fitted[name], unknown, even, odd) > 0
