"""Tables of the page Data: from the core's answers to CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest

from matinee.studio.tables import cleaning, day, tables, to_csv, to_zip

GROUP = {"films": 1, "ratings": 2, "mean": 3.5}
SPREAD = {"bins": [{"from": 1, "to": 1, "count": 4}, {"from": 1000, "to": 1999, "count": 2}]}


def statistics(**changes: Any) -> dict[str, Any]:
    return {
        "totals": {"users": 1, "first": None},
        "stars": [{"stars": 0.5, "count": 3}],
        "years": [{"year": 1999, "ratings": 2, "mean": 3.0}, {"year": 2001, "ratings": 1, "mean": 4.0}],
        "months": [{"month": "1999-11", "ratings": 2, "mean": 3.0}, {"month": "2000-02", "ratings": 1, "mean": 4.0}],
        "released": [GROUP | {"year": 1995}],
        "decades": [GROUP | {"decade": 1990}],
        **{name: [GROUP | {"name": f"a {name}"}] for name in ("genres", "directors", "countries", "tags")},
        "per_user": SPREAD,
        "per_film": SPREAD,
        "long_tail": [{"films": 0.5, "ratings": 0.9}],
        "top_films": [{"movie_id": "1", "title": "T", "year": None, "ratings": 2, "mean": None}],
        "top_users": [{"user_id": "1", "ratings": 2, "mean": 3.0}],
    } | changes


def test_studio_months_and_years_without_ratings_are_there() -> None:
    found = tables(statistics())
    assert found["months"]["Month"] == ["1999-11", "1999-12", "2000-01", "2000-02"]
    assert found["months"]["Ratings"] == [2, 0, 0, 1]
    assert found["months"]["Mean stars"] == [3.0, None, None, 4.0]
    assert found["years"]["Year"] == [1999, 2000, 2001]


def test_studio_unknown_times_leave_empty_tables() -> None:
    found = tables(statistics(years=[], months=[]))
    assert found["months"] == {"Month": [], "Ratings": [], "Mean stars": []}
    assert found["years"]["Year"] == []


def test_studio_bins_are_named_by_their_ends() -> None:
    assert tables(statistics())["per_user"] == {"Ratings": ["1", "1,000–1,999"], "Users": [4, 2]}


def test_studio_columns_of_a_table_have_one_length() -> None:
    for columns in tables(statistics()).values():
        assert len({len(cells) for cells in columns.values()}) == 1


def test_studio_csv_gives_back_what_went_in() -> None:
    odd = ['a "quoted", title', "two\nlines", "1 = 1", "名前 🎬", ""]
    text = to_csv({"Title": odd, "Mean": [1.5, None, 2, 3, 4]}).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["Title", "Mean"]
    assert [row[0] for row in rows[1:]] == odd
    assert rows[2][1] == ""


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_studio_csv_holds_no_formula(first: str) -> None:
    text = to_csv({"Title": [f"{first}HYPERLINK(1)", f"a{first}b"], "Mean": [-1.5, 2]}).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert rows == [[f"'{first}HYPERLINK(1)", "-1.5"], [f"a{first}b", "2"]]


def test_studio_archive_holds_every_table() -> None:
    found = tables(statistics())
    with zipfile.ZipFile(io.BytesIO(to_zip(found))) as bundle:
        assert bundle.namelist() == [f"{name}.csv" for name in found]
        assert bundle.read("stars.csv") == b"Stars,Ratings\r\n0.5,3\r\n"


def test_studio_cleaning_lists_reasons_by_table() -> None:
    row = {"reason": "no year", "count": 2}
    report = {
        "tables": [
            {"name": "movies", "rows_in": 5, "rows_out": 3, "dropped": [row], "changed": [], "noticed": [row]},
        ],
        "joins": [{"name": "tags", "share": 0.5}],
    }
    found = cleaning(report)
    assert found["cleaning"]["Dropped"] == [2]
    assert found["cleaning_reasons"]["Rows"] == ["dropped", "kept, but worth knowing"]
    assert found["joins"] == {"Source": ["tags"], "Share of films": [0.5]}


def test_studio_days() -> None:
    assert day(0) == "1970-01-01"
    assert day(None) is day(1e30) is day(-1e30) is None
