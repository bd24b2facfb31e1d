"""How films are written for the text encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from matinee.data.catalog import Catalog
from matinee.encoders.movie_texts import MAX_WORDS, movie_text, movie_texts

BARE: dict[str, object] = {"title": "The Ship", "genres": [], "tags": [], "keywords": [], "overview": None}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "The Ship"),
        ({"genres": ["Sci-Fi", "Drama", "IMAX"]}, "The Ship\nscience fiction, drama"),
        ({"overview": "  A storm\n\nat sea. "}, "A storm at sea."),
        ({"overview": "A storm.", "genres": ["Drama"]}, "A storm.\ndrama"),
        ({"overview": "A storm.", "genres": ["Drama"], "tags": ["slow"]}, "A storm.\nslow"),
        ({"keywords": ["sea", "storm"], "tags": ["slow"], "genres": ["Drama"]}, "sea, storm, slow"),
        ({"overview": " \t"}, "The Ship"),
        ({"title": "Two\nlines"}, "Two lines"),
    ],
)
def test_text(fields: dict[str, object], text: str) -> None:
    assert movie_text(BARE | fields) == text


def test_long_lists_are_cut() -> None:
    many = [f"w{place}" for place in range(500)]
    words = movie_text(BARE | {"keywords": many, "tags": many[:3]}).split(", ")
    assert words == [*many[:MAX_WORDS], *many[:3]]


def test_texts_follow_the_rows() -> None:
    catalog = Catalog(pl.DataFrame([{"movie_id": str(i), "title": f"Film {i}", "genres": ["Drama"]} for i in range(4)]))
    assert movie_texts(catalog, np.array([3, 0, 3])) == ["Film 3\ndrama", "Film 0\ndrama", "Film 3\ndrama"]
    assert movie_texts(catalog) == [movie_texts(catalog, np.array([row]))[0] for row in range(4)]
    assert movie_texts(catalog, np.array([], dtype=np.int64)) == []


def test_every_real_film_has_a_text(shared_data: Path) -> None:
    movies = pl.read_csv(shared_data / "ml-latest-small" / "movies.csv")
    catalog = Catalog(movies.select(pl.col("movieId").cast(pl.String).alias("movie_id"), "title"))
    assert all(text.strip() for text in movie_texts(catalog))
