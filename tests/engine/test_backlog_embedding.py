"""The backlog within one process: what is embedded when, and what is not, whatever happens in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoded_home import own_copy, train_home
from matinee._util.lazy import Lazy
from matinee.api.routes import posters as routes
from matinee.data.catalog import Movie
from matinee.encoders.base import TextEncoder, Vectors
from matinee.engine import Engine
from matinee.errors import EncoderError, InvalidInputError, StoreError
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.stores.base import MovieVector
from tiny_models import picture


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_home(tmp_path_factory.mktemp("backlog"), 12)


@pytest.fixture
def settings(home: Path, tmp_path: Path) -> Settings:
    return own_copy(home, tmp_path)


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("matinee.engine.embedding_backlog.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("matinee.engine.embedding_backlog.LONGEST_PAUSE", 0.1)
    monkeypatch.setattr("matinee.engine.embedding_backlog.IDLE", 0.1)
    with Engine.open(settings) as opened:
        yield opened


class Switched:
    """A text encoder that can be taken away, and calls somebody before it answers."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.id, self.dim, self._encoder = encoder.id, encoder.dim, encoder
        self.away = False
        self.calls: list[list[str]] = []
        self.before: Callable[[Sequence[str]], None] = lambda texts: None

    def encode(self, texts: Sequence[str], progress: Any = None) -> Vectors:
        if self.away:
            raise EncoderError("The encoder is away.", "Wait.")
        self.calls.append(list(texts))
        self.before(texts)
        return self._encoder.encode(texts)


@pytest.fixture
def encoder(engine: Engine) -> Switched:
    found = Switched(engine.encoders._text.get())
    engine.encoders._text = Lazy(lambda: found, 1.0)
    return found


def film(movie_id: str, overview: str = "A ghost ship of the sea") -> Movie:
    return Movie(movie_id=movie_id, title=f"Film {movie_id}", overview=overview)


def held(engine: Engine, movie_id: str, space: str = "text") -> list[MovieVector]:
    found = engine.request_view().runtime.store.vectors([movie_id])
    return [vector for vector in found if vector.space == space and len(vector.values)]


