"""Lettering of posters, matched against titles as whole lines or lines that follow each other."""

from __future__ import annotations

import numpy as np
import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.matching import TitleMatcher
from matinee.matching.lettering import movies_of_lettering

MOVIES = [
    ("The Dark Knight", 2008),
    ("Knight", 1999),
    ("Heat", 1995),
    ("Heat", 1986),
    ("It", 2017),
    ("Spirited Away", 2001),
]
CATALOG = Catalog.of(Movie(movie_id=str(number), title=title, year=year) for number, (title, year) in enumerate(MOVIES))
MATCHER = TitleMatcher(CATALOG)


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        ([("THE DARK", 0.1), ("KNIGHT", 0.1)], [0, 1]),
        ([("CHRISTIAN BALE", 0.02), ("THE DARKKNIGHT", 0.1)], [0]),  # blanks are easily lost
        ([("HEAT", 0.1)], [2, 3]),
        ([("HEAT", 0.1), ("1986", 0.02)], [3]),
        ([("SPIRITED AWAY", 0.1), ("it", 0.06)], [5]),  # a short word in the small print is no title
        ([("SPIRITED AWAY", 0.1), ("HEAT", 0.02)], [5]),
        ([("qwertyuiop", 0.1)], []),
        ([("???", 0.1)], []),
        ([], []),
    ],
)
def test_titles_in_the_lettering(lines: list[tuple[str, float]], rows: list[int]) -> None:
    assert movies_of_lettering(lines, MATCHER, CATALOG.active) == rows


def test_movies_that_are_gone_are_not_found() -> None:
    active = np.ones(len(MOVIES), dtype=np.bool_)
    active[2:] = False
    assert movies_of_lettering([("HEAT", 0.1)], MATCHER, active) == []
