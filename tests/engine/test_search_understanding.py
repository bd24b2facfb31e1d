"""What a search reads from a text: people, numerals, abbreviations, wishes; and that nonsense finds nothing."""

from __future__ import annotations

import numpy as np
import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.engine.filters import parse
from matinee.engine.search.abbreviations import expanded, initials
from matinee.engine.search.bm25 import WordIndex
from matinee.engine.search.numerals import in_digits, spread
from matinee.engine.search.people import PeopleIndex
from matinee.engine.search.title_index import TitleIndex
from matinee.engine.search.wishes import NO_RUNTIME, liked, read_wish, without_nations
from matinee.errors import FilterError

CATALOG = Catalog.of(
    [
        Movie(movie_id=str(row), title=title, year=year, directors=(director,), cast=cast)
        for row, (title, year, director, cast) in enumerate(
            [
                ("Pulp Fiction", 1994, "Quentin Tarantino", ("Bruce Willis", "Uma Thurman")),
                ("Reservoir Dogs", 1992, "Quentin Tarantino", ("Harvey Keitel", "Tim Roth")),
                ("Seven Samurai", 1954, "Akira Kurosawa", ("Takashi Shimura",)),
                ("Inception", 2010, "Christopher Nolan", ("Leonardo DiCaprio", "Bruce Willis")),
                ("Rocky III", 1982, "Sylvester Stallone", ("Robert Downey Jr.",)),
                ("Harry Potter and the Stone", 2001, "Chris Columbus", ()),
                ("Harry Potter and the Chamber", 2002, "Chris Columbus", ()),
                ("Harry Potter and the Prisoner", 2004, "Alfonso Cuarón", ("Leonardo DiCaprio",)),
                ("12 Angry Men", 1957, "Sidney Lumet", ()),
                ("8 1/2", 1963, "Federico Fellini", ()),
                ("Terminator 2: Judgment Day", 1991, "James Cameron", ()),
                ("The Silence of the Lambs", 1991, "Jonathan Demme", ()),
                ("X", 2022, "Ti West", ()),
            ]
        )
    ]
)
TITLES, PEOPLE = TitleIndex(CATALOG), PeopleIndex(CATALOG)
ALL, EVEN = np.ones(len(CATALOG), dtype=np.bool_), np.full(len(CATALOG), 0.5)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("rocky 3", "Rocky III"),
        ("rocky three", "Rocky III"),
        ("twelve angry men", "12 Angry Men"),
        ("8½", "8 1/2"),
        ("7 samurai", "Seven Samurai"),
        ("T2", "Terminator 2: Judgment Day"),
        ("hp", "Harry Potter and the Stone"),
        ("hp 3", "Harry Potter and the Prisoner"),
        ("harry potter two", "Harry Potter and the Chamber"),
        ("tsotl", "The Silence of the Lambs"),
    ],
)
def test_numerals_and_short_forms(text: str, title: str) -> None:
    assert CATALOG.movie(TITLES.find(text, ALL, EVEN, 1)[0].row).title == title


def test_numerals_in_one_form() -> None:
    assert in_digits("godfather part ii") == in_digits("godfather part two") == "godfather 2"
    assert in_digits("malcolm x") == "malcolm x"
    assert in_digits("v for vendetta") == "v for vendetta"
    assert spread("Alien³") == "Alien 3"
    assert expanded("hp3") == "harry potter 3"
    assert expanded("heat") is None
    assert initials(["lord of the rings"]) == {"lotr"}


@pytest.mark.parametrize("text", ["fxkbjrlh", "asdfghjkl", "qwrtzuiop xcvb", "gjqw", "rtokey", "incpo", "pulqqq"])
def test_nonsense_is_like_no_title(text: str) -> None:
    assert not TITLES.knows_word(text)
    assert not TITLES.credible(TITLES.find(text, ALL, EVEN, 5), text)


@pytest.mark.parametrize("text", ["pulb ficton", "pulp", "ocky3", "8 1/", "Rcky IIi", "incep"])
def test_titles_with_typos_and_beginnings_are_no_nonsense(text: str) -> None:
    assert TITLES.credible(TITLES.find(text, ALL, EVEN, 5), text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("quentin tarantino", "Quentin Tarantino"),
        ("tarrantino", "Quentin Tarantino"),
        ("di caprio", "Leonardo DiCaprio"),
        ("leonardo dicapro", "Leonardo DiCaprio"),
        ("kurosawa", "Akira Kurosawa"),
        ("robert downey", "Robert Downey Jr."),
        ("cuaron", "Alfonso Cuarón"),
    ],
)
def test_people_by_name(text: str, name: str) -> None:
    assert [person.name for person in PEOPLE.find(text, EVEN)] == [name]


