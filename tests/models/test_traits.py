from __future__ import annotations

import numpy as np
import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.models.calibration import KINDS, Traits

FILMS = [
    Movie(movie_id="a", title="A", year=1994, genres=("Drama", "War"), countries=("France", "Italy", "Spain")),
    Movie(movie_id="b", title="B", year=1989, genres=("drama",), languages=("French",)),
    Movie(movie_id="c", title="C"),
    Movie(movie_id="d", title="D", year=2000, genres=("Drama", "Drama", "DRAMA")),
]


def table(traits: Traits) -> list[dict[str, float]]:
    """Of each film its traits by name, "kind:word"."""
    names = [f"{KINDS[kind]}:{word}" for kind, word in traits.names]
    return [
        {names[trait]: round(float(share), 6) for trait, share in zip(row.indices, row.data, strict=True)}
        for row in traits.matrix
    ]


def test_each_kind_of_a_film_shares_one() -> None:
    assert table(Traits.of(Catalog.of(FILMS))) == [
        {
            "genres:drama": 0.5,
            "genres:war": 0.5,
            "decade:1990s": 1.0,
            **{f"countries:{name}": 0.333333 for name in ("france", "italy", "spain")},
        },
        {"genres:drama": 1.0, "languages:french": 1.0, "decade:1980s": 1.0},
        {},
        {"genres:drama": 1.0, "decade:2000s": 1.0},
    ]


def test_entries_sums_and_films() -> None:
    traits = Traits.of(Catalog.of(FILMS))
    positions, numbers, shares = traits.entries(np.array([3, 2, 0]))
    assert positions.tolist() == [0, 0, 2, 2, 2, 2, 2, 2]
    assert shares.sum() == pytest.approx(5)
    total = traits.total(np.array([3, 2, 0]), np.array([1.0, 7.0, 2.0]))
    assert np.allclose(total, traits.matrix[[3, 0]].T @ np.array([1.0, 2.0]))
    assert total[numbers].all()
    drama = traits.names.index((0, "drama"))
    assert traits.movies(drama).tolist() == [0, 1, 3]
    assert traits.total(np.zeros(0, dtype=np.int64), np.zeros(0)).tolist() == [0.0] * len(traits.names)


def test_a_grown_catalogue_is_like_a_new_one() -> None:
    old = Catalog.of(FILMS)
    changed = [
        Movie(movie_id="b", title="B", genres=("Western",), countries=("Italy",)),
        Movie(movie_id="e", title="E", year=2024, languages=("Korean", "French")),
    ]
    new = old.with_changes(changed, ["a"])
    rows = new.changed_since(old)
    assert rows is not None
    assert table(Traits.of(old).with_catalog(new, rows)) == table(Traits.of(new))
    same = Traits.of(old)
    assert table(same.with_catalog(old, np.zeros(0, dtype=np.int64))) == table(same)


def test_films_of_which_nothing_is_known() -> None:
    traits = Traits.of(Catalog.of([Movie(movie_id="a", title="A"), Movie(movie_id="b", title="B")]))
    assert traits.names == ()
    assert traits.matrix.shape == (2, 0)
    assert traits.total(np.arange(2), np.ones(2)).tolist() == []
    assert Traits.of(Catalog.of([])).matrix.shape == (0, 0)
