from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.titles import (
    article_first,
    other_titles,
    split_names,
    title_key,
    title_keys,
    valid_year,
    without_year,
    year_in_title,
)


def one(expression: pl.Expr, value: object) -> object:
    return pl.DataFrame({"x": [value]}, schema={"x": pl.String}).select(expression).item()


@pytest.mark.parametrize(
    ("title", "bare", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Guilty of Romance (Koi no tsumi) (2011) ", "Guilty of Romance (Koi no tsumi)", 2011),
        ("Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", 2006),
        ("Fawlty Towers (1975-)", "Fawlty Towers", 1975),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995),
        ("Babylon 5", "Babylon 5", None),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("1984", "1984", None),
        ("Wrong (1234)", "Wrong", None),
        (None, None, None),
    ],
)
def test_year_is_split_off(title: str | None, bare: str | None, year: int | None) -> None:
    assert one(without_year(pl.col("x")), title) == bare
    assert one(year_in_title(pl.col("x")), title) == year


@pytest.mark.parametrize(
    ("sorted_title", "title"),
    [
        ("Matrix, The", "The Matrix"),
        ("Bug's Life, A", "A Bug's Life"),
        ("American in Paris, An", "An American in Paris"),
        ("Misérables, Les", "Les Misérables"),
        ("Atalante, L'", "L'Atalante"),
        ("Divo, Il", "Il Divo"),
        ("Boot, Das (Boat, The)", "Das Boot (The Boat)"),
        ("Beans of Egypt, Maine, The", "The Beans of Egypt, Maine"),
        ("Hate (Haine, La)", "Hate (La Haine)"),
        ("Godzilla 1985 (Gojira) (Return of Godzilla, The)", "Godzilla 1985 (Gojira) (The Return of Godzilla)"),
        ("City of the Living Dead (a.k.a. Gates of Hell, The)", "City of the Living Dead (a.k.a. The Gates of Hell)"),
        ("Hell (Enfer, L')", "Hell (L'Enfer)"),
        ("Monsters, Inc.", "Monsters, Inc."),
        ("Play It Again, Sam", "Play It Again, Sam"),
        ("The Matrix", "The Matrix"),
        (", The", ", The"),
    ],
)
def test_article_comes_first(sorted_title: str, title: str) -> None:
    assert one(article_first(pl.col("x")), sorted_title) == title
    assert one(article_first(pl.col("x")), title) == title  # and stays there


@pytest.mark.parametrize(
    ("year", "number"),
    [("1995", 1995), ("1995.0", 1995), ("unkonwn", None), ("0", None), ("99999999999", None), ("nan", None)],
)
def test_valid_year(year: str, number: int | None) -> None:
    assert one(valid_year(pl.col("x")), year) == number


def test_keys_ignore_accents_case_and_punctuation() -> None:
    assert one(title_key(pl.col("x")), "Les Misérables!") == "les miserables"
    assert one(title_key(pl.col("x")), "The Fast & Furious") == one(title_key(pl.col("x")), "fast and furious")
    assert one(title_key(pl.col("x")), "Schindler's List") == "schindlers list"


def test_alternative_titles_have_keys_too() -> None:
    keys = one(title_keys(pl.col("x")), "Das Boot (a.k.a. The Boat) (U-96)")
    assert list(keys) == ["das boot", "boat", "u 96"]  # type: ignore[call-overload]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="(),"), min_size=1, max_size=30))
def test_moving_the_article_loses_nothing(name: str) -> None:
    name = " ".join(name.split())
    if not name:
        return
    moved = one(article_first(pl.col("x")), f"{name}, The")
    assert moved == f"The {name}"


@pytest.mark.parametrize(
    ("glued", "title", "others"),
    [
        ("Spirited Away (Sen to Chihiro no kamikakushi)", "Spirited Away", ["Sen to Chihiro no kamikakushi"]),
        (
            "City of Lost Children, The (Cité des enfants perdus, La)",
            "The City of Lost Children",
            ["La Cité des enfants perdus"],
        ),
        ("Boot, Das (Boat, The)", "Das Boot", ["The Boat"]),
        ("Seven (a.k.a. Se7en)", "Seven", ["Se7en"]),
        ("European Vacation (aka National Lampoon's)", "European Vacation", ["National Lampoon's"]),
        ("Hidden (a.k.a. Cache) (Caché)", "Hidden", ["Cache", "Caché"]),
        ("Hard 8 (a.k.a. Sydney, a.k.a. Hard Eight)", "Hard 8", ["Sydney", "Hard Eight"]),
        (
            "Strike! (a.k.a. All I Wanna Do, The Hairy Bird)",
            "Strike!",
            ["All I Wanna Do, The Hairy Bird"],
        ),
        ("Evangelion: 1.0 You Are (Not) Alone (Jo)", "Evangelion: 1.0 You Are (Not) Alone", ["Jo"]),
        ("Nymphomaniac: Volume I (Nymph()maniac: Vol. I)", "Nymphomaniac: Volume I", ["Nymph()maniac: Vol. I"]),
        ("Project A ('A' gai waak)", "Project A", ["'A' gai waak"]),
        ("Mélodie (Any Number Can Win )", "Mélodie", ["Any Number Can Win"]),
        ("8 1/2 (8½)", "8 1/2", ["8½"]),
        ("Rambo (Rambo 4)", "Rambo", ["Rambo 4"]),
        ("Me and you (io e te)", "Me and you", ["io e te"]),
    ],
)
def test_other_names_are_split_off(glued: str, title: str, others: list[str]) -> None:
    assert split_names(glued) == (title, tuple(others))


@pytest.mark.parametrize(
    "title",
    [
        "(500) Days of Summer",
        "(Dis)Honesty: The Truth About Lies",
        "(Sub)Urban",
        "(Untitled)",
        "Frontière(s)",
        "Birdman: Or (The Unexpected Virtue of Ignorance)",
        "Birdman or (The Unexpected Virtue of Ignorance)",
        "Summer of Soul (...Or, When the Revolution Could Not Be Televised)",
        "Hommage à Zgougou (et salut à Sabine Mamou)",
        "Human Centipede, The (First Sequence)",
        "Human Centipede II (Full Sequence), The",
        "Hotel Chevalier (Part 1 of 'The Darjeeling Limited')",
        "Kill Bill (Vol. 2)",
        "Rocky (II)",
        "1-900 (06)",
        "Blade Runner (Final Cut)",
        "Heat (1995)",
        "Heat (TV)",
        "Jim Jefferies: Fully Functional (EPIX)",
        "Evangelion: 3.0 You Can (Not) Redo",
        "Heat ()",
        "Heat (",
        "Heat )",
        "",
    ],
)
def test_parentheses_that_are_no_names_stay(title: str) -> None:
    name, others = split_names(title)
    assert not others
    assert sorted(name.replace(",", "")) == sorted(title.replace(",", ""))


def test_other_titles_are_distinct_and_not_the_title() -> None:
    assert other_titles("Seven", "Se7en", ["Seven", "Se7en", "7"]) == ("Se7en", "7")
    assert other_titles("Seven", None, []) == ()


@given(st.text(alphabet="ab ().,", max_size=30))
def test_any_title_can_be_split(title: str) -> None:
    name, others = split_names(title)
    assert len(name) + sum(map(len, others)) <= len(title)
    assert split_names(name)[0] == name or not others