def test_people_and_their_films() -> None:
    assert (
        PEOPLE.find("zzzzzzzzz", EVEN)
        == PEOPLE.find("", EVEN)
        == PEOPLE.find("tarrantino", EVEN, misspelled=False)
        == []
    )
    [person] = PEOPLE.find("tarantino", EVEN)
    assert PEOPLE.roles(person) == {"director": 2, "writer": 0, "cast": 0}
    films = PEOPLE.films([person], ALL, EVEN, 5)
    assert [(row, how) for row, _, how in films] == [
        (0, "directed by Quentin Tarantino"),
        (1, "directed by Quentin Tarantino"),
    ]
    assert [found.name for found in PEOPLE.named("chris", EVEN, 5)] == ["Chris Columbus", "Christopher Nolan"]


def values(name: str) -> list[str]:
    return {"genre": ["Action", "Comedy", "Horror", "Romance"], "country": ["South Korea"], "language": ["French"]}[
        name
    ]


def person(text: str) -> str | None:
    return {"bruce willis": "Bruce Willis", "nolan": "Christopher Nolan"}.get(text)


@pytest.mark.parametrize(
    ("text", "rest", "expression"),
    [
        (
            "90s action with bruce willis",
            "",
            'decade = 1990 and person = "Bruce Willis" and genre = "Action"',
        ),
        ("korean horror after 2010", "", 'year > 2010 and genre = "Horror" and country = "South Korea"'),
        ("French comedies", "", 'genre = "Comedy" and language = "French"'),
        ("directed by nolan", "", 'director = "Christopher Nolan"'),
        ("romcoms between 1990 and 1995", "", 'year between 1990 and 1995 and genre = "Romance" and genre = "Comedy"'),
        ("james bond with bruce willis", "james bond", 'person = "Bruce Willis"'),
        ("horror from the eighties", "", 'decade = 1980 and genre = "Horror"'),
    ],
)
def test_wishes_are_read(text: str, rest: str, expression: str) -> None:
    wish = read_wish(text, person, values)
    assert wish is not None
    assert (wish.text, wish.filter) == (rest, expression)
    assert str(parse(wish.filter))


@pytest.mark.parametrize(
    "text",
    [
        "detective hunting a killer in the rain",
        "horror in a remote house where nobody hears the children cry at night ever again and again",
        "comedy waiter drops soup on detective",
        "nothing of the kind",
        "",
    ],
)
def test_plots_are_no_wishes(text: str) -> None:
    assert read_wish(text, person, values) is None


def test_what_is_not_known_is_said() -> None:
    wish = read_wish("short comedies", person, values)
    assert wish is not None
    assert wish.notes == (NO_RUNTIME,)
    nation = read_wish("korean horror", person, values)
    assert nation is not None
    plain = without_nations(nation)
    assert plain is not None
    assert (plain.text, plain.filter) == ("korean", 'genre = "Horror"')
    assert without_nations(plain) is None


def test_movies_like_one() -> None:
    assert liked("Movies like Heat") == liked("something similar to heat") == "heat"
    assert liked("heat") is None


def test_the_line_of_a_plot() -> None:
    plots = ("A boat. The captain hunts a white whale! It ends badly.", "A whale of a captain.", "A boat hunts.")
    films = [Movie(movie_id=str(row), title="A", overview=plot) for row, plot in enumerate(plots)]
    line = WordIndex(Catalog.of(films)).lines("captain hunting whales")
    assert line(plots[0]) == "The captain hunts a white whale!"
    assert line("Nothing.") is None
    assert line(None) is None


def test_mistyped_values_of_a_filter() -> None:
    for text, near in (
        ('director = "Quentin Tarrantino"', "Quentin Tarantino"),
        ("person in ('akira kurosava')", "Akira"),
    ):
        with pytest.raises(FilterError) as caught:
            parse(text).mask(CATALOG)
        assert near in str(caught.value.hint)
    assert not parse('director = "Somebody Else"').mask(CATALOG).any()
    assert parse('director != "Quentin Tarrantino"').mask(CATALOG).all()
