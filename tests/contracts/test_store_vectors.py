"""What every store does with the vectors of films."""

from __future__ import annotations

import numpy as np
import pytest

from matinee.data.catalog import Movie
from matinee.errors import InvalidInputError
from matinee.stores import MovieVector, Store
from store_support import Factory


def vector(movie_id: str, space: str = "text", encoder: str = "e1", first: float = 1.0) -> MovieVector:
    return MovieVector(movie_id, space, encoder, np.array([first, -0.5, 3e-9], dtype=np.float32))


def held(store: Store, only: list[str] | None = None) -> dict[tuple[str, str], tuple[str, list[float]]]:
    return {(v.movie_id, v.space): (v.encoder, v.values.tolist()) for v in store.vectors(only)}


def entry(given: MovieVector) -> tuple[str, list[float]]:
    return given.encoder, given.values.tolist()


def test_vectors_come_back_to_the_bit_and_in_every_process(factory: Factory, store: Store) -> None:
    assert store.vectors() == []
    store.put_movies([Movie(movie_id="x", title="X"), Movie(movie_id="y", title="Y")], [vector("x"), vector("y")])
    other = factory()
    assert held(other) == {("x", "text"): entry(vector("x")), ("y", "text"): entry(vector("y"))}
    assert held(other, ["y", "absent", "\ud800"]) == {("y", "text"): entry(vector("y"))}
    assert other.vectors()[0].values.dtype == np.float32
    other.close()


def test_a_film_put_anew_loses_the_vector_of_its_old_record_and_keeps_its_poster(store: Store) -> None:
    film = Movie(movie_id="x", title="X")
    store.put_movies([film], [vector("x")])
    store.put_vectors([vector("x", "poster", "p1", 2.0)])
    store.put_movies([film.model_copy(update={"title": "Another"})])
    assert held(store) == {("x", "poster"): entry(vector("x", "poster", "p1", 2.0))}
    store.put_movies([film], [vector("x", first=7.0)])
    store.delete_movie("x")
    assert set(held(store)) == {("x", "poster"), ("x", "text")}  # a film that comes back is not poorer


def test_vectors_alone_change_the_film_and_not_its_record(store: Store) -> None:
    before = store.seq()
    seq = store.put_vectors([vector("of-the-snapshot", "poster"), vector("second", "poster")])
    assert seq == store.seq() == before + 2
    assert store.changes(before).movies == {"of-the-snapshot", "second"}
    assert store.movies() == []
    store.delete_vector("second", "poster")
    assert store.changes(seq).movies == {"second"}
    assert held(store)["second", "poster"] == ("", [])
    store.put_vectors([vector("second", "poster", "p2")])
    assert held(store)["second", "poster"] == entry(vector("second", "poster", "p2"))


def test_changes_from_nothing_name_films_of_which_only_a_vector_is_held(store: Store) -> None:
    store.put_vectors([vector("x", "poster")])
    assert "x" in store.changes(-1).movies


@pytest.mark.parametrize(
    "values",
    [np.zeros(0, np.float32), np.ones((1, 2), np.float32), np.ones(2), np.array([1, np.nan], np.float32)],
    ids=["empty", "matrix", "double", "nan"],
)
def test_what_is_no_vector_is_refused_and_nothing_is_stored(store: Store, values: np.ndarray) -> None:  # type: ignore[type-arg]
    seq = store.seq()
    bad = MovieVector("x", "text", "e", values)
    with pytest.raises(InvalidInputError, match="cannot be stored"):
        store.put_movies([Movie(movie_id="x", title="X")], [vector("x"), bad])
    with pytest.raises(InvalidInputError, match="cannot be stored"):
        store.put_vectors([vector("x"), bad])
    with pytest.raises(InvalidInputError, match="without the film"):
        store.put_movies([Movie(movie_id="x", title="X")], [vector("y")])
    assert (store.seq(), store.movies(), store.vectors()) == (seq, [], [])
