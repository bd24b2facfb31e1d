"""Series recognised by titles: what belongs together, and what only begins alike."""

from __future__ import annotations

import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.spaces.series import SeriesFinder, names_of, series_of

Film = tuple[str, int | None, tuple[str, ...]]


def catalog(*films: Film | str) -> Catalog:
    """Films given as a title, or as title, year and people (the first the director, the others the cast)."""
    made = []
    for number, film in enumerate(films):
        title, year, people = (film, None, ()) if isinstance(film, str) else film
        made.append(Movie(movie_id=f"m{number}", title=title, year=year, directors=people[:1], cast=people[1:]))
    return Catalog.of(made)


def found(*films: Film | str) -> list[list[int]]:
    return [rows.tolist() for rows in SeriesFinder(catalog(*films)).all()]


TOGETHER: list[tuple[Film | str, ...]] = [
    ("Rocky", "Rocky II", "Rocky III", "Rocky IV", "Rocky V"),
    ("Toy Story", "Toy Story 2", "Toy Story 3"),
    ("The Godfather", "The Godfather: Part II", "The Godfather: Part III"),
    ("Back to the Future", "Back to the Future Part II"),
    ("Kill Bill: Vol. 1", "Kill Bill: Vol. 2"),
    ("Beverly Hills Cop", "Beverly Hills Cop II", "Beverly Hills Cop III"),
    ("The Terminator", "Terminator 2: Judgment Day", "Terminator 3: Rise of the Machines"),
    ("Star Wars: Episode IV - A New Hope", "Star Wars: Episode V - The Empire Strikes Back", "Solo: A Star Wars Story"),
    ("The Lord of the Rings: The Two Towers", "The Lord of the Rings: The Return of the King"),
    ("Mission: Impossible", "Mission: Impossible II", "Mission: Impossible - Fallout"),
    ("Alien", "Alien³ (a.k.a. Alien 3)"),
    ("The Naked Gun", "The Naked Gun 2 1/2: The Smell of Fear"),
    ("Jaws", "Jaws 2", "Jaws 3-D"),
    ("Shrek", "Shrek 2", "Shrek the Third"),
    ("Pokémon", "Pokemon 2"),
    ("Die Hard", "Die Hard: With a Vengeance"),
    ("Che: Part One", "Che: Part Two"),
    ("Mad Max", "The Road Warrior (Mad Max 2)"),
    (("The Matrix", 1999, ("W", "Reeves", "Moss")), ("The Matrix Reloaded", 2003, ("W", "Reeves", "Moss"))),
    (("Rocky", 1976, ("A", "Stallone", "Young")), ("Rocky Balboa", 2006, ("Stallone", "Young"))),
    (("Alien", 1979, ("S", "Weaver")), ("Alien: Resurrection", 1997, ("J", "Weaver"))),
    (("Blade Runner", 1982, ("S", "Ford")), ("Blade Runner 2049", 2017, ("V", "Gosling", "Ford"))),
    (
        ("Harry Potter and the Chamber of Secrets", 2002, ("C", "Radcliffe")),
        ("Harry Potter and the Goblet of Fire", 2005, ("N", "Radcliffe")),
    ),
]


@pytest.mark.parametrize(
    "films", TOGETHER, ids=lambda films: str(films[0] if isinstance(films[0], str) else films[0][0])
)
def test_films_of_one_series(films: tuple[Film | str, ...]) -> None:
    assert found(*films) == [list(range(len(films)))]
    assert found("Casablanca", *films, "Vertigo") == [list(range(1, len(films) + 1))]


APART: list[tuple[Film | str, ...]] = [
    ("Heat", "Heat and Dust"),
    ("Heat", "Heaters"),
    (("Heat", 1995, ("Mann", "Pacino")), ("Heat and Dust", 1983, ("Ivory", "Christie"))),
    ("The Game", "The Gift"),
    ("The Thing", "The Thin Man"),
    ("Alien", "Alien Nation"),
    ("Blade", "Blade Runner"),
    ("Casino", "Casino Royale"),
    ("Frozen", "Frozen River"),
    ("Apollo 13", "Apollo 18"),
    ("Malcolm", "Malcolm X"),
    (("The Super", 1991, ("D", "Pesci")), ("Super 8", 2011, ("A", "Fanning"))),
    (("The Game", 1997, ("Fincher",)), ("Game 6", 2005, ("H",))),
    (("Oblivion", 2013, ("K",)), ("Oblivion 2: Backlash", 1996, ("I",))),
    ("9", "9/11"),
    ("Hamlet", "Hamlet"),
    ("King Kong", "King Kong"),
    ("Snow White and the Huntsman", "Snow White and the Three Stooges"),
    ("Girl", "Girl: A Story"),
    (("Big", 1988, ("Marshall", "Hanks")), ("Big Fish", 2003, ("Burton", "McGregor"))),
    ("Seven", "Seven Samurai"),
    ("Love", "Love Actually", "Love Story", "Love Potion No. 9"),
]


@pytest.mark.parametrize("films", APART, ids=str)
def test_films_that_only_begin_alike(films: tuple[Film | str, ...]) -> None:
    assert found(*films) == []


def test_a_remake_is_not_in_the_series_of_the_film_that_a_sequel_continues() -> None:
    films = [
        ("The Fly", 1958, ("Neumann", "Price")),
        ("The Fly", 1986, ("Cronenberg", "Goldblum")),
        ("The Fly II", 1989, ("Walas", "Cronenberg")),
    ]
    assert found(*films) == [[1, 2]]
    assert found(("Frozen", 2010, ()), ("Frozen", 2013, ()), ("Frozen 2", 2019, ())) == [[1, 2]]


def test_removed_films_are_in_no_series() -> None:
    films = catalog("Rocky", "Rocky II", "Rocky III").with_changes(removed=["m1"])
    assert [rows.tolist() for rows in SeriesFinder(films).all()] == [[0, 2]]
    assert [rows.tolist() for rows in series_of(films, [0])] == [[0, 2]]


def test_the_series_of_one_film_is_that_among_all() -> None:
    films = [film for films in TOGETHER for film in films] + ["Casablanca", "Heat", "Heat and Dust"]
    everything = catalog(*films)
    series = SeriesFinder(everything).all()
    assert len(series) > 10
    by_row = {row: rows.tolist() for rows in series for row in rows.tolist()}
    for row in range(len(films)):
        assert [rows.tolist() for rows in series_of(everything, [row])] == ([by_row[row]] if row in by_row else [])
    assert series_of(everything, []) == []


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Toy Story", ["toy story"]),
        ("The Matrix", ["matrix"]),
        (
            "Léon: The Professional (a.k.a. The Professional) (Léon)",
            ["leon : the professional", "professional", "leon"],
        ),
        ("Alien³ (a.k.a. Alien 3)", ["alien 3"]),
        ("Solo: A Star Wars Story", ["solo : a star wars story", "star wars : solo"]),
        ("Fast & Furious", ["fast and furious"]),
        ("???", []),
        ("(500) Days of Summer", ["days of summer", "500"]),
    ],
)
def test_names(title: str, names: list[str]) -> None:
    assert names_of(title) == names


@pytest.mark.parametrize(
    "title", [":", " : ", "-", "(", "()", "²", "the", "the the the", "2", "ii", ": 2", "Part", "a " * 200]
)
def test_odd_titles_do_no_harm(title: str) -> None:
    assert found(title, f"{title} 2", "Casablanca", title) in ([], [[0, 1]], [[0, 1, 3]], [[1, 3]], [[0, 3]])
