"""Title boxes: what completion gives for any text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps_support import Service
from matinee.web.inputs import typed
from matinee.web.titlebox import MAX_TITLE, SUGGESTIONS, with_year

Endpoint = Callable[..., list[Any]]
BOXES = ("film_titles", "favourite_titles_1", "favourite_titles_2", "favourite_titles_3")


def titles(answer: dict[str, Any]) -> list[str]:
    return [option["title"] for option in answer["options"]]


@pytest.mark.parametrize("box", BOXES)
def test_every_box_completes(call: Endpoint, box: str) -> None:
    [answer] = call(box, "toy")
    assert answer["for"] == "toy"
    assert titles(answer)[:2] == ["Toy Story", "Toy Story 2"]
    assert answer["options"][0] == {"movie_id": "1", "title": "Toy Story", "year": 1995}


def test_typing_errors_are_forgiven(call: Endpoint) -> None:
    [answer] = call("film_titles", "  starr \n warrs ")
    assert answer["for"] == "starr warrs"
    assert titles(answer)[0] == "Star Wars"
    assert len(answer["options"]) <= SUGGESTIONS


@pytest.mark.parametrize("text", ["", "   ", None, [], {}, {"a": 1}, True, 1.5, "\n"])
def test_nothing_typed_suggests_nothing(call: Endpoint, text: object) -> None:
    [answer] = call("film_titles", text)
    assert answer == {"for": "", "options": []}


@pytest.mark.parametrize(
    "text", ["🎬😀", "<script>alert(1)</script>", "${1}{{x}}", "\ud800", "ال", "%00\x00", "'\"\\", 300]
)
def test_odd_texts_are_texts(call: Endpoint, text: object) -> None:
    [answer] = call("film_titles", text)
    assert answer["for"]
    assert "note" not in answer


def test_a_text_longer_than_any_title(call: Endpoint) -> None:
    [answer] = call("film_titles", "x" * 10_000)
    assert answer == {"for": "x" * MAX_TITLE, "options": [], "note": "This is longer than any title."}


def test_while_the_core_is_away(core: Service, call: Endpoint) -> None:
    core.stop()
    try:
        [answer] = call("film_titles", "toy")
        assert answer["options"] == []
        assert "does not answer" in answer["note"]
    finally:
        core.start()
    assert titles(call("film_titles", "toy")[0])[0] == "Toy Story"


def test_names_and_texts() -> None:
    assert with_year({"title": "Alien", "year": 1979}) == "Alien (1979)"
    assert with_year({"title": "Alien", "year": None}) == "Alien"
    assert typed("  a \t b\n") == "a b"
    assert typed(42) == "42"
    assert typed("a\ud800b") == "a?b"
