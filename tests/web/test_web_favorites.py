"""Three favorites in, ten films out (classic.md, B2), by the web app's endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apps_support import Service

Endpoint = Callable[..., list[Any]]


def asked(call: Endpoint, *films: str, model: object = "content", ids: tuple[object, ...] = ("", "", "")) -> list[Any]:
    texts = [*films, "", "", ""][:3]
    return call("favourites", texts[0], ids[0], texts[1], ids[1], texts[2], ids[2], model)


def classic(core: Service, films: list[str], model: str) -> list[str]:
    body = {"movies": films, "model": model, "top_n": 10}
    answer = httpx.post(f"{core.url}/favourites", json=body, trust_env=False)
    return list(answer.raise_for_status().json()["titles"])


@pytest.mark.parametrize(
    ("model", "name"),
    [("Content Based Filtering", "content"), ("Collaborative Based Filtering", "collab"), ("collab", "collab")],
)
def test_ten_films_for_three(call: Endpoint, core: Service, model: str, name: str) -> None:
    films = ["Star Wars (1977)", "Alien (1979)", "Fargo (1996)"]
    *boxes, value, address = asked(call, *films, model=model)
    assert [box["text"] for box in boxes] == films
    assert value["titles"] == classic(core, films, name)
    assert [item["rank"] for item in value["items"]] == list(range(1, 11))
    assert not set(value["titles"]) & set(films)
    assert value["notes"] == []
    assert address.startswith(f"?tab=favourites&model={name}&film1=2&film2=4&film3=")


def test_all_three_count(call: Endpoint) -> None:
    lists = {tuple(asked(call, "Star Wars", "Alien", third)[3]["titles"]) for third in ("Toy Story", "Fargo", "M")}
    assert len(lists) == 3


def test_the_same_film_twice(call: Endpoint) -> None:
    *_, value, _ = asked(call, "Alien", "Alien", "Fargo")
    assert len(value["items"]) == 10
    assert "error" not in value


def test_fewer_than_three_do(call: Endpoint) -> None:
    *_, value, address = asked(call, "", "Alien", model="collab")
    assert len(value["items"]) == 10
    assert "two more" in " ".join(value["notes"])
    assert address == "?tab=favourites&model=collab&film2=4"


def test_ids_count_more_than_texts(call: Endpoint) -> None:
    *boxes, value, _ = asked(call, "whatever", "", "Fargo", ids=("2", "4", ""))
    assert [box["text"] for box in boxes] == ["Star Wars (1977)", "Alien (1979)", "Fargo (1996)"]
    assert value["notes"] == []


def test_what_was_understood_is_said(call: Endpoint) -> None:
    *boxes, value, _ = asked(call, "starr warrs", "qqqqzzzzxxxxjjjj", "", ids=("", "", "nothing"))
    notes = " ".join(value["notes"])
    assert "“starr warrs” was taken for Star Wars (1977)." in notes
    assert "No title comes near “qqqqzzzzxxxxjjjj”" in notes
    assert "no film with the id “nothing”" in notes
    assert boxes[1]["text"] == "qqqqzzzzxxxxjjjj"
    assert value["items"]


def test_a_film_that_nobody_has_rated(call: Endpoint, core: Service) -> None:
    body = {"cold": {"title": "Cold Film (2024)", "genres": ["Drama"], "tags": ["tense"]}}
    httpx.post(f"{core.url}/update_movie", json=body, trust_env=False).raise_for_status()
    *_, value, _ = asked(call, "Star Wars", "Alien", "", model="collab", ids=("", "", "cold"))
    assert value["cold"] == ["Cold Film (2024)"]
    assert "Nobody has rated Cold Film (2024) yet" in " ".join(value["notes"])
    assert len(value["items"]) == 10


@pytest.mark.parametrize(
    ("films", "ids"),
    [
        (("", "", ""), ("", "", "")),
        ((None, None, None), (None, None, None)),
        (("x" * 10_000, "🎬", ""), ("", "", "")),
        (([], {}, True), ([], {"a": 1}, False)),
        (("", "", ""), ("x" * 10_000, "../x", "\ud800")),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_no_film_at_all(call: Endpoint, films: tuple[object, ...], ids: tuple[object, ...]) -> None:
    answer = call("favourites", films[0], ids[0], films[1], ids[1], films[2], ids[2], "content")
    assert answer[3]["error"]["title"] == "There is no favourite film yet."
    assert len(answer[3]["error"]["hint"]) < 400
    assert answer[4] == "?tab=favourites&model=content"


@pytest.mark.parametrize("model", ["astrology", None, [], 7])
def test_no_such_algorithm(call: Endpoint, model: object) -> None:
    *_, value, _ = asked(call, "Alien", model=model)
    assert "algorithm" in value["error"]["title"]
    assert "Collaborative" in value["error"]["hint"]


def test_addresses_restore(call: Endpoint) -> None:
    values = call("open", "?tab=favourites&model=collab&film1=2&film2=4&film3=nothing", "somebody")
    at = values.index("collab")
    assert [box["text"] for box in values[at + 1 : at + 4]] == ["Star Wars (1977)", "Alien (1979)", ""]
    value = values[at + 4]
    assert len(value["items"]) == 10
    values = call("open", "?tab=favourites&model=astrology&film1=%00", "somebody")
    assert "content" in values
    values = call("open", "?tab=favourites", "somebody")
    assert {"items": None} in values


def test_while_the_core_is_away(core: Service, call: Endpoint) -> None:
    core.stop()
    try:
        *boxes, value, _ = asked(call, "Alien", "Fargo")
        assert "does not answer" in value["error"]["title"]
        assert [box["text"] for box in boxes] == ["Alien", "Fargo", ""], "what was typed stays"
    finally:
        core.start()
    assert asked(call, "Alien", "Fargo")[3]["items"]
