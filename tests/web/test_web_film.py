"""The film page's endpoints: a film by title or id, what it is to a visitor, stars given and taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apps_support import Service

Endpoint = Callable[..., list[Any]]
NEWER = 4
"""Values of newer pages at the end of the answer of `open`: one each."""


def opened(call: Endpoint, query: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Box, view and address of the film page at an address: they come before the pages that are newer."""
    values = call("open", query, "somebody")
    return values[-NEWER - 2], values[-NEWER - 1], values[1]


def test_a_film_by_its_title(call: Endpoint) -> None:
    box, value, address = call("film", "starr warrs", "")
    assert box == {"text": "Star Wars (1977)", "movie_id": "2"}
    assert address == "?tab=film&film=2"
    film = value["film"]
    assert (film["title"], film["year"], film["genres"]) == ("Star Wars", 1977, ["Drama", "Thriller"])
    assert film["imdb"] == "https://www.imdb.com/title/tt9000002/"
    assert film["tmdb"] == "https://www.themoviedb.org/movie/900002"
    ratings = value["ratings"]
    assert ratings["count"] == sum(step["count"] for step in ratings["histogram"]) > 0
    assert [step["stars"] for step in ratings["histogram"]] == [half / 2 for half in range(1, 11)]


def test_films_like_it_stand_side_by_side(call: Endpoint) -> None:
    _, value, _ = opened(call, "?tab=film&film=2")
    assert [column["by"] for column in value["similar"]] == ["taste", "content", "poster"]
    for column in value["similar"]:
        assert column["items"], column
        assert column["note_key"] == ""
        assert "2" not in [item["movie_id"] for item in column["items"]]


def test_the_film_that_was_chosen_counts_more_than_the_text(call: Endpoint) -> None:
    box, value, _ = call("film", "Heat", "4")
    assert box["text"] == "Alien (1979)"
    assert value["film"]["movie_id"] == "4"


def test_a_film_without_poster_ratings_genres_and_year(call: Endpoint, core: Service) -> None:
    title = "<b>Nobody</b> ${alert(1)} {{x}}"
    body = {"bare": {"title": title, "genres": [], "tags": []}}
    httpx.post(f"{core.url}/update_movie", json=body, trust_env=False).raise_for_status()
    box, value, _ = opened(call, "?tab=film&film=bare")
    assert box["text"] == value["film"]["title"] == title
    assert (value["film"]["year"], value["film"]["imdb"], value["film"]["tmdb"]) == (None, None, None)
    assert value["ratings"]["count"] == 0
    notes = {column["by"]: column["note_key"] for column in value["similar"]}
    assert notes["taste"].removesuffix(".instead") == "taste"
    assert notes["poster"].removesuffix(".instead") == "poster"


def test_a_film_with_few_ratings_is_not_called_unrated(call: Endpoint, core: Service) -> None:
    body = {"seldom": {"title": "Seldom Seen (2020)", "genres": ["Comedy"], "tags": []}}
    httpx.post(f"{core.url}/update_movie", json=body, trust_env=False).raise_for_status()
    call("rate_film", "one-who-has-seen-it", "seldom", 4)
    _, value, _ = opened(call, "?tab=film&film=seldom")
    [taste] = [column for column in value["similar"] if column["by"] == "taste"]
    assert value["ratings"]["count"] == 1
    assert taste["note_key"].removesuffix(".instead") == "taste.few"


@pytest.mark.parametrize("film", ["nothing", "%00", "..", "a%2Fb", "x" * 3000, "%3Cscript%3E", "%F0%9F%8E%AC"])
def test_an_unknown_film_is_said_so(call: Endpoint, film: str) -> None:
    box, value, _ = opened(call, f"?tab=film&film={film}")
    assert box == {}
    assert "There is no film" in value["error"]["title"]
    assert len(value["error"]["title"]) < 100
    assert not value["error"]["retry"]


