"""Commands that ask."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.queries import answer_json, print_answer
from matinee.engine.types import Answer, Item, MovieRef, Reason


def test_recommend_prints_a_table_with_reasons(home: Path, run: Any) -> None:
    done = run("recommend", "--user", "42", "-n", "5", "--explain")
    assert done.code == 0, done.err
    assert "For user 42" in done.out
    assert "Why" in done.out
    assert "because you" in done.out or "no single film decides" in done.out
    assert "%" not in done.out, "percentages come with --shares"
    assert "\x1b" not in done.out, "no colours in a pipe"


def test_shares_add_percentages(home: Path, run: Any) -> None:
    likes = ("--like", "Toy Story (1995)", "--like", "Shrek")
    plain = " ".join(run("recommend", *likes, "-n", "3", "--explain").out.split())
    done = run("recommend", *likes, "-n", "3", "--shares")
    assert done.code == 0, done.err
    assert "because you loved" in plain
    assert "because you loved" in done.out
    assert re.search(r"(Toy Story|Shrek) \d+% · (Toy Story|Shrek) \d+%", done.out)
    assert "%" not in plain


def test_what_is_pushed_away_is_told_below_the_list() -> None:
    item = Item(
        0, "1", "A [b]film[/b]", 1999, (), 1.0, 1, None, (Reason("2", "Alien", 0.5),), "because you loved Alien"
    )
    answer = Answer((item,), "blend", "s", less_of=(MovieRef("3", "Saw"), MovieRef("4", "[i]Hostel")))
    capture = io.StringIO()
    with contextlib.redirect_stdout(capture):
        print_answer(answer, "", explain=True)
        print_answer(dataclasses.replace(answer, less_of=()), "", explain=True, shares=True)
    first, _, second = capture.getvalue().partition("Less of: Saw · [i]Hostel\n")
    assert "A [b]film[/b] (1999)" in first
    assert "because you loved Alien" in first
    assert "%" not in first
    assert "Alien 50%" in second
    assert "Less of" not in second
    told = answer_json(answer)
    assert told["less_of"] == [{"movie_id": "3", "title": "Saw"}, {"movie_id": "4", "title": "[i]Hostel"}]
    assert told["items"][0]["reason"] == "because you loved Alien"


def test_recommend_json_has_the_shape_of_the_api(home: Path, run: Any) -> None:
    answer = json.loads(run("recommend", "--user", "42", "-n", "5", "--explain", "--json").out)
    assert answer["user_id"] == "42"
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    item = answer["items"][0]
    assert {"movie_id", "title", "year", "genres", "score", "because", "reason"} <= set(item)
    assert item["reason"]
    assert isinstance(answer["less_of"], list)
    assert "row" not in item
    assert sum(reason["share"] for reason in item["because"]) <= 1 + 1e-6
    seen = {entry["movie_id"] for entry in json.loads(run("history", "42", "--json").out)["items"]}
    assert not seen & {item["movie_id"] for item in answer["items"]}


def test_recommend_for_films_liked_follows_taste(home: Path, run: Any) -> None:
    done = run("recommend", "--like", "Toy Story (1995)", "--like", "Shrek", "-n", "5", "--json")
    genres = [item["genres"] for item in json.loads(done.out)["items"]]
    assert sum("Comedy" in names for names in genres) >= 4
    assert not {"Toy Story", "Shrek"} & {item["title"] for item in json.loads(done.out)["items"]}


def test_filter_and_exclude_hold(home: Path, run: Any) -> None:
    first = json.loads(run("recommend", "--user", "42", "-n", "3", "--json").out)["items"][0]
    options = ("--filter", "year < 1980", "--exclude", f"id:{first['movie_id']}", "--diversity", "0.5")
    items = json.loads(run("recommend", "--user", "42", *options, "--json").out)["items"]
    assert items
    assert all(item["year"] < 1980 and item["movie_id"] != first["movie_id"] for item in items)


def test_adventurous_is_passed_on(home: Path, run: Any) -> None:
    lists = [
        [item["movie_id"] for item in json.loads(run("recommend", "--user", "42", *options, "--json").out)["items"]]
        for options in ((), ("--adventurous", "0.5"), ("--adventurous", "0"), ("--adventurous", "1"))
    ]
    assert lists[0] == lists[1]
    assert lists[2] != lists[3]


def test_unknown_user_gets_the_popular_films_and_is_told(home: Path, run: Any) -> None:
    done = run("recommend", "--user", "nobody", "--json")
    assert done.code == 0
    assert json.loads(done.out)["fallback"] == "popular"
    assert "popular" in done.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "--user or --like"),
        (("--user", "1", "--like", "Alien"), 2, "--user or --like"),
        (("--user", "1", "-n", "0"), 2, "number"),
        (("--user", "1", "-n", "many"), 2, "number"),
        (("--user", "1", "--diversity", "2"), 2, "diversity"),
        (("--user", "1", "--adventurous", "2"), 2, "adventurous"),
        (("--user", "1", "-n", "100000"), 1, "1000"),
        (("--user", "1", "--model", "oracle"), 1, "oracle"),
        (("--user", "1", "--filter", "yeer > 1990"), 1, "yeer"),
        (("--user", "1", "--filter", "year >"), 1, "Error"),
        (("--like", "qqqqqqqqqqqqqqq"), 1, "qqqqqqq"),
        (("--like", "id:999999"), 1, "999999"),
        (("--like", ""), 1, "Error"),
        (("--user", "1", "--exclude", "qqqqqqqqqqqqqqq"), 1, "qqqqqqq"),
    ],
)
def test_recommend_refuses_bad_input(home: Path, run: Any, words: tuple[str, ...], code: int, told: str) -> None:
    done = run("recommend", *words)
    assert done.code == code
    assert told in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_similar_links_to_imdb(home: Path, run: Any) -> None:
    done = run("similar", "toy story", "-n", "4")
    assert done.code == 0, done.err
    assert "https://www.imdb.com/title/tt90000" in done.out
    answer = json.loads(run("similar", "Toy Story", "--json", "--by", "content").out)
    assert answer["title"] == "Toy Story"
    assert "Toy Story" not in [item["title"] for item in answer["items"]]
    assert all(item["imdb_url"].startswith("https://www.imdb.com/title/tt") for item in answer["items"])


def test_titles_are_resolved_and_guesses_are_told(home: Path, run: Any) -> None:
    assert "No film is called 'toy stroy': took Toy Story" in run("similar", "toy stroy").err
    assert "2 films are called 'Sabrina'" in run("similar", "Sabrina").err
    assert "Similar to Sabrina (1954)" in run("similar", "Sabrina (1954)").out
    assert run("similar", "Sabrina (1954)").err == ""
    assert "Similar to The Matrix (1999)" in run("similar", "the matrix").out
    assert "Similar to Toy Story (1995)" in run("similar", "1").out, "an id"
    assert "Similar to Star Wars" in run("similar", "id:2").out


def test_exact_title_wins_over_an_id(home: Path, run: Any) -> None:
    film = {"movie_id": "300", "title": "Quiz Night", "year": 1994}
    path = home / "films.ndjson"
    path.write_text(json.dumps(film) + "\n", encoding="utf-8")
    assert run("import", "movies", str(path)).code == 0
    done = run("similar", "300")
    assert "Similar to 300 (2007)" in done.out
    assert "id:300" in done.err
    assert "Similar to Quiz Night (1994)" in run("similar", "id:300").out


def test_search(home: Path, run: Any) -> None:
    done = run("search", "star", "wras")
    assert done.code == 0
    assert "Star Wars (1977)" in done.out
    assert json.loads(run("search", "godfather", "--json").out)["items"][0]["movie"]["title"] == "The Godfather"
    assert run("search", "qqqqqqqqqqqq", "--json").code == 0


def test_popular(home: Path, run: Any) -> None:
    for by, heading in (("popular", "Popular"), ("trending", "Trending"), ("top_rated", "Top rated")):
        done = run("popular", "--by", by, "--genre", "Comedy")
        assert (heading in done.out, "Mean" in done.out) == (True, True)
    assert run("popular", "--json").out == run("popular", "--by", "popular", "--json").out
    assert run("popular", "--by", "fame").code == 2
    items = json.loads(run("popular", "--genre", "comedy", "--year", "1995", "--days", "100000", "--json").out)["items"]
    assert items
    assert all("Comedy" in item["genres"] and item["year"] == 1995 for item in items)
    nothing = run("popular", "--genre", 'Co"medy')
    assert (nothing.code, nothing.out) == (1, "")
    assert 'Did you mean "Comedy"?' in nothing.err
    assert run("popular", "--days", "-1").code == 2
    assert run("popular", "--year", "soon").code == 2


def test_history(home: Path, run: Any) -> None:
    done = run("history", "42", "-n", "3")
    assert done.code == 0
    assert "2001-" in done.out
    unknown = run("history", "nobody")
    assert unknown.code == 1
    assert "nobody" in unknown.err


def test_without_a_snapshot_the_error_says_what_to_do(run: Any) -> None:
    for words in (("recommend", "--user", "1"), ("search", "x"), ("popular",), ("similar", "x"), ("history", "1")):
        done = run(*words)
        assert done.code == 1
        assert "matinee train" in done.err
