from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.data.ratings import Ratings
from matinee.data.vectors import MovieVectors
from matinee.errors import DataError, SnapshotError
from matinee.models import Content, Query
from matinee.models.content import words as words_module
from matinee.models.content.model import profile_weights
from matinee.models.content.words import changed_rows, pack, unpack, words
from matinee.models.preference import StarScale
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
    assert mixed[2] < liked[2] / 2
    assert (hated[:3] < 0).any()
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


def cross(rows: list[int]) -> MovieVectors:
    """Up to four directions at right angles, whose mean is 0: nothing changes when it is taken off."""
    return MovieVectors(np.array(rows, dtype=np.int64), np.float32([[1, 0], [-1, 0], [0, 1], [0, -1]])[: len(rows)])


def described() -> Dataset:
    """MOVIES, in which d has no words, with texts for all four and posters for a and c."""
    vectors = {"text": cross([0, 1, 2, 3]), "poster": cross([0, 2])}
    return replace(make_dataset(ROWS, MOVIES), vectors=vectors)


ONLY = dict.fromkeys(["decade", "tags", "writers", "cast", "title", "keywords", "overview", "directors"], 0.0)


def test_vectors_by_hand() -> None:
    """Genre 1, text 2, poster ½: (1·[same genre] + 4·cos_text + ¼·cos_poster) / 5¼, lacking fields counting 0."""
    model = Content(genres=1.0, text=2.0, poster=0.5, **ONLY).fit(described())
    expected = np.array([[5.25, 1 - 4, 0 - 0.25, 0], [-3, 5, 0, 0], [-0.25, 0, 5.25, -4], [0, 0, -4, 4]]) / 5.25
    np.testing.assert_allclose(model.similar([0, 1, 2, 3]), expected, atol=1e-6)
    every = np.arange(4)
    np.testing.assert_allclose(model.similarity(every, every), expected, atol=1e-6)
    query = Query(np.array([0, 2]), np.float32([5, 5]))
    np.testing.assert_allclose(model.score([query])[0], (expected[0] + expected[2]) / 2, atol=1e-6)
    shares = model.contributions(query, [0, 1, 2, 3])
    np.testing.assert_allclose(shares, expected[:, [0, 2]] / 2, atol=1e-6)


def test_what_all_vectors_have_in_common_counts_nothing() -> None:
    lifted = np.hstack([cross([0, 1, 2, 3]).vectors, np.full((4, 1), 3, dtype=np.float32)])
    lifted /= np.linalg.norm(lifted, axis=1, keepdims=True)
    data = replace(described(), vectors={"text": MovieVectors(np.arange(4), lifted)})
    plain = replace(described(), vectors={"text": cross([0, 1, 2, 3])})
    settings = {"genres": 1.0, "text": 1.0, **ONLY}
    np.testing.assert_allclose(
        Content(**settings).fit(data).similar([0, 3]), Content(**settings).fit(plain).similar([0, 3]), atol=1e-6
    )


def test_fields_of_weight_0_and_other_spaces_are_left_out() -> None:
    data = described()
    plain = Content().fit(replace(data, vectors={}))
    for model in (
        Content(text=0.0, poster=0.0).fit(data),
        Content().fit(replace(data, vectors={"taste": cross([0, 1])})),
        Content().fit(
            replace(data, vectors={"text": MovieVectors(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))})
        ),
    ):
        assert model.state().keys() == plain.state().keys()
        np.testing.assert_array_equal(model.similar([0, 1, 2, 3]), plain.similar([0, 1, 2, 3]))


def test_vectors_are_mapped_not_copied(tmp_path: Path) -> None:
    data = described()
    model = Content().fit(data)
    state = model.state()
    for name, values in state.items():
        np.save(tmp_path / f"{name}.npy", values, allow_pickle=False)
    mapped = {name: np.asarray(np.load(tmp_path / f"{name}.npy", mmap_mode="r")) for name in state}
    again = Content.from_state(model.config, mapped, data.catalog)
    grown = again.with_catalog(data.catalog.with_changes([Movie(movie_id="e", title="…")]), {"text": cross([4])})
    for found in (again, grown):
        for space in ("text", "poster"):
            assert np.shares_memory(found._dense[space].base.vectors, mapped[f"{space}_vectors"])
    np.testing.assert_array_equal(again.similar([0, 3]), model.similar([0, 3]))
    grown_again = Content.from_state(grown.config, grown.state(), grown._catalog)
    np.testing.assert_array_equal(grown_again.similar([0, 4]), grown.similar([0, 4]))


