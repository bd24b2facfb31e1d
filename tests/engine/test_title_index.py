from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.data.clean import clean_movies
from matinee.engine.search.title_index import TitleIndex, key_of
from meaning_queries import with_typos

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
        ("th ematrix", "The Matrix"),
        ("a godfatehr", "The Godfather"),
        ("wars star", "Star Wars: Episode IV - A New Hope"),
        ("chamber of secrets", "Harry Potter and the Chamber of Secrets"),
        ("chamer of secrts", "Harry Potter and the Chamber of Secrets"),
        ("harry potter and the ch", "Harry Potter and the Chamber of Secrets"),
        ("n", "Star Wars: Episode IV - A New Hope"),
    ],
)
def test_finds(text: str, title: str) -> None:
    row, score, how, *_ = INDEX.find(text, ALL, EVEN, 3)[0]
    assert FILMS[row][0] == title
    assert 0 < score <= 1
    assert how


def test_year_chooses_among_equal_titles() -> None:
    for text in ("Hamlet 1996", "hamlet (1996)"):
        assert [FILMS[row] for row, *_ in INDEX.find(text, ALL, EVEN, 2)] == [("Hamlet", 1996), ("Hamlet", 1990)]


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


def test_how_says_what_matched() -> None:
    ways = {text: INDEX.find(text, ALL, EVEN, 1)[0][2] for text in ("the matrix", "the matr", "potter", "amtrix")}
    assert list(ways.values()) == [
        "the title itself",
        "the title begins so",
        "a word of the title begins so",
        "spelt 90 % alike",
    ]


def test_a_plot_is_like_no_title() -> None:
    plot = "a detective hunts androids who dream of electric sheep in a city of eternal rain and neon lights"
    assert all(score < 0.6 for _, score, *_ in INDEX.find(plot, ALL, EVEN, 5))


def test_titles_with_two_typos_are_found(real_titles: Catalog) -> None:
    """The target: 97 % of 500 random titles among the first five."""
    index, names, rng = TitleIndex(real_titles), real_titles.column("title"), random.Random(3)
    allowed, even = np.ones(len(names), dtype=np.bool_), np.zeros(len(names))
    asked = [(row, with_typos(names[row], rng)) for row in rng.sample(range(len(names)), 500)]
    found = [row in [hit for hit, *_ in index.find(text, allowed, even, 5)] for row, text in asked]
    assert np.mean(found) >= 0.97


def test_titles_are_found_as_one_types(real_titles: Catalog) -> None:
    index, names = TitleIndex(real_titles), real_titles.column("title")
    allowed, even = np.ones(len(names), dtype=np.bool_), np.zeros(len(names))
    for text in ("toy st", "the godf", "harry potter and the ch", "one flew ov", "m", "ran", "z"):
        first = [names[row].lower().removeprefix("the ") for row, *_ in index.find(text, allowed, even, 5)]
        assert first[0].startswith(text.removeprefix("the ")), (text, first)
    for short in ("M", "Ran", "Z", "It", "9"):
        assert names[index.find(short, allowed, even, 5)[0][0]] == short


@pytest.fixture(scope="module")
def real_titles(shared_data: Path) -> Catalog:
    """Those of ml-latest-small, as the catalogue has them."""
    movies = clean_movies(pl.read_csv(shared_data / "ml-latest-small" / "movies.csv").rename({"movieId": "movie_id"}))
    return Catalog(movies[0])


def test_other_titles_are_found_and_named() -> None:
    catalog = Catalog.of(
        [
            Movie(movie_id="1", title="Spirited Away", original_title="Sen to Chihiro no Kamikakushi"),
            Movie(movie_id="2", title="Seven", alternate_titles=("Se7en",)),
        ]
    )
    index, allowed, even = TitleIndex(catalog), np.ones(2, dtype=np.bool_), np.zeros(2)
    for text in ("sen to chihiro no kamikakushi", "sen to chi", "chihiro", "sen to chihro no kamikakshi"):
        hit = index.find(text, allowed, even, 1)[0]
        assert (hit.row, hit.other) == (0, "Sen to Chihiro no Kamikakushi"), text
    assert index.find("se7en", allowed, even, 1)[0].other == "Se7en"
    assert index.find("seven", allowed, even, 1)[0].other is None
    assert index.find("spirited away", allowed, even, 1)[0].other is None
