"""Which rows are one movie, and the fusion of likenesses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.engine.same_movie import SameMovie
from matinee.engine.similar_look import fused_likeness


def test_rows_of_one_movie() -> None:
    same = SameMovie(
        Catalog.of(
            [
                Movie(movie_id="1", title="Heat", year=1995, imdb_id="tt0113277"),
                Movie(movie_id="2", title="HEAT", year=1995),
                Movie(movie_id="3", title="Heat", year=1986),
                Movie(movie_id="4", title="Heat, restored", year=1995, imdb_id="tt0113277"),
                Movie(movie_id="5", title="Untitled"),
                Movie(movie_id="6", title="Untitled"),
            ]
        )
    )
    assert [same.rows(row) for row in range(6)] == [[0, 1, 3], [0, 1], [2], [0, 3], [4], [5]]


def test_rows_of_one_movie_follow_the_catalog(tmp_path: Path) -> None:
    movies = [Movie(movie_id=str(row), title=title, year=1995) for row, title in enumerate(("Heat", "Heat", "Big"))]
    Catalog.of(movies).save(tmp_path / "catalog")
    stored = Catalog.load(tmp_path / "catalog")
    assert SameMovie(stored).rows(0) == [0, 1]
    edited = stored.with_changes([movies[1].model_copy(update={"year": 1986}), Movie(movie_id="3", title="Big (1995)")])
    assert [SameMovie(edited).rows(row) for row in range(4)] == [[0], [1], [2, 3], [2, 3]]
    assert SameMovie(stored).rows(0) == [0, 1]


def test_a_movie_of_another_kind_needs_to_look_much_more_alike() -> None:
    looks, contents = np.array([0.6, 0.5], dtype=np.float32), np.array([0.0, 0.8], dtype=np.float32)
    assert np.argmax(fused_likeness(looks, contents)) == 1
    assert fused_likeness(looks, contents, 0.0) == pytest.approx(looks)
    assert fused_likeness(looks, contents, 1.0) == pytest.approx(contents)
