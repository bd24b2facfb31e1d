from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.models.genre_cover import HEAD, POOL, cover_genres

GENRES = [[], ["Drama"], ["Comedy"], ["Drama", "Comedy"], ["War"]]


def test_by_hand() -> None:
    """Eight dramas before two comedies: the first comedy climbs as soon as drama is over its due."""
    genres = [["Drama"]] * 8 + [["Comedy"]] * 2
    scores = np.array([10.0, 9.9, 9.8, 9.7, 9.6, 9.5, 9.4, 9.3, 9.2, 9.1])
    rows, made = cover_genres(np.arange(10), scores, genres, 0.5)
    # Due: drama 10·77.2/95.5 = 8.08, comedy 10·18.3/95.5 = 1.92. With one drama taken the next is worth
    # 9.9·(1 + 1/8.08)^−½ = 9.34, with two 8.77, the comedy 9.2, and once it is taken 9.1·(1 + 1/1.92)^−½ = 7.38.
    assert rows.tolist() == [0, 1, 8, 2, 3, 4, 5, 9, 6, 7]
    np.testing.assert_allclose(made[:3], [10, 9.9 * (1 + 10 * 1 / 80.838) ** -0.5, 9.2], rtol=1e-3)


def test_the_first_ten_are_not_of_one_genre() -> None:
    genres = [["Sci-Fi"]] * 60 + [["Romance"], ["War"], ["Comedy"]] * 20
    scores = np.linspace(100, 50, 120)
    heads = [cover_genres(np.arange(120), scores, genres, strength)[0][:10] for strength in (0.0, 0.2, 1.0)]
    counted = [sum(genres[row] == ["Sci-Fi"] for row in head.tolist()) for head in heads]
    assert counted[0] == 10
    assert counted == sorted(counted, reverse=True)
    assert counted[2] <= 7  # its share of the 100 best is ⅔, and they are the best of these
    assert heads[1][0] == heads[2][0] == 0


def test_films_of_several_genres_and_of_none() -> None:
    rows, _ = cover_genres(np.array([3, 1, 0, 2]), np.array([4.0, 3.9, 3.8, 3.7]), GENRES, 1.0)
    assert rows[0] == 3  # a drama and a comedy
    assert rows[1] == 0  # neither
    alone, _ = cover_genres(np.arange(5), np.arange(5, 0, -1.0), [[]] * 5, 1.0)
    assert alone.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("scores", [[], [2.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -2.0, -9.0], [1e-300] * 4])
def test_odd_scores(scores: list[float]) -> None:
    rows, made = cover_genres(np.arange(len(scores)), np.array(scores), GENRES * 20, 0.7)
    assert sorted(rows.tolist()) == list(range(len(scores)))
    assert np.isfinite(made).all()
    assert (np.diff(made) < 0).all()


@given(
    st.lists(st.tuples(st.floats(0.01, 1e6), st.sampled_from(GENRES)), max_size=POOL + 40),
    st.sampled_from([0.0, 0.2, 1.0, 5.0]),
    st.integers(0, POOL + 40),
)
def test_an_order_of_the_same_films(films: list[tuple[float, list[str]]], strength: float, n: int) -> None:
    scores = np.array(sorted((score for score, _ in films), reverse=True))
    genres, rows = [names for _, names in films], np.arange(len(films))
    found, made = cover_genres(rows, scores, genres, strength)
    assert sorted(found.tolist()) == rows.tolist()
    assert made.dtype == np.float32
    assert (np.diff(made) < 0).all()
    if strength == 0:
        assert found.tolist() == rows.tolist()
    if len(films):
        assert found[0] == 0 or strength
    # Beyond the pool the order stays; a longer list begins with the shorter one.
    assert found[POOL:].tolist() == rows[POOL:].tolist()
    if n >= POOL:
        again = cover_genres(rows[:n], scores[:n], genres, strength)[0]
        assert again.tolist() == found[: len(again)].tolist()


def test_only_the_head_looks_at_genres_one_by_one() -> None:
    genres = [["Drama"]] * POOL
    rows, _ = cover_genres(np.arange(POOL), np.linspace(9, 1, POOL), genres, 1.0)
    assert rows[: HEAD + 5].tolist() == list(range(HEAD + 5))
