from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from matinee.data.catalog import Catalog
from matinee.engine.search import TitleIndex, key_of

FILMS = [
    ("Star Wars: Episode IV - A New Hope", 1977),
    ("Star Maps", 1997),
    ("The Matrix", 1999),
    ("Seven (a.k.a. Se7en)", 1995),
    ("Amelie (Le Fabuleux destin d'Amélie Poulain)", 2001),
    ("Hamlet", 1990),
    ("Hamlet", 1996),
    ("Harry Potter and the Chamber of Secrets", 2002),
    ("M", 1931),
    ("Her", 2013),
    ("The Godfather", 1972),
    ("千と千尋の神隠し", 2001),
    ("<b>Bold & Brave</b>", None),
]
INDEX = TitleIndex(
    Catalog(pl.DataFrame([{"movie_id": str(i), "title": t, "year": y} for i, (t, y) in enumerate(FILMS)]))
)
ALL = np.ones(len(FILMS), dtype=np.bool_)
EVEN = np.zeros(len(FILMS))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("starr warrs", "Star Wars: Episode IV - A New Hope"),
        ("matrix", "The Matrix"),
        ("The Matrx", "The Matrix"),
        ("the mat", "The Matrix"),
        ("se7en", "Seven (a.k.a. Se7en)"),
        ("amélie", "Amelie (Le Fabuleux destin d'Amélie Poulain)"),
        ("le fabuleux destin", "Amelie (Le Fabuleux destin d'Amélie Poulain)"),
        ("harry poter", "Harry Potter and the Chamber of Secrets"),
        ("godfther", "The Godfather"),
        ("m", "M"),
        ("千と千尋", "千と千尋の神隠し"),
        ("<b>bold", "<b>Bold & Brave</b>"),
    ],
)
def test_finds(text: str, title: str) -> None:
    row, score, how = INDEX.find(text, ALL, EVEN, 3)[0]
    assert FILMS[row][0] == title
    assert 0 < score <= 1
    assert how


def test_year_chooses_among_equal_titles() -> None:
    for text in ("Hamlet 1996", "hamlet (1996)"):
        assert [FILMS[row] for row, _, _ in INDEX.find(text, ALL, EVEN, 2)] == [("Hamlet", 1996), ("Hamlet", 1990)]


def test_popularity_breaks_ties_and_masks_hold() -> None:
    weight = EVEN.copy()
    weight[6] = 1.0
    assert INDEX.find("hamlet", ALL, weight, 1)[0][0] == 6
    allowed = ALL.copy()
    allowed[6] = False
    assert INDEX.find("hamlet", allowed, weight, 1)[0][0] == 5


@pytest.mark.parametrize("text", ["", "   ", "🎬🎬", "()", "\x00"])
def test_nothing_to_search_for(text: str) -> None:
    assert INDEX.find(text, ALL, EVEN, 5) == []


def test_key() -> None:
    assert key_of("The  Matrix!") == "matrix"
    assert key_of("The") == "the"
    assert key_of("Ocean's Eleven") == "oceans eleven"
