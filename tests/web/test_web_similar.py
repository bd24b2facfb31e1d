"""More like this over HTTP: the classic endpoint `Recommender`, the map's data, hostile values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from gradio_client import Client

from apps_support import Service

Call = Callable[..., list[Any]]


@pytest.mark.parametrize(
    ("model", "space"),
    [
        ("Faiss", "content"),
        ("EXACT", "content"),
        pytest.param("annoy", "content", marks=pytest.mark.extended),
        pytest.param("HNSW", "content", marks=pytest.mark.extended),
    ],
)
def test_recommender_with_each_index(call: Call, model: str, space: str) -> None:
    found, address = call("Recommender", model, 6, "starr warrs")
    assert found["matched"]["title"] == "Star Wars"
    assert found["model"] == model.lower()
    assert found["space"] == space
    assert len(found["items"]) == 6
    assert found["links"] == [
        f"https://www.imdb.com/title/tt{9_000_000 + int(item['movie_id']):07d}" for item in found["items"]
    ]
    assert [item["rank"] for item in found["items"]] == list(range(1, 7))
    assert "title=starr+warrs" in address
    assert ("by=" in address) == (model != "Faiss")


def test_recommender_for_programs_in_the_classic_order(web: Service) -> None:
    client = Client(web.url, verbose=False)
    try:
        found, _ = client.predict("Faiss", 3, "Alien", api_name="/Recommender")
    finally:
        client.close()
    assert len(found["links"]) == 3
    assert all(link.startswith("https://www.imdb.com/title/tt") for link in found["links"])


@pytest.mark.parametrize(
    "title", ["", "   ", None, 5.5, [], {"a": 1}, "qwxzvk jjj", "🎬🎬", "x" * 10_000, "<script>alert(1)</script>" * 20]
)
def test_recommender_does_not_recognize(call: Call, title: Any) -> None:
    found, _ = call("Recommender", "Faiss", 5, title)
    assert found["error"]["title"] == "Movie Unrecognized. Try Again"
    assert found["links"] == []


@pytest.mark.parametrize(
    ("number", "films"), [(15, 15), (99, 15), (0, 1), ("4", 4), ("lots", 5), (None, 5), ({}, 5), (float("1e300"), 15)]
)
def test_recommender_takes_any_number(call: Call, number: Any, films: int) -> None:
    found, _ = call("Recommender", "Exact", number, "Alien (1979)")
    assert found["matched"]["score"] == 100
    assert len(found["items"]) == films


@pytest.mark.parametrize("model", ["scann", 7, "<b>" * 100])
def test_recommender_with_a_model_that_is_none(call: Call, model: Any) -> None:
    found, _ = call("Recommender", model, 5, "Alien")
    assert "Use" in found["error"]["title"]


@pytest.mark.parametrize("model", [None, "", []])
def test_recommender_without_a_model(call: Call, model: Any) -> None:
    assert call("Recommender", model, 5, "Alien")[0]["model"] == "faiss"


def test_plot_before_any_query(call: Call) -> None:
    shown, found, address = call("plot", "Annoy", 5, "")
    assert shown == {"space": "content", "query": None, "neighbours": [], "note": ""}
    assert found == {}
    assert address == "?tab=similar&by=annoy&view=map"


def test_plot_of_a_query(call: Call) -> None:
    shown, found, address = call("plot", "Annoy", 4, "alein")
    assert shown["space"] == "content"
    assert shown["query"]["title"] == "Alien"
    assert [film["movie_id"] for film in shown["neighbours"]] == [item["movie_id"] for item in found["items"]]
    assert address == "?tab=similar&title=alein&by=annoy&n=4&view=map"


def test_plot_of_an_unknown_title_shows_all_films(call: Call) -> None:
    shown, found, _ = call("plot", "Faiss", 5, "qwxzvk jjj")
    assert shown["note"] == found["error"]["title"] == "Movie Unrecognized. Try Again"
    assert shown["query"] is None


@pytest.mark.parametrize("space", ["content", "taste"])
def test_map_data_is_compressed_and_kept(web: Service, space: str) -> None:
    url = f"{web.url}/media/map/{space}"
    with httpx.Client(trust_env=False) as http:
        first = http.get(url)
        assert first.headers["content-encoding"] == "gzip"
        films = first.json()
        assert films["space"] == space
        assert len(films["movie_ids"]) == len(films["x"]) == len(films["y"]) == len(films["titles"]) == 40
        again = http.get(url, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        bare = http.get(url, headers={"accept-encoding": "identity"})
        assert "content-encoding" not in bare.headers
        assert bare.json() == films


def test_map_of_a_space_that_is_none(web: Service) -> None:
    answer = httpx.get(f"{web.url}/media/map/nowhere", trust_env=False)
    assert answer.status_code == 422
    assert "detail" in answer.json()


def test_similar_by_what_is_compared(call: Call) -> None:
    found, address = call("similar_by", "Annoy", 4, "Alien", "All that they are about")
    assert found["items"] == call("Recommender", "Annoy", 4, "Alien")[0]["items"]
    assert "like=" not in address
    shown, *_ = call("plot_by", "Annoy", 4, "Alien", "content")
    assert shown == call("plot", "Annoy", 4, "Alien")[0]
    for likeness in ("Plot: words", "meaning"):
        refused, address = call("similar_by", "Annoy", 4, "Alien", likeness)
        assert refused["error"]["title"].startswith("No film here has a plot.")
        assert f"like={refused['asked']['likeness']}" in address
    assert call("similar_by", "Annoy", 4, "Alien", ["<b>"])[0]["space"] == "content"
    assert "Plot: meaning" in call("open", "?tab=similar&title=alein&like=meaning", "anna")


def test_similar_restores_an_address(call: Call) -> None:
    values = call("open", "?tab=similar&title=alein&by=hnsw&n=7&view=map", "anna")
    assert values[0]["selected"] == "similar"
    assert {"text": "alein", "movie_id": ""} in values
    assert "HNSW" in values
    assert 7 in values
    [found] = [value for value in values if isinstance(value, dict) and "links" in value]
    assert len(found["items"]) == 7
    [shown] = [value for value in values if isinstance(value, dict) and "neighbours" in value]
    assert shown["query"] == found["matched"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&title=&by=&n=&view=",
        "&title=%00%ff&by=%3Cb%3E&n=abc&view=map",
        "&n=1e999",
        "&title=" + "a" * 3900 + "&view=map",
    ],
)
def test_similar_restores_hostile_addresses(call: Call, query: str) -> None:
    values = call("open", "?tab=similar" + query, "anna")
    assert values[0]["selected"] == "similar"
    assert "Faiss" in values


def test_similar_while_the_core_is_away(web: Service, core: Service, call: Call) -> None:
    core.stop()
    try:
        found, _ = call("Recommender", "Faiss", 5, "Alien")
        assert found["error"]["retry"]
        shown, _, _ = call("plot", "Faiss", 5, "Alien")
        assert shown["error"]["retry"]
        assert httpx.get(f"{web.url}/media/map/content", trust_env=False).status_code == 503
    finally:
        core.start()
    assert call("Recommender", "Faiss", 5, "Alien")[0]["links"]
