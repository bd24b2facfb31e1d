"""The search page's endpoint: texts, ways, filters, and whatever else may be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps_support import Service

Endpoint = Callable[..., list[Any]]


def titles(value: dict[str, Any]) -> list[str]:
    return [item["title"] for item in value["items"]]


def test_by_title_with_typing_errors(call: Endpoint) -> None:
    value, address = call("search", "starr warrs", "title", 5, "")
    assert titles(value)[0] == "Star Wars"
    assert all(item["matched"] == "title" and item["how"] for item in value["items"])
    assert address == "?tab=search&q=starr+warrs&by=title&n=5"


def test_by_meaning_where_no_text_was_encoded(call: Endpoint) -> None:
    value, address = call("search", "tense thriller", "meaning", 12, "")
    assert value["error"]["title"]
    assert address == "?tab=search&q=tense+thriller&by=meaning"
    assert call("search", "tense thriller", "both", 12, "")[0]["items"], "words of the tags"


def test_a_filter_narrows(call: Endpoint) -> None:
    value, _ = call("search", "toy story", "both", 12, "year >= 1999")
    assert "Toy Story 2" in titles(value)
    assert all(item["year"] >= 1999 for item in value["items"])


def test_a_filter_alone_lists_the_most_rated(call: Endpoint) -> None:
    value, address = call("search", "", "both", 3, "genre = Comedy")
    assert len(value["items"]) == 3
    assert value["total"] >= 20
    counts = [item["ratings"] for item in value["items"]]
    assert counts == sorted(counts, reverse=True)
    assert address == "?tab=search&n=3&filter=genre+%3D+Comedy"


def test_a_filter_that_cannot_be_read(call: Endpoint) -> None:
    for text in ("toy", ""):
        value, address = call("search", text, "both", 12, "yeer > 3")
        assert "cannot be read" in value["error"]["title"]
        assert "year" in value["error"]["hint"]
        assert value["error"]["position"] == 0
        assert "filter=yeer" in address


@pytest.mark.parametrize("text", ["", "   ", None, [], {"a": 1}, True])
def test_nothing_asked(call: Endpoint, text: object) -> None:
    value, address = call("search", text, "both", 12, None)
    assert value["items"] is None
    assert address == "?tab=search"


@pytest.mark.parametrize("text", ["🎬😀", "<script>alert(1)</script>", "${1} {{x}}", "\ud800", "\x00", 42])
def test_odd_texts_find_something_or_nothing(call: Endpoint, text: object) -> None:
    value, _ = call("search", text, "both", 12, "")
    assert isinstance(value["items"], list)


def test_a_text_or_filter_that_is_too_long(call: Endpoint) -> None:
    value, address = call("search", "x" * 10_000, "both", 12, "")
    assert "10,000 characters" in value["error"]["title"]
    assert address == "?tab=search"
    value, _ = call("search", "toy", "both", 12, "x" * 10_000)
    assert "filter" in value["error"]["title"]


def test_a_way_that_there_is_not(call: Endpoint) -> None:
    value, _ = call("search", "toy", "smell", 12, "")
    assert "smell" in value["error"]["title"]
    assert call("search", "toy", None, 12, "")[0]["by"] == "both"


@pytest.mark.parametrize(("n", "kept"), [(0, 1), (-5, 1), (1e300, 60), ("7", 7), ("abc", 12), (None, 12), ([], 12)])
def test_any_number_of_films(call: Endpoint, n: object, kept: int) -> None:
    value, _ = call("search", "toy", "both", n, "")
    assert value["n"] == kept
    assert len(value["items"]) <= kept


def test_addresses_restore(call: Endpoint) -> None:
    values = call("open", "?tab=search&q=toy+story&by=title&n=2&filter=year+%3E+1996", "somebody")
    [value] = [value for value in values if isinstance(value, dict) and "items" in value]
    at = values.index("toy story")
    assert values[at : at + 4] == ["toy story", "title", 2, "year > 1996"]
    assert titles(value) == ["Toy Story 2"] or titles(value)[0] == "Toy Story 2"
    values = call("open", "?tab=search&q=toy&by=smell&n=abc", "somebody")
    at = values.index("toy")
    assert values[at : at + 4] == ["toy", "both", 12, ""]


def test_while_the_core_is_away(core: Service, call: Endpoint) -> None:
    core.stop()
    try:
        value, address = call("search", "toy", "both", 12, "")
        assert "does not answer" in value["error"]["title"]
        assert value["error"]["retry"]
        assert address == "?tab=search&q=toy"
    finally:
        core.start()
    assert titles(call("search", "toy", "both", 12, "")[0])