def wait(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_while_the_encoder_is_away_nobody_waits_for_it_twice(engine: Engine, encoder: Switched) -> None:
    before = set(threading.enumerate())  # engines of other tests may have theirs
    encoder.away = True
    engine.put_movies([film("a")])
    assert engine.backlog.problem("text") is not None
    engine.put_movies([film("b")])
    assert (engine.waits("a"), engine.waits("b"), engine.waits("m1")) == (True, True, False)
    assert engine.backlog_state().texts == engine.backlog_state().movies == 2
    assert engine.backlog_state().reason == "The encoder is away. Wait."
    engine.delete_movie("b")
    assert engine.backlog_state().texts == 1
    encoder.away = False
    wait(lambda: not engine.backlog_state().movies)
    assert len(held(engine, "a")) == 1
    assert engine.backlog.problem("text") is None
    own = [thread for thread in threading.enumerate() if thread.name == "matinee-backlog" and thread not in before]
    assert len(own) == 1
    calls = len(encoder.calls)
    engine.put_movies([film("c")])
    assert len(encoder.calls) == calls + 1  # made at once again
    assert not engine.waits("c")
    engine.put_movies([film("b")])
    assert not engine.waits("b")


def test_a_film_put_as_the_snapshot_has_it_waits_for_nothing(engine: Engine, encoder: Switched) -> None:
    encoder.away = True
    engine.put_movies([engine.movie("m1")])
    assert not engine.waits("m1")
    engine.patch_movie("m1", {"overview": "A robot"})
    assert engine.waits("m1")
    engine.patch_movie("m1", {"overview": None})
    assert not engine.waits("m1")


def test_a_vector_of_another_encoder_counts_for_nothing(engine: Engine, encoder: Switched) -> None:
    store = engine.request_view().runtime.store
    other = np.ones(5, dtype=np.float32)
    store.put_movies([film("a"), engine.movie("m1")], [MovieVector(i, "text", "other", other) for i in ("a", "m1")])
    assert engine.waits("a")
    assert not engine.waits("m1")  # the snapshot's own holds: it was made of the same text
    assert engine.request_view().spaces["text"].vector(engine.request_view().catalog.row("m1")) is not None
    engine.backlog.start()
    wait(lambda: not engine.backlog_state().movies)
    assert held(engine, "a")[0].encoder == encoder.id


def test_a_film_written_while_it_is_embedded_is_embedded_as_it_is_then(engine: Engine, encoder: Switched) -> None:
    encoder.away = True
    engine.put_movies([film("a", "A ghost"), film("b", "A king"), film("c", "A ship")])
    store = engine.request_view().runtime.store
    changed = threading.Event()

    def between(texts: Sequence[str]) -> None:
        if not changed.is_set():
            changed.set()
            store.put_movies([film("a", "A robot")])
            store.delete_movie("b")

    encoder.before, encoder.away = between, False
    wait(lambda: changed.is_set() and not engine.backlog_state().movies)
    (expected,) = encoder._encoder.encode(["A robot"])
    np.testing.assert_allclose(held(engine, "a")[0].values, expected, atol=1e-6)
    assert not held(engine, "b")
    assert held(engine, "c")


def test_a_film_written_in_the_very_moment_is_embedded_again(
    engine: Engine, encoder: Switched, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder.away = True
    engine.put_movies([film("a", "A ghost")])
    store = engine.request_view().runtime.store
    put, changed = store.put_vectors, threading.Event()

    def put_after_another(vectors: Sequence[MovieVector]) -> int:
        if not changed.is_set():
            changed.set()
            store.put_movies([film("a", "A robot")])
        return put(vectors)

    monkeypatch.setattr(store, "put_vectors", put_after_another)
    encoder.away = False
    (expected,) = encoder._encoder.encode(["A robot"])
    wait(lambda: changed.is_set() and any(np.allclose(one.values, expected, atol=1e-6) for one in held(engine, "a")))
    wait(lambda: not engine.backlog_state().movies)


def test_what_no_encoder_can_read_waits_no_more_until_it_changes(
    engine: Engine, encoder: Switched, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(texts: Sequence[str]) -> None:
        if any("poison" in text for text in texts):
            raise InvalidInputError("This text cannot be read.", "Change it.")

    encoder.before, encoder.away = refuse, True
    engine.put_movies([film("a"), film("b", "poison"), film("c")])
    encoder.away = False
    wait(lambda: not engine.backlog_state().movies)
    assert held(engine, "a")
    assert held(engine, "c")
    assert not held(engine, "b")
    assert "b cannot be embedded: This text cannot be read." in caplog.text
    encoder.away = True
    wait(lambda: engine.backlog.problem("text") is None)
    engine.put_movies([film("b", "A cure")])
    assert engine.backlog_state().texts == 1
    encoder.away = False
    wait(lambda: held(engine, "b"))


def test_a_picture_that_is_removed_or_replaced_meanwhile(engine: Engine, settings: Settings) -> None:
    shelf = PosterStore.of(settings, "random")
    image = engine.encoders._image
    local = image.get()

    class Away:
        id, dim = local.id, local.dim

        def encode(self, images: Sequence[Any], progress: Any = None) -> Vectors:
            raise EncoderError("The encoder is away.", "Wait.")

    engine.encoders._image = Lazy(lambda: Away(), 1.0)  # type: ignore[arg-type, return-value]
    for movie_id, seed in (("m1", 70), ("m2", 71), ("m3", 72)):
        shelf.put(movie_id, picture(seed))
        assert engine.put_poster(movie_id, picture(seed)) is False
    assert engine.backlog_state().posters == 3
    row = engine.request_view().catalog.row("m1")
    assert engine.request_view().spaces["poster"].vector(row) is None  # that of the picture before
    shelf.remove("m2")
    engine.delete_poster("m2")
    shelf.put("m3", picture(73))
    assert engine.backlog_state().posters == 2
    engine.encoders._image = image
    wait(lambda: not engine.backlog_state().movies)
    assert not held(engine, "m2", "poster")
    for movie_id, seed in (("m1", 70), ("m3", 73)):
        (expected,) = local.encode([picture(seed)])
        np.testing.assert_allclose(held(engine, movie_id, "poster")[0].values, expected, atol=1e-5)


def test_an_upload_killed_between_picture_and_vector_is_embedded_later(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = PosterStore.of(settings, "random")
    engine.backlog.close()  # so that another process finds it

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "put_poster", killed)
        with pytest.raises(KeyboardInterrupt):
            routes._store(engine, "m4", picture(74))
    assert shelf.find("m4") is not None
    assert not held(engine, "m4", "poster")
    with Engine.open(settings) as other:
        assert other.backlog_state().posters == 1
        other.backlog.start()
        wait(lambda: not other.backlog_state().movies)
        (expected,) = other.encoders._image.get().encode([picture(74)])
        np.testing.assert_allclose(held(other, "m4", "poster")[0].values, expected, atol=1e-5)
    with monkeypatch.context() as patch:
        patch.setattr(PosterStore, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            routes.delete_poster(engine, "m4")
    assert engine.backlog_state().posters == 1  # as long as the picture is there


def test_the_backlog_survives_a_store_that_fails_and_a_fault_of_ours(
    engine: Engine, encoder: Switched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder.away = True
    engine.put_movies([film("a")])
    store = engine.request_view().runtime.store
    put, errors = store.put_vectors, [StoreError("The disk is full.", "Free some space."), RuntimeError("a fault")]

    def fail(vectors: Sequence[MovieVector]) -> int:
        if errors:
            raise errors.pop(0)
        return put(vectors)

    monkeypatch.setattr(store, "put_vectors", fail)
    encoder.away = False
    wait(lambda: not engine.backlog_state().movies)
    assert held(engine, "a")
    assert "The disk is full." in caplog.text
    assert "a fault" in caplog.text


def test_closing_ends_the_thread_and_what_waits_is_embedded_by_another_process(
    engine: Engine, encoder: Switched, settings: Settings
) -> None:
    encoder.away = True
    engine.put_movies([film("a")])
    thread = engine.backlog._thread
    assert thread is not None
    engine.close()
    assert not thread.is_alive()
    engine.backlog.wake()
    assert engine.backlog._thread is thread  # a closed engine starts nothing
    with Engine.open(settings) as other:
        assert other.backlog_state().texts == 1
        assert other.backlog_state().reason == "They are being embedded."
        other.backlog.start()
        wait(lambda: not other.backlog_state().movies)
