from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.errors import SnapshotError
from matinee.models import Content, Query
from matinee.models.features import changed_rows, pack, unpack, words
from support import make_dataset, random_dataset

MOVIES: list[dict[str, object]] = [
    {"movie_id": "a", "title": "Red Dawn", "genres": ["War"], "directors": ["Ann Lee"]},
    {"movie_id": "b", "title": "Blue Dusk", "genres": ["War"], "directors": ["Ann Lee"], "overview": "a robot dreams"},
    {"movie_id": "c", "title": "Green Noon", "genres": ["Comedy"], "overview": "the robot wakes"},
    {"movie_id": "d", "title": "…", "genres": []},
]
ROWS = [("u", "a", 5.0, 0), ("u", "c", 1.0, 86_400)]


def test_cosine_by_hand() -> None:
    """Genres only: films of one genre are equal, of two genres strangers."""
    weights = dict.fromkeys(["decade", "tags", "directors", "writers", "cast", "title", "keywords", "overview"], 0.0)
    model = Content(**weights).fit(make_dataset(ROWS, MOVIES))
    np.testing.assert_allclose(model.similar([0])[0], [1, 1, 0, np.nan], atol=1e-6)
    query = Query(np.array([0]), np.float32([5]))
    np.testing.assert_allclose(model.score([query])[0], [1, 1, 0, np.nan], atol=1e-6)


def test_fields_have_their_weights_whatever_their_length() -> None:
    """Genre 1, director ½: cosine of equal genre and other director is 1/(1 + ¼)."""
    movies = [
        {"movie_id": "a", "title": "…", "genres": ["War", "Drama", "Action"], "directors": ["X"]},
        {"movie_id": "b", "title": "…", "genres": ["War", "Drama", "Action"], "directors": ["Y"]},
    ]
    model = Content(genres=1.0, directors=0.5).fit(make_dataset([("u", "a", 5, None)], movies))
    assert model.similar([0])[0, 1] == pytest.approx(1 / 1.25, abs=1e-6)


def test_disliked_films_count_against() -> None:
    model = Content().fit(make_dataset(ROWS, MOVIES))
    liked = model.score([Query(np.array([0, 2]), np.float32([5, 5]))])[0]
    mixed = model.score([Query(np.array([0, 2]), np.float32([5, 0.5]))])[0]
    hated = model.score([Query(np.array([0, 2]), np.float32([0.5, 0.5]))])[0]
    assert mixed[2] < 0 < liked[2]
    assert np.isfinite(hated[:3]).all()
    assert np.abs(hated[:3]).max() > 0


def test_recent_films_count_more() -> None:
    query = Query(np.array([0, 2]), np.float32([5, 5]), np.array([0, 864_000]))
    data = make_dataset(ROWS, MOVIES)
    flat, recent = Content().fit(data).score([query])[0], Content(half_life=5.0).fit(data).score([query])[0]
    assert recent[2] > flat[2]
    assert recent[0] < flat[0]
    unknown = Query(query.rows, query.ratings, np.array([-1, -1]))
    np.testing.assert_allclose(Content(half_life=5.0).fit(data).score([unknown])[0], flat)
    half = Query(query.rows, query.ratings, np.array([-1, 864_000]))
    np.testing.assert_allclose(Content(half_life=5.0).fit(data).score([half])[0], flat)


def test_new_and_edited_films_are_scored_at_once() -> None:
    data = make_dataset(ROWS, MOVIES)
    model = Content().fit(data)
    edited = Movie(movie_id="c", title="Green Noon", genres=("War",), directors=("Ann Lee",))
    catalog = data.catalog.with_changes([edited, Movie(movie_id="e", title="Dawn Again", genres=("War",))])
    grown = model.with_catalog(catalog)
    query = Query(np.array([0]), np.float32([5]))
    before, after = model.score([query])[0], grown.score([query])[0]
    assert after[2] > before[2]
    assert after[4] > 0
    assert len(after) == 5
    assert len(model.score([query])[0]) == 4
    again = Content.from_state(model.config, model.state(), data.catalog).with_catalog(catalog)
    np.testing.assert_array_equal(again.score([query]), grown.score([query]))
    np.testing.assert_array_equal(changed_rows(data.catalog, catalog), [2, 4])
    twice = grown.with_catalog(catalog.with_changes([Movie(movie_id="f", title="…", genres=("War",))]))
    assert np.isfinite(twice.score([query])[0, 5])
    np.testing.assert_array_equal(grown.with_catalog(catalog).score([query]), grown.score([query]))


def test_scores_of_a_larger_batch() -> None:
    data = random_dataset()
    model = Content().fit(data)
    queries = [Query(np.array([row % 40]), np.float32([4])) for row in range(70)]
    np.testing.assert_allclose(model.score(queries)[69], model.score([queries[69]])[0], rtol=1e-5)
    assert model.contributions(Query(), [0]).shape == (1, 0)


@given(st.lists(st.text(max_size=20), max_size=20))
def test_pack_and_unpack(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert unpack(*pack(texts)) == texts


def test_damaged_words() -> None:
    data = make_dataset(ROWS, MOVIES)
    model = Content().fit(data)
    state = model.state()
    for name, value in (("cuts", state["cuts"][::-1].copy()), ("indices", state["indices"] + np.int32(10_000))):
        with pytest.raises(SnapshotError):
            Content.from_state(model.config, {**state, name: value}, data.catalog)
    bad = state["words"].copy()
    bad[0] = 255
    with pytest.raises(SnapshotError):
        Content.from_state(model.config, {**state, "words": bad}, data.catalog)


def test_words() -> None:
    assert words("The Good, the Bad & l'été_2") == ["good", "bad", "l", "été", "2"]
    assert words(None) == []
