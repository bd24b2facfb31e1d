"""Data sets that are hardly any: each the smallest, emptiest or most even of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors
from support import make_dataset, random_dataset

Row = tuple[str, str, float, int | None]

FEATURELESS = "films without genres, years or words"


def films(n: int, *, features: bool = True) -> list[dict[str, object]]:
    """Films m0, m1 …: with features two genres, a year and a title of words; without, a title that says nothing."""
    known = [
        {"title": f"Story of the {'Laughing' if i % 2 else 'Weeping'}", "year": 1980 + i % 40, "genres": [kind]}
        for i, kind in enumerate(["Drama", "Comedy"] * ((n + 1) // 2))
    ]
    blank: list[dict[str, object]] = [{"title": "…", "year": None, "genres": []}] * n
    return [{"movie_id": f"m{i}", **(known if features else blank)[i]} for i in range(n)]


def table(pairs: Iterable[tuple[int, int]], stars: float = 4.0, *, n_films: int, features: bool = True) -> Dataset:
    """Users who gave all their films the same stars."""
    rows: list[Row] = [(f"u{user}", f"m{film}", stars, None) for user, film in pairs]
    return make_dataset(rows, films(n_films, features=features))


def varied(n_users: int, n_films: int, *, features: bool = True) -> Dataset:
    """Everybody has rated every film, from 1 to 5 stars."""
    rng = np.random.default_rng(5)
    stars = rng.integers(1, 6, (n_users, n_films)).tolist()
    pairs = [(user, film) for user in range(n_users) for film in range(n_films)]
    rows: list[Row] = [(f"u{u}", f"m{i}", float(stars[u][i]), 10**9 + u) for u, i in pairs]
    return make_dataset(rows, films(n_films, features=features))


def implicit(dataset: Dataset) -> Dataset:
    """The same films, seen instead of rated: as the readers make it of a table without ratings."""
    old = dataset.ratings
    seen = Ratings(old.user_ids, old.indptr, old.indices, np.ones_like(old.values), old.times, old.n_items)
    return replace(dataset, ratings=seen, scale=(1.0, 1.0))


def _issue() -> Dataset:
    """As reported: 200 users, 150 films, all ratings equal; the first Lanczos step then ended the training."""
    rng = np.random.default_rng(0)
    pairs = [(user, film) for user in range(200) for film in range(150) if rng.random() < 0.1]
    return table(pairs, n_films=150)


def _blocks() -> Dataset:
    """Two crowds: of each everybody has rated the same 60 films. More than is decomposed densely, but of rank 2."""
    return table([(u, i) for u in range(150) for i in range(120) if u % 2 == i % 2], n_films=120)


_MOST = [(user, film) for user in range(8) for film in range(6) if user != film]

DEGENERATE: dict[str, Callable[[], Dataset]] = {
    "seen without stars": lambda: implicit(random_dataset()),
    "200 users and 150 films of equal ratings": _issue,
    "two crowds of one mind each": _blocks,
    "all ratings 0 of 5": lambda: replace(table(_MOST, 0.0, n_films=8), scale=(0.0, 5.0)),
    "all ratings the lowest": lambda: table(_MOST, 0.5, n_films=8),
    "one user": lambda: random_dataset(n_users=1, n_items=30, density=0.4),
    "one user, everything rated": lambda: varied(1, 12),
    "one film": lambda: varied(12, 1),
    "one film rated of many": lambda: table([(u, 3) for u in range(12)], n_films=9),
    "one rating": lambda: table([(0, 0)], n_films=1),
    "one rating of many films": lambda: table([(0, 1)], n_films=6),
    "three ratings": lambda: make_dataset(
        [("u0", "m0", 5, None), ("u0", "m1", 2, None), ("u1", "m0", 4, None)], films(4)
    ),
    "two users with nothing in common": lambda: make_dataset(
        [(f"u{u}", f"m{6 * u + i}", 1.0 + i % 5, None) for u in range(2) for i in range(6)], films(12)
    ),
    "everybody another film": lambda: table([(u, u) for u in range(20)], n_films=20),
    "everything rated by everybody": lambda: varied(12, 8),
    "everything rated by everybody, more films than users": lambda: varied(6, 20),
    "everything seen by everybody": lambda: implicit(varied(12, 8)),
    "users who are all alike": lambda: make_dataset(
        [(f"u{u}", f"m{i}", 1.0 + i % 5, None) for u in range(15) for i in range(7)], films(10)
    ),
    FEATURELESS: lambda: make_dataset(_rows(random_dataset(n_users=30, n_items=20)), films(20, features=False)),
    "one featureless film": lambda: varied(3, 1, features=False),
}
"""What it is → how it is made."""


def _rows(dataset: Dataset) -> list[Row]:
    frame = dataset.ratings.to_frame(dataset.catalog)
    return [(user, film, stars, time) for user, film, stars, time in frame.iter_rows()]


def with_vectors(dataset: Dataset) -> Dataset:
    """Vectors of texts that are all the same, and a poster of the first film alone: the least that spaces can be."""
    n = len(dataset.catalog)
    same = np.zeros((n, 4), dtype=np.float32)
    same[:, 0] = 1
    poster = np.array([[0.6, 0.8, 0.0]], dtype=np.float32)
    first = np.zeros(1, dtype=np.int64)
    return replace(dataset, vectors={"text": MovieVectors(np.arange(n), same), "poster": MovieVectors(first, poster)})
