from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from api_support import Client
from matinee.data.titles import split_title
from matinee.settings import Settings

PREFIXES = ("", "/classic")


@pytest.fixture(params=["here", pytest.param("remote", marks=pytest.mark.extended)])
def scoring(request: pytest.FixtureRequest) -> str:
    """What is tested holds whoever scores."""
    who: str = request.param
    return who


@pytest.mark.parametrize("prefix", PREFIXES)
def test_first_form(client: Client, prefix: str) -> None:
    answer = client.get(f"{prefix}/recommendations/u1")
    assert len(answer.json()["items"]) == 10
    assert all(set(item) == {"id"} and isinstance(item["id"], str) for item in answer.json()["items"])
    for spelled in ("true", "1", "yes", "True", "YES"):
        item = client.get(f"{prefix}/recommendations/u1", params={"returnMetadata": spelled}).json()["items"][0]
        assert set(item) == {"id", "title", "genres"}
        assert isinstance(item["genres"], list)
        film = client.get(f"/v1/movies/{item['id']}").json()
        assert item["title"] == f"{film['title']} ({film['year']})"
    for spelled in ("false", "0", "no", "perhaps", "", "2", "on", "🎬"):
        found = client.get(f"{prefix}/recommendations/u1", params={"returnMetadata": spelled})
        assert (found.status_code, found.content) == (200, answer.content)
    assert client.get(f"{prefix}/recommendations/u1").content == answer.content


@pytest.mark.parametrize("prefix", PREFIXES)
def test_second_form(client: Client, prefix: str) -> None:
    url = f"{prefix}/recommendations"
    items = client.get(url, params={"user_id": "u1"}).json()["items"]
    assert len(items) == 10
    assert all(item == {"movie_id": item["id"], "id": item["id"]} for item in items)
    item = client.get(url, params={"user_id": "u1", "returnMetadata": "1", "top_n": 1}).json()["items"][0]
    assert item["genres"] == "Comedy"
    assert item["tags"] == "funny|light"
    assert re.fullmatch(r"Story of the Laughing Number \d+ \(\d{4}\)", item["title"])
    no = client.get(url, params={"user_id": "u1", "returnMetadata": "perhaps"})
    assert (no.status_code, no.json()["items"]) == (200, items)
    assert client.get(url).status_code == 422


def test_few_ratings_are_answered_by_content(client: Client) -> None:
    """The classic rule: below `min_ratings` the films' content decides, from there on the rating model."""

    def items(url: str) -> list[str]:
        return [item.get("movie_id", item.get("id")) for item in client.get(url).json()["items"]]

    few = "/v1/users/u1/recommendations?model=content"
    assert items("/recommendations/u1") == items(few)
    rated = {item["movie_id"] for item in client.get("/v1/users/u1/ratings").json()["items"]}
    for film in [f"m{i}" for i in range(40) if f"m{i}" not in rated][: 20 - len(rated)]:
        client.put(f"/v1/users/u1/ratings/{film}", json={"rating": 4})
    assert items("/recommendations/u1") == items("/v1/users/u1/recommendations")
    assert items("/recommendations/nobody") == items("/v1/users/nobody/recommendations")


def test_a_setting_chooses_the_model(client_with: Callable[..., Client]) -> None:
    client = client_with(classic_model="stars", min_ratings=1)
    found = client.get("/recommendations/u1").json()["items"]
    stars = client.get("/v1/users/u1/recommendations?model=stars").json()["items"]
    assert [item["id"] for item in found] == [item["movie_id"] for item in stars]
    assert client.get("/recommendations/nobody").json() == client_with().get("/recommendations/nobody").json()
    refused = client_with(classic_model="forest", min_ratings=1).get("/recommendations/u1")
    assert (refused.status_code, "MATINEE_CLASSIC_MODEL=forest" in refused.text) == (503, True)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_histories(client: Client, prefix: str) -> None:
    for film in ("9", "10", "101", "b", "a"):
        client.put(f"/v1/movies/{film}", json={"title": film})
        client.put(f"/v1/users/h/ratings/{film}", json={"rating": 4})
    expected = ["101", "10", "9", "b", "a"]
    assert client.get(f"{prefix}/feature/h").json() == {"feature": [{"histories": expected}]}
    assert client.get(f"{prefix}/features", params={"user_id": "h"}).json() == {"features": [{"histories": expected}]}
    assert client.get(f"{prefix}/feature/nobody").status_code == 404
    assert client.get(f"{prefix}/features", params={"user_id": "nobody"}).status_code == 404
    assert client.get(f"{prefix}/features").status_code == 422


