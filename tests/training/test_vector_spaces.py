"""Spaces of a snapshot: made at training, searched, and followed while films are written."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from encoded_home import own_copy, train_home
from matinee.classic import recommend_similar
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.errors import InvalidInputError, MediaTypeError, UnknownMovieError
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry
from matinee.training.pipeline import train_dataset
from matinee.training.poster_index import index_posters
from support import random_dataset
from tiny_models import IMAGE_DIM, picture

KINDS = ("exact", "faiss", "annoy", "hnsw")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose snapshot has all four spaces; films m0…m29 have a poster."""
    return train_home(tmp_path_factory.mktemp("spaces"), 30)


@pytest.fixture
def settings(home: Path, tmp_path: Path) -> Settings:
    return own_copy(home, tmp_path)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with Engine.open(settings) as opened:
        yield opened


def found(engine: Engine, image: bytes, k: int = 3, **options: object) -> list[str]:
    return [hit.item.movie_id for hit in engine.search_posters(image, k=k, **options)]  # type: ignore[arg-type]


def test_a_snapshot_has_every_space_with_its_map_and_indexes(settings: Settings) -> None:
    shelf = SnapshotRegistry(settings.snapshots_dir)
    snapshot = Snapshot.load(shelf.root, str(shelf.current()))
    assert set(snapshot.spaces) == {"text", "poster", "content", "taste", "blend"}
    assert len(snapshot.spaces["poster"].movies) == 30
    assert len(snapshot.spaces["text"].movies) == len(snapshot.spaces["content"].movies) == 40
    for name, space in snapshot.spaces.items():
        np.testing.assert_allclose(np.linalg.norm(space.vectors, axis=1), 1, atol=1e-5)
        assert space.layout.shape == (len(space.movies), 2)
        assert np.abs(space.layout).max() == pytest.approx(1)
        assert set(space.stored) == {"faiss", "annoy", "hnsw"}
        assert snapshot.manifest.spaces[name].count == len(space.movies)
    assert {name for name, space in snapshot.spaces.items() if space.encoder} == {"text", "poster"}
    assert set(snapshot.dataset.vectors) == {"text", "poster"}
    assert shelf.verify(snapshot.id) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_poster_finds_itself_first_by_every_index(engine: Engine, kind: str) -> None:
    for number in (0, 7, 29):
        hits = engine.search_posters(picture(number), k=3, index=kind)
        assert hits[0].item.movie_id == f"m{number}"
        assert hits[0].similarity == pytest.approx(1, abs=1e-3)
        assert hits[0].distance == pytest.approx(0, abs=0.05)
        assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)
    others = found(engine, picture(7), exclude_self=True, index=kind)
    assert len(others) == 3
    assert "m7" not in others
    assert found(engine, picture(7), k=40, index=kind, filter='genre = "Drama"') == [
        movie_id for movie_id in found(engine, picture(7), k=40) if int(movie_id[1:]) % 2 == 0
    ]


