from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from api_support import Client

FILM = {"title": "The Lighthouse", "year": 2019, "genres": ["Drama"], "tags": ["sea"], "directors": ["Director 1"]}


def test_pages(client: Client) -> None:
    seen: list[str] = []
    url, pages = "/v1/movies?limit=7&sort=movie_id", 0
    while url:
        answer = client.get(url)
        body = answer.json()
        assert body["total"] == 40
        seen += [item["movie_id"] for item in body["items"]]
        links = {rel: target for target, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["link"])}
        assert {"first", "last"} <= set(links)
        url, pages = links.get("next", ""), pages + 1
        assert pages <= 6
    assert pages == 6
    assert len(set(seen)) == 40
    assert "prev" in links
    assert client.get(links["last"]).json()["offset"] == 35


def test_pages_filtered_and_sorted(client: Client) -> None:
    params = {"filter": 'genre = "Comedy" and year >= 2000', "sort": "-year", "limit": 5}
    answer = client.get("/v1/movies", params=params)
    years = [item["year"] for item in answer.json()["items"]]
    assert years == sorted(years, reverse=True)
    assert answer.json()["total"] == 10
    following = re.search(r'<([^>]+)>; rel="next"', answer.headers["link"])
    assert following is not None
    assert client.get(following[1]).json()["total"] == 10
    beyond = client.get("/v1/movies", params={"offset": 1000, "limit": 10})
    assert beyond.json()["items"] == []
    assert 'offset=30>; rel="prev"' in beyond.headers["link"]
    best = client.get("/v1/movies", params={"limit": 1}).json()["items"][0]
    assert best["ratings"] > 0
    assert best["mean"] > 3


def test_a_film_is_added_changed_and_removed(client: Client) -> None:
    added = client.put("/v1/movies/900", json=FILM)
    assert added.status_code == 201
    assert added.json()["movie_id"] == "900"
    assert client.get("/v1/movies/900").json() == added.json()
    assert client.get("/v1/search", params={"q": "lighthouse"}).json()["items"][0]["movie_id"] == "900"
    assert "900" in [item["movie_id"] for item in client.get("/v1/users/u0/recommendations?n=1000").json()["items"]]
    assert client.put("/v1/movies/900", json=FILM | {"movie_id": 900}).status_code == 200
    changed = client.patch(
        "/v1/movies/900",
        json={"year": None, "tags": None, "overview": "A lamp."},
        headers={"content-type": "application/merge-patch+json"},
    ).json()
    assert (changed["year"], changed["tags"], changed["overview"]) == (None, [], "A lamp.")
    assert changed["title"] == FILM["title"]
    assert client.delete("/v1/movies/900").status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        body = {"json": {}} if method == "PATCH" else {}
        assert client.request(method, "/v1/movies/900", **body).status_code == 404


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.title"),
        (FILM | {"title": ""}, "body.title"),
        (FILM | {"title": "x" * 501}, "body.title"),
        (FILM | {"year": "1999"}, "body.year"),
        (FILM | {"year": 1492}, "body.year"),
        (FILM | {"genres": "Drama"}, "body.genres"),
        (FILM | {"genres": ["x"] * 51}, "body.genres"),
        (FILM | {"imdb_id": "0114709"}, "body.imdb_id"),
        (FILM | {"movie_id": "901"}, "body.movie_id"),
        (FILM | {"stars": 5}, "body.stars"),
        ([FILM], "body"),
    ],
)
def test_what_is_no_film(client: Client, body: object, where: str) -> None:
    answer = client.put("/v1/movies/900", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == where
    assert client.get("/v1/movies/900").status_code == 404


def test_a_patch_cannot_empty_the_title_or_change_the_id(client: Client) -> None:
    for body in ({"title": None}, {"title": ""}, {"movie_id": "m2"}, {"nonsense": 1}):
        assert client.patch("/v1/movies/m1", json=body).status_code == 422
    assert client.patch("/v1/movies/m1", json={"movie_id": "m1"}).status_code == 200


def test_search(client: Client) -> None:
    answer = client.get("/v1/search", params={"q": "stroy of the weeping nmber 4", "n": 3}).json()
    assert answer["items"][0]["movie_id"] == "m4"
    assert answer["items"][0]["matched"] == "title"
    assert answer["items"][0]["how"]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[0] <= 1
    filtered = client.get("/v1/search", params={"q": "story", "filter": 'genre = "Comedy"'}).json()["items"]
    assert {item["genres"][0] for item in filtered} == {"Comedy"}
    assert client.get("/v1/search", params={"q": "zzzzqqqq"}).json()["items"] == []


def test_a_poster_is_never_a_file_of_this_machine(client: Client) -> None:
    assert client.get("/v1/movies/m1/poster?card=false").status_code == 404
    for address in ("/etc/passwd", "file:///etc/passwd", "posters/1.jpg", "javascript:alert(1)"):
        client.patch("/v1/movies/m1", json={"poster": address})
        assert client.get("/v1/movies/m1/poster?card=false").status_code == 404
        assert client.get("/v1/movies/m1/poster").headers["x-matinee-poster"] == "card"
    assert client.get("/v1/movies/nope/poster").status_code == 404


def test_the_length_of_a_filter_is_limited(client_with: Callable[..., Client]) -> None:
    answer = client_with(max_filter=20).get("/v1/movies", params={"filter": "year > 1990 and year < 2000"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:matinee:problem:filter"