@pytest.mark.parametrize("prefix", PREFIXES)
def test_update_ratings(client: Client, prefix: str) -> None:
    url = f"{prefix}/update_ratings"
    for body in (
        {"c": {"movie_id": ["m1", "m2"], "ratings": [4, 3.5]}},
        {"c": {"movie_id": "m3", "rating": 2}},
        {"c": {"movie_id": ["m1"], "rating": [5]}, "d": {"movie_id": "m1", "ratings": 1}},
        {},
    ):
        answer = client.post(url, json=body)
        assert (answer.status_code, answer.content) == (200, b"null")
    assert client.get("/feature/c").json()["feature"][0]["histories"] == ["m3", "m2", "m1"]
    held = client.get("/v1/users/c/ratings").json()["items"]
    assert {item["movie_id"]: item["rating"] for item in held} == {"m1": 5, "m2": 3.5, "m3": 2}


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ({"movie_id": ["m1", "m2"], "ratings": [4]}, 422),
        ({"movie_id": "m1", "ratings": [4, 4]}, 422),
        ({"movie_id": "m1"}, 422),
        ({"movie_id": "m1", "rating": 4, "ratings": 4}, 422),
        ({"movie_id": "m1", "ratings": "4"}, 422),
        ({"movie_id": "m1", "ratings": 40}, 422),
        ({"movie_id": "m1", "ratings": 4, "time": 1}, 422),
        ({"ratings": 4}, 422),
        ({"movie_id": "nope", "ratings": 4}, 404),
        (None, 422),
        ([], 422),
    ],
)
def test_update_ratings_stores_all_or_nothing(reader: Client, bad: object, status: int) -> None:
    answer = reader.post("/update_ratings", json={"fine": {"movie_id": "m1", "ratings": 4}, "e": bad})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert reader.get("/feature/fine").status_code == 404


def test_update_ratings_is_limited(client: Client) -> None:
    many = {"movie_id": ["m1"] * 10_001, "ratings": [4] * 10_001}
    assert client.post("/update_ratings", json={"e": many}).status_code == 422
    assert client.post("/update_movie", json={f"x{i}": {"title": "x"} for i in range(10_001)}).status_code == 422