def test_without_a_film_there_are_some_to_begin_with(call: Endpoint) -> None:
    box, value, address = opened(call, "?tab=film")
    assert (box, address) == ({}, "?tab=film")
    assert len(value["starters"]) > 5
    assert [chart["by"] for chart in value["charts"]] == ["trending", "top_rated"]
    assert all(len(chart["items"]) == 6 for chart in value["charts"])
    assert call("film", "", "")[1] == value


@pytest.mark.parametrize("text", ["qqqqzzzzxxxxjjjj", "🎬", "x" * 10_000])
def test_a_text_that_is_no_film(call: Endpoint, text: str) -> None:
    box, value, address = call("film", text, None)
    assert "No title comes near" in value["error"]["title"]
    assert box["text"] == text[:300]
    assert address == "?tab=film"


# --- stars -----------------------------------------------------------------------------------------------------
def test_stars_are_given_and_taken_back(call: Endpoint) -> None:
    [before] = call("film_yours", "anna", "4")
    assert before["movie_id"] == "4"
    assert before["yours"] == {"rating": None, "stars": None, "because": [], "reason": "", "lowest": 0.5}
    count = opened(call, "?tab=film&film=4")[1]["ratings"]["count"]
    [given] = call("rate_film", "anna", "4", 4)
    assert given["yours"]["rating"] == 4
    assert given["ratings"]["count"] == count + 1
    [changed] = call("rate_film", "anna", "4", 2.5)
    assert changed["yours"]["rating"] == 2.5
    assert changed["ratings"]["count"] == count + 1
    assert call("film_yours", "anna", "4")[0]["yours"]["rating"] == 2.5
    [back] = call("unrate_film", "anna", "4")
    assert back["yours"]["rating"] is None
    assert back["ratings"]["count"] == count
    [again] = call("unrate_film", "anna", "4")
    assert "trouble" not in again, "what is gone already is no trouble"


def test_what_to_expect_and_why(call: Endpoint) -> None:
    for film in ("2", "4", "6", "8"):
        call("rate_film", "bert", film, 5)
    [answer] = call("film_yours", "bert", "10")
    assert 0.5 <= answer["yours"]["stars"] <= 5
    assert 1 <= len(answer["yours"]["because"]) <= 3
    assert answer["yours"]["reason"].startswith("because you loved ")


@pytest.mark.parametrize(
    ("user", "film", "stars"),
    [
        ("anna", "4", 99),
        ("anna", "4", -1),
        ("anna", "4", None),
        ("anna", "4", "five"),
        ("anna", "4", True),
        ("anna", "4", [5]),
        ("anna", "nothing", 5),
        ("anna", "a/b", 5),
        ("a/b", "4", 5),
        ("anna", None, 5),
        ("", "4", 5),
        (None, "4", 5),
        ({"a": 1}, "4", 5),
        ("x" * 10_000, "4", 5),
        ("anna", "x" * 10_000, 5),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_stars_that_cannot_be(call: Endpoint, user: object, film: object, stars: object) -> None:
    [answer] = call("rate_film", user, film, stars)
    assert answer["trouble"]["title"]
    assert "yours" not in answer
    [answer] = call("film_yours", user, film)
    assert "yours" in answer or "trouble" in answer


def test_while_the_core_is_away_and_after(core: Service, call: Endpoint) -> None:
    core.stop()
    try:
        for answer in (
            call("rate_film", "cara", "4", 5),
            call("unrate_film", "cara", "4"),
            call("film_yours", "cara", "4"),
        ):
            assert "does not answer" in answer[0]["trouble"]["title"]
        first, second = (call("rate_film", "cara", "4", 5)[0] for _ in range(2))
        assert first != second, "an equal value would not be drawn again"
        box, value, _ = call("film", "alien", "")
        assert box == {"text": "alien"}
        assert value["error"]["retry"]
        assert call("film", "", "")[1]["error"]["retry"]
    finally:
        core.start()
    assert call("rate_film", "cara", "4", 5)[0]["yours"]["rating"] == 5
