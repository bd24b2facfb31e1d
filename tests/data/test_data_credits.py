from __future__ import annotations

import polars as pl
import pytest

from matinee.data.credits import CREDIT_COLUMNS, add_credits, match_by_title
from matinee.data.joins import add_links
from matinee.data.titles import title_key


def films(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Wikidata films of (imdb_id, title, year), each directed by "D <imdb_id>"."""
    frame = pl.DataFrame(rows, schema={"imdb_id": pl.String, "title": pl.String, "year": pl.Int32}, orient="row")
    people = pl.concat_list(pl.lit("D ") + pl.col("imdb_id"))
    columns = {name: people if name == "directors" else pl.lit([], pl.List(pl.String)) for name in CREDIT_COLUMNS}
    return frame.with_columns(title_key(pl.col("title")).alias("key"), **columns).drop("title")


def movies(*rows: tuple[str, str, int | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"movie_id": pl.String, "title": pl.String, "year": pl.Int32}, orient="row")


@pytest.mark.parametrize(
    ("ours", "theirs", "pairs"),
    [
        ([("1", "Heat", 1995)], [("a", "Heat", 1995)], {"1": "a"}),
        ([("1", "Heat", 1996)], [("a", "Heat", 1995)], {"1": "a"}),
        ([("1", "Heat", 1997)], [("a", "Heat", 1995)], {}),
        ([("1", "Heat", None)], [("a", "Heat", 1995)], {}),
        ([("1", "Das Boot (The Boat)", 1981)], [("a", "The Boat", 1981)], {"1": "a"}),
        ([("1", "LES MISERABLES", 1995)], [("a", "Les Misérables", 1995)], {"1": "a"}),
        # The right year goes before a neighboring one.
        ([("1", "Heat", 1995)], [("a", "Heat", 1995), ("b", "Heat", 1996)], {"1": "a"}),
        ([("1", "Heat", 1995), ("2", "Heat", 1996)], [("a", "Heat", 1995)], {"1": "a"}),
        # Two could be meant: nothing is joined.
        ([("1", "Emma", 1996)], [("a", "Emma", 1996), ("b", "Emma", 1996)], {}),
        ([("1", "Emma", 1996), ("2", "Emma", 1996)], [("a", "Emma", 1996)], {}),
        ([("1", "Emma", 1996)], [("a", "Emma", 1995), ("b", "Emma", 1997)], {}),
        ([("1", "Emma", 1996)], [("a", "Emma", 1996), ("b", "Emma", 1996), ("c", "Emma", 1997)], {}),
        ([("1", "!!!", 1996)], [("a", "???", 1996)], {}),
    ],
)
def test_matching_by_title_and_year(
    ours: list[tuple[str, str, int | None]], theirs: list[tuple[str, str, int]], pairs: dict[str, str]
) -> None:
    assert dict(match_by_title(movies(*ours), films(*theirs)).rows()) == pairs


def test_other_titles_match_too() -> None:
    ours = movies(("1", "Hate", 1995), ("2", "Amelie", 2001)).with_columns(
        alternate_titles=pl.Series([["La Haine"], []]), original_title=pl.Series([None, "Le Fabuleux destin"])
    )
    theirs = films(("tt1", "La haine", 1995), ("tt2", "Le fabuleux destin", 2001))
    assert dict(match_by_title(ours, theirs).rows()) == {"1": "tt1", "2": "tt2"}


def test_credits_by_id_then_by_title() -> None:
    ours = movies(("1", "Heat", 1995), ("2", "Toy Story", 1995), ("3", "Nowhere", 1995), ("4", "Toy Story", 1995))
    ours = ours.with_columns(imdb_id=pl.Series(["tt2", None, "tt9", None]))
    joined, joins = add_credits(ours, films(("tt2", "Other title", 1960), ("tt1", "Toy Story", 1995)))
    assert joined["movie_id"].to_list() == ["1", "2", "3", "4"]
    assert joined["directors"].to_list() == [["D tt2"], [], [], []]  # "Toy Story" might be either of two
    assert joins == {"wikidata by imdb_id": 0.25, "wikidata by title and year": 0.0, "wikidata": 0.25}

    joined, joins = add_credits(ours.head(3), films(("tt2", "Other title", 1960), ("tt1", "Toy Story", 1995)))
    assert joined["imdb_id"].to_list() == ["tt2", "tt1", "tt9"]
    assert joined["directors"].to_list() == [["D tt2"], ["D tt1"], []]
    assert joins["wikidata by title and year"] == pytest.approx(1 / 3)


def test_a_film_matched_by_id_is_not_given_to_another() -> None:
    ours = movies(("1", "Heat", 1995), ("2", "Heat", 1995)).with_columns(imdb_id=pl.Series(["tt1", None]))
    joined, _ = add_credits(ours, films(("tt1", "Heat", 1995)))
    assert joined["imdb_id"].to_list() == ["tt1", None]


def test_own_credits_are_kept_and_bare_tables_accepted() -> None:
    ours = pl.DataFrame({"movie_id": ["1", "2"], "title": ["Heat", "Ran"], "imdb_id": ["tt1", "tt2"]})
    ours = ours.with_columns(directors=pl.Series([["Me"], []], dtype=pl.List(pl.String)))
    joined, _ = add_credits(ours, films(("tt1", "Heat", 1995), ("tt2", "Ran", 1985)))
    assert joined["directors"].to_list() == [["Me"], ["D tt2"]]
    joined, joins = add_credits(ours.select("movie_id", "title"), films(("tt1", "Heat", 1995)))
    assert joined["directors"].to_list() == [[], []]  # without a year nothing is sure
    assert joins["wikidata"] == 0.0


def test_links_of_only_one_kind() -> None:
    joined, report, joins = add_links(movies(("1", "Heat", 1995)), pl.DataFrame({"movie_id": [1], "imdb_id": [113277]}))
    assert joined["imdb_id"].to_list() == ["tt0113277"]
    assert joins == {"imdb_id by links": 1.0}
    assert report.rows_out == 1