@pytest.mark.parametrize("prefix", PREFIXES)
def test_update_movie(client: Client, prefix: str) -> None:
    url = f"{prefix}/update_movie"
    new = {"title": "Keeper, The (2019)", "genres": "Drama|Mystery", "tags": "Sea| lamp"}
    answer = client.post(url, json={"77": new})
    assert (answer.status_code, answer.content) == (200, b"null")
    film = client.get("/v1/movies/77").json()
    assert (film["title"], film["year"]) == ("The Keeper", 2019)
    assert (film["genres"], film["tags"]) == (["Drama", "Mystery"], ["Sea", "lamp"])
    items = client.get("/recommendations?user_id=u0&top_n=1000&returnMetadata=1").json()["items"]
    listed = {item["id"]: item for item in items}["77"]
    assert listed == {
        "movie_id": "77",
        "id": "77",
        "title": "The Keeper (2019)",
        "genres": "Drama|Mystery",
        "tags": "Sea|lamp",
    }
    for tag in ("Sea", "sea"):
        assert [
            one["movie_id"] for one in client.get("/v1/movies", params={"filter": f'tag = "{tag}"'}).json()["items"]
        ] == ["77"]
    client.patch("/v1/movies/77", json={"overview": "A lamp."})
    client.post(url, json={"77": {"genres": ["Comedy"]}, "78": {"title": "Other", "genres": "(no genres listed)"}})
    film = client.get("/v1/movies/77").json()
    assert film["genres"] == ["Comedy"]
    assert (film["title"], film["year"], film["overview"]) == ("The Keeper", 2019, "A lamp.")
    assert client.get("/v1/movies/78").json()["genres"] == []
    fine = {"80": {"title": "Fine"}}
    for bad in (
        {"79": {"genres": "Drama"}},
        {"79": {"title": ""}},
        {"79": {"title": "A", "year": 1}},
        {"7\n9": {"title": "A"}},
        {"79": {"title": "A", "tags": "x" * 201}},
    ):
        assert client.post(url, json=fine | bad).status_code == 422
    assert client.get("/v1/movies/80").status_code == 404


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Toy Story (1995)", ("Toy Story", 1995)),
        ("Matrix, The (1999)", ("The Matrix", 1999)),
        ("Heat", ("Heat", None)),
        ("(1995)", ("(1995)", 1995)),
    ],
)
def test_titles_of_classic_clients(title: str, expected: tuple[str, int | None]) -> None:
    assert split_title(title) == expected


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_slash_at_the_end(client: Client, prefix: str) -> None:
    """Served, and not by a redirect, at which clients repeat a POST without its body."""
    for path in ("/recommendations/u1", "/recommendations?user_id=u1", "/feature/u1", "/features?user_id=u1"):
        name, _, query = path.partition("?")
        answer = client.get(f"{prefix}{name}/?{query}")
        assert (answer.status_code, answer.content) == (200, client.get(prefix + path).content), path
    for path, body in (
        ("/update_ratings", {"s": {"movie_id": "m1", "rating": 4}}),
        ("/update_movie", {"88": {"title": "Slash"}}),
    ):
        answer = client.post(f"{prefix}{path}/", json=body)
        assert (answer.status_code, answer.content) == (200, b"null")
    assert client.get("/feature/s").json()["feature"][0]["histories"] == ["m1"]
    assert client.get("/v1/movies/88").json()["title"] == "Slash"
    query = {"movie_title": "Slash"}
    assert client.post(f"{prefix}/recommendation/", json=query).json()["matched"]["movie_id"] == "88"
    assert client.post(f"{prefix}/favourites/", json={"movie_ids": ["m1"]}).status_code == 200
    wrong = client.get(f"{prefix}/update_ratings/")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    for path in ("/recommendations/u1//", "//recommendations/u1/", "/v1/users/u1/recommendations/", "/nope/"):
        assert client.get(prefix + path).status_code == 404


def test_sentences_of_404(client: Client) -> None:
    """Each says what is missing and what to do."""
    for path, words in {
        "/feature/nobody": "Nothing is stored about the user 'nobody'. Rate a film first, or check the id.",
        "/features?user_id=nobody": "Nothing is stored about the user 'nobody'. Rate a film first, or check the id.",
        "/recommendations/u1/u2": "Nothing is served at this path; /docs lists what is.",
    }.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, words)
    answer = client.post("/update_ratings", json={"u1": {"movie_id": "nope", "rating": 4}})
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("No film has the id 'nope'. Find ids with GET /v1/search")
    answer = client.post("/recommendation", json={"movie_title": "qqqq zzzz"})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Movie Unrecognized. Try Again. No title is like 'qqqq zzzz'; check its spelling."


def test_greetings(client: Client, client_with: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/classic", "/classic/"):
        assert client.get(path).json() == {"Project": "ML recommender System FastAPI"}
    assert client.get("/").json()["service"] == "matinee"
    assert client_with(classic_root="factorization").get("/").json() == {"Project": "ML recommender System FastAPI"}
    titles = client_with(classic_root="titles")
    monkeypatch.delenv("ID_USER", raising=False)
    assert titles.get("/").json() == {"message": "Usuario/a Desconocida/o"}
    monkeypatch.setenv("ID_USER", "Ana")
    for path in ("/", "/classic/titles", "/classic/titles/"):
        assert titles.get(path).json() == {"message": "Usuario/a Ana"}
    assert client_with(classic_root="titles").get("/", headers={"accept": "text/html"}).status_code == 200
    with pytest.raises(ValueError, match="classic_root"):
        Settings(classic_root="index")  # type: ignore[arg-type]