def test_new_and_edited_films_bring_their_vectors() -> None:
    """Rows 1 and 4 are put with texts; 1 had another, 4 is new. Row 0 is put without: it has none any more."""
    data = described()
    model = Content(genres=0.0, text=1.0, poster=1.0, countries=0.0, languages=0.0, **ONLY).fit(data)
    put = [data.catalog.movie(0), data.catalog.movie(1), Movie(movie_id="e", title="…")]
    catalog = data.catalog.with_changes(put)
    grown = model.with_catalog(catalog, {"text": MovieVectors(np.array([1, 4]), np.float32([[0, 1], [1, 0]]))})
    found = grown.similar([2, 4])
    np.testing.assert_allclose(found[0], np.array([-1, 1, 2, -1, 0]) / 2, atol=1e-6)  # a has its poster still
    np.testing.assert_allclose(found[1], np.array([0, 0, 0, 0, 1]) / 2, atol=1e-6)
    assert np.isfinite(model.with_catalog(catalog).similar([1])[0, :4]).all(), "nothing said: the old vector holds"
    assert np.isnan(model.with_catalog(catalog).similar([1])[0, 4])
    same = Movie(movie_id="e", title="…")
    catalog = catalog.with_changes([same])
    again = grown.with_catalog(catalog, {"text": MovieVectors(np.array([4]), np.float32([[0, 1]]))})
    np.testing.assert_allclose(again.similar([4])[0], np.array([0, 1, 1, -1, 1]) / 2, atol=1e-6)
    catalog = catalog.with_changes([same])
    assert np.isnan(again.with_catalog(catalog, {"text": cross([])}).similar([4])).all()
    with pytest.raises(DataError, match="3 values"):
        model.with_catalog(catalog, {"text": MovieVectors(np.array([4]), np.ones((1, 3), dtype=np.float32))})


def test_damaged_vectors() -> None:
    data = described()
    model = Content().fit(data)
    state = model.state()
    for name, value in (
        ("text_rows", state["text_rows"][::-1].copy()),
        ("text_rows", state["text_rows"] + 1),
        ("poster_mean", state["poster_mean"][:-1]),
    ):
        with pytest.raises(SnapshotError):
            Content.from_state(model.config, {**state, name: value}, data.catalog)


def test_who_liked_nothing_is_led_away_from_what_was_disliked() -> None:
    data = random_dataset()
    scale, everything = StarScale.of(data), np.ones(3, dtype=np.bool_)
    hated = Query(np.arange(3), np.full(3, data.scale[0], dtype=np.float32))
    weights = profile_weights(hated, everything, scale, None)
    np.testing.assert_allclose(weights, [-1 / 3] * 3, rtol=1e-6)
    model = Content().fit(data)
    assert float(model.score([hated])[0, :3].max()) < 0


def test_a_history_that_says_nothing_weighs_nothing() -> None:
    nothing = Query(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    weights = profile_weights(nothing, np.zeros(0, dtype=np.bool_), StarScale.of(random_dataset()), None)
    assert weights.shape == (0,)


def test_movies_may_be_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_dataset(20, 50)
    edited = data.catalog.movie(3).model_copy(update={"genres": ("Western",)})
    catalog = data.catalog.with_changes([edited, Movie(movie_id="new", title="The Weeping", genres=("Drama",))])
    for whole in (data, replace(data, catalog=catalog, ratings=replace_n_items(data.ratings, len(catalog)))):
        expected = Content().fit(whole)
        with monkeypatch.context() as context:
            context.setattr(words_module, "_AT_ONCE", 7)
            found = Content().fit(whole)
        assert (found.item_vectors != expected.item_vectors).nnz == 0
        assert found.item_vectors.shape == (len(whole.catalog), expected.item_vectors.shape[1])


def replace_n_items(ratings: Ratings, n_items: int) -> Ratings:
    return Ratings(ratings.user_ids, ratings.indptr, ratings.indices, ratings.values, ratings.times, n_items)