def test_vectors_of_both_lengths_are_taken_and_no_others(engine: Engine) -> None:
    encoder_vector = engine.encoders.image(picture(4), engine.request_view().spaces["poster"].space)
    raw = [hit.item.movie_id for hit in engine.search_posters(vector=encoder_vector.tolist())]
    assert raw[0] == "m4"
    live = engine.request_view().spaces["poster"]
    own = live.vector(4)
    assert own is not None
    if live.space.dim != IMAGE_DIM:
        assert [hit.item.movie_id for hit in engine.search_posters(vector=own)] == raw
    for bad in ([1.0], [0.0] * IMAGE_DIM, [float("nan")] * IMAGE_DIM, [float("inf")] * IMAGE_DIM, []):
        with pytest.raises(InvalidInputError):
            engine.search_posters(vector=bad)
    for k in (0, -1, 10**9):
        with pytest.raises(InvalidInputError, match="k is"):
            engine.search_posters(picture(1), k=k)
    with pytest.raises(InvalidInputError, match="image or a vector"):
        engine.search_posters()
    with pytest.raises(MediaTypeError):
        engine.search_posters(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")


def test_similar_by_every_likeness_and_index(engine: Engine) -> None:
    for by in ("taste", "content", "poster", "blend"):
        exact = engine.similar("m2", by=by, n=5, index="exact")
        assert len(exact.items) == 5
        for kind in ("faiss", "annoy", "hnsw"):
            answer = engine.similar("m2", by=by, n=5, index=kind)
            assert len(answer.items) == 5
            assert (answer.index, answer.model) == (kind, by)
            # The same question, whatever is asked: ten films are few enough for every index to find.
            assert [(item.movie_id, item.score) for item in answer.items] == [
                (item.movie_id, item.score) for item in exact.items
            ]
            assert "m2" not in [item.movie_id for item in answer.items]
            assert all(
                item.genres == ("Comedy",)
                for item in engine.similar("m2", by=by, n=3, index=kind, filter='genre = "Comedy"').items
            )
    without = engine.similar("m35", by="poster")
    assert (without.fallback, without.model) == ("content", "content")


def test_a_film_with_a_poster_is_found_by_it_at_once_and_in_other_processes_too(
    engine: Engine, settings: Settings
) -> None:
    engine.put_movies(
        [Movie(movie_id="new", title="Ghost Ship", genres=("Drama",), overview="a ship of storm and sea")]
    )
    assert engine.put_poster("new", picture(500))
    with Engine.open(settings) as other:
        for one in (engine, other):
            for kind in KINDS:
                assert found(one, picture(500), index=kind)[0] == "new"
            assert one.similar("new", by="poster").model == "poster"
            assert one.similar("new", by="content", index="faiss").index == "faiss"
        engine.put_poster("m3", picture(600))
        assert found(other, picture(600))[0] == "m3"
        assert "m3" not in found(other, picture(3), k=1)
        engine.delete_poster("m3")
        assert "m3" not in found(other, picture(600), k=30)
        engine.delete_movie("new")
        assert "new" not in found(other, picture(500), k=30)
    with pytest.raises(UnknownMovieError):
        engine.put_poster("nobody", picture(1))


def test_the_content_model_follows_a_poster_at_once(engine: Engine) -> None:
    def likeness() -> float:
        content = engine.request_view().models["content"]
        scores = content.similar([2])
        assert scores is not None
        return float(scores[0, 35])

    before = likeness()
    engine.put_poster("m35", picture(2))  # the very picture of m2
    with_poster = likeness()
    assert with_poster > before
    engine.delete_poster("m35")
    assert likeness() == pytest.approx(before, abs=1e-6)


def test_the_vector_of_an_edited_film_follows_its_text(engine: Engine, settings: Settings) -> None:
    def vector(one: Engine) -> np.ndarray:  # type: ignore[type-arg]
        found = one.request_view().spaces["text"].vector(5)
        assert found is not None
        return np.asarray(found)

    before = vector(engine)
    engine.patch_movie("m5", {"year": 1999})
    engine.patch_movie("m5", {"overview": "the lighthouse keeper"})
    changed = vector(engine)
    assert not np.allclose(before, changed, atol=0.01)
    with Engine.open(settings) as other:
        np.testing.assert_allclose(vector(other), changed, atol=1e-5)
    original = random_dataset().catalog.movie(5)
    engine.put_movies([original])
    np.testing.assert_allclose(vector(engine), before, atol=2e-3)


def test_without_its_encoder_a_film_is_stored_all_the_same(settings: Settings) -> None:
    with Engine.open(settings.model_copy(update={"text_encoder": "off", "image_encoder": "off"})) as engine:
        engine.put_movies([Movie(movie_id="new", title="Story of the Laughing Ship", genres=("Comedy",))])
        engine.patch_movie("m5", {"overview": "the lighthouse keeper"})
        assert engine.search("Laughing Ship", by="title")[0].movie.movie_id == "new"
        view = engine.request_view()
        assert view.spaces["text"].vector(5) is None  # made of a record that is no longer true
        assert view.spaces["text"].vector(6) is not None
        assert not engine.put_poster("new", picture(1))


def test_the_map_has_every_film_in_service(engine: Engine) -> None:
    for space in ("content", "taste", "text", "poster"):
        found = engine.film_map(space)
        assert (found.space, found.method) == (space, "neighbors")
        assert len(found.movie_ids) == len(found.rows) == len(found.points)
    engine.delete_movie("m0")
    assert "m0" not in engine.film_map("content").movie_ids
    with pytest.raises(InvalidInputError, match="no space 'people'"):
        engine.film_map("people")


def test_of_very_many_films_the_map_has_the_most_rated(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, counts = engine.film_map("content"), engine.request_view().stats.counts
    monkeypatch.setattr("matinee.engine.browse.MAX_ON_MAP", 5)
    some = engine.film_map("content")
    assert len(some.rows) == 5
    assert (np.diff(some.rows) > 0).all()
    assert counts[some.rows].min() >= np.sort(counts[whole.rows])[::-1][4]
    np.testing.assert_array_equal(some.points, whole.points[np.isin(whole.rows, some.rows)])


def test_posters_are_indexed_without_training_anew(settings: Settings) -> None:
    shelf = PosterStore.of(settings, "random")
    before = SnapshotRegistry(settings.snapshots_dir).current()
    assert index_posters(settings) == before  # nothing is new
    shelf.put("m35", picture(35))
    shelf.put("m2", picture(700))
    with Engine.open(settings) as serving:
        assert serving.put_poster("m2", picture(2))  # an older picture, put over HTTP
        made = index_posters(settings)
        assert made == SnapshotRegistry(settings.snapshots_dir).current() != before
        serving.promote(made)
        assert found(serving, picture(35))[0] == "m35"
        assert found(serving, picture(700))[0] == "m2"
        assert "m2" not in found(serving, picture(2), k=1)
        shelf.remove("m35")
        serving.promote(index_posters(settings))
        assert "m35" not in found(serving, picture(35), k=40)
        assert [model["name"] for model in serving.models()]


def test_broken_posters_are_left_out_and_told(settings: Settings) -> None:
    shelf = PosterStore.of(settings, "random")
    path = shelf.path("m4")
    assert path is not None
    path.write_bytes(picture(4)[:200])
    made = index_posters(settings)
    notes = SnapshotRegistry(settings.snapshots_dir).show(made).report.notes
    assert any("1 posters cannot be read" in note for note in notes)
    with Engine.open(settings) as engine:
        assert "m4" not in found(engine, picture(4), k=40)


def test_an_index_whose_library_is_gone_is_not_offered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "annoy" else there(name, *rest))
    with Engine.open(settings) as engine:
        assert engine.indexes("content") == ("exact", "faiss", "hnsw")
        with pytest.raises(
            InvalidInputError, match=r"annoy.*not installed.*Use index=exact or faiss or hnsw, or install"
        ):
            engine.similar("m2", by="content", index="annoy")
        answer = recommend_similar(engine, "annoy", 3, engine.movie("m2").title)  # as of old: the exact search answers
        assert (answer.space, answer.index, len(answer.items)) == ("content", "exact", 3)


def test_a_snapshot_without_spaces_says_so(settings: Settings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"data_dir": tmp_path / "bare", "text_encoder": "off", "image_encoder": "off"})
    train_dataset(bare, random_dataset())
    with Engine.open(bare) as engine:
        with pytest.raises(InvalidInputError, match=r"no space 'poster'.*matinee posters add"):
            engine.search_posters(picture(1))
        assert engine.search("Laughing")
        assert engine.similar("m1", by="taste", index="hnsw").index == "hnsw"
