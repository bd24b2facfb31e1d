from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.vectors import MovieVectors
from matinee.models.content.vector_field import COMPONENTS, VectorField, put_state, read_state

DIM, FILMS = 3, 8
changes = st.lists(
    st.tuples(st.sets(st.integers(0, FILMS - 1)), st.sets(st.integers(0, FILMS - 1)), st.integers(0, 99)), max_size=4
)


def some(rows: set[int], seed: int) -> MovieVectors:
    found = np.random.default_rng(seed).standard_normal((len(rows), DIM)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return MovieVectors(np.array(sorted(rows), dtype=np.int64), found)


def dictionary(field: VectorField, films: MovieVectors) -> dict[int, np.ndarray]:
    return dict(zip(films.rows.tolist(), field.projection.apply(films.vectors), strict=True))


@given(st.sets(st.integers(0, FILMS - 1), min_size=3), changes)
def test_like_a_dictionary(learnt: set[int], edits: list[tuple[set[int], set[int], int]]) -> None:
    """Whatever is put and edited: each film has the last vector put, and none where it was edited without."""
    films = some(learnt, 7)
    field = VectorField.learn(films)
    expected = dictionary(field, films)
    for edited, put, seed in edits:
        given_ = some(put, seed)
        field = field.changed(np.array(sorted(edited), dtype=np.int64), given_)
        expected = {row: vector for row, vector in expected.items() if row not in edited}
        expected |= dictionary(field, given_)
    dense = np.zeros((FILMS, field.dim), dtype=np.float32)
    for row, vector in expected.items():
        dense[row] = vector
    every = np.arange(FILMS)
    assert np.flatnonzero(field.known(FILMS)).tolist() == sorted(expected)
    np.testing.assert_allclose(field.rows(every), dense, atol=1e-5)
    profiles = np.random.default_rng(1).standard_normal((field.dim, 2)).astype(np.float32)
    np.testing.assert_allclose(field.products(profiles, FILMS), dense @ profiles, atol=1e-5)
    again = read_state(put_state({"text": field}), ["text", "poster"], FILMS)
    assert list(again) == ["text"]
    np.testing.assert_array_equal(again["text"].rows(every), field.rows(every))


def test_keeps_the_cosines_of_what_is_learnt() -> None:
    """No more components than `COMPONENTS`; where there are no more, all cosines stay."""
    few = some(set(range(FILMS)), 3)
    field = VectorField.learn(few)
    centered = few.vectors - few.vectors.mean(axis=0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    own = field.rows(np.arange(FILMS))
    np.testing.assert_allclose(own @ own.T, centered @ centered.T, atol=1e-5)
    wide = np.random.default_rng(2).standard_normal((200, 150)).astype(np.float32)
    assert VectorField.learn(MovieVectors(np.arange(200), wide)).dim == COMPONENTS
