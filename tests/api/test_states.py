"""States of films over HTTP: every list respects them at once, and a mark can be undone."""

from __future__ import annotations

import pytest

from api_support import Client

LIST = "/v1/users/u1/recommendations"
STATES = "/v1/users/u1/states"


def shown(client: Client, url: str = LIST, **params: object) -> list[str]:
    answer = client.get(url, params={"n": 1000} | params)
    assert answer.status_code == 200, answer.text
    return [item.get("movie_id", item.get("id")) for item in answer.json()["items"]]


def test_a_mark_counts_at_the_next_list_and_can_be_undone(client: Client) -> None:
    for _ in range(2):  # the second time from the response cache
        plain = client.get(LIST).json()["items"]
    first = plain[0]["movie_id"]
    client.put(f"{STATES}/watchlist/{first}")
    assert client.get(LIST).json()["items"] == plain
    answer = client.put(f"{STATES}/seen/{first}")
    assert answer.status_code == 200
    assert answer.json() == {
        "user_id": "u1",
        "movie_id": first,
        "before": ["watchlist"],
        "states": ["watchlist", "seen"],
    }
    assert first not in [item["movie_id"] for item in client.get(LIST).json()["items"]]
    assert first not in shown(client)
    assert first in shown(client, include_seen=True)
    assert first not in shown(client, "/classic/recommendations/u1", n=10)
    undone = client.delete(f"{STATES}/seen/{first}").json()
    assert (undone["before"], undone["states"]) == (["seen", "watchlist"], ["watchlist"])
    assert client.get(LIST).json()["items"] == plain
    assert client.delete(f"{STATES}/seen/{first}").json()["before"] == ["watchlist"]


def test_not_interested_is_never_brought_back(client: Client) -> None:
    first = shown(client)[0]
    client.put(f"{STATES}/not_interested/{first}")
    for options in ({}, {"include_seen": True}, {"model": "popular"}, {"filter": "year > 0"}, {"diversity": 0.5}):
        assert first not in shown(client, **options)


def test_the_chart_of_somebody_unknown_respects_them_too(client: Client) -> None:
    url = "/v1/users/guest-1/recommendations"
    first = shown(client, url)[0]
    client.put(f"/v1/users/guest-1/states/seen/{first}")
    answer = client.get(url).json()
    assert answer["fallback"] == "popular"
    assert first not in [item["movie_id"] for item in answer["items"]]


def test_many_are_stored_in_one_request_or_none(client: Client) -> None:
    body = {
        "states": [
            {"movie_id": "m1", "state": "seen", "timestamp": 5},
            {"movie_id": "nope", "state": "seen"},
            {"movie_id": "m2", "state": "watchlist", "timestamp": 9},
        ]
    }
    refused = client.post(STATES, json=body)
    assert refused.status_code == 404
    assert "'nope'" in refused.json()["detail"]
    assert client.get(STATES).json()["total"] == 0
    stored = client.post(STATES, params={"unknown": "skip"}, json=body)
    assert stored.json() == {"stored": 2, "unknown": ["nope"]}
    page = client.get(STATES).json()
    assert [(one["movie_id"], one["state"], one["timestamp"]) for one in page["states"]] == [
        ("m2", "watchlist", 9),
        ("m1", "seen", 5),
    ]
    assert {"title", "year"} < set(page["states"][0])
    assert client.get(STATES, params={"state": "seen", "limit": 1}).json()["total"] == 1
    assert client.get(STATES, params={"offset": 2}).json() == {"user_id": "u1", "states": [], "total": 2}
    exported = client.get("/v1/users/u1").json()["states"]
    assert len(exported) == 2
    client.post(STATES, json={"states": [{"movie_id": "m1", "state": "seen", "remove": True}]})
    assert client.get(STATES, params={"state": "seen"}).json()["total"] == 0


@pytest.mark.parametrize(
    ("method", "url", "options", "status"),
    [
        ("PUT", f"{STATES}/loved/m1", {}, 422),
        ("PUT", f"{STATES}/seen/nope", {}, 404),
        ("DELETE", f"{STATES}/seen/nope", {}, 404),
        ("POST", STATES, {"json": {"states": [{"movie_id": "m1", "state": "loved"}]}}, 422),
        ("POST", STATES, {"json": {"states": [{"movie_id": "m1"}]}}, 422),
        ("POST", STATES, {"json": {"states": [{"movie_id": "m1", "state": "seen"}] * 10_001}}, 422),
        ("POST", STATES, {"json": {}}, 422),
        ("GET", STATES, {"params": {"state": "loved"}}, 422),
        ("GET", STATES, {"params": {"limit": 0}}, 422),
    ],
)
def test_what_is_refused(client: Client, method: str, url: str, options: dict[str, object], status: int) -> None:
    answer = client.request(method, url, **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_film_that_was_deleted_keeps_no_mark(client: Client) -> None:
    client.put(f"{STATES}/seen/m1")
    client.delete("/v1/movies/m1")
    assert client.get(STATES).json()["total"] == 0
    assert client.delete(f"{STATES}/seen/m1").json()["states"] == []


def test_seen_films_are_given_with_a_history(client: Client) -> None:
    """Case seen_exclude_1200: 1,200 films that were seen, without stars, and without counting as taste."""
    history = {"ratings": [{"movie_id": "m1", "rating": 5}, {"movie_id": "m3", "rating": 4.5}], "n": 1000}
    plain = {
        item["movie_id"]: item["score"] for item in client.post("/v1/recommendations", json=history).json()["items"]
    }
    first, second, third, *_ = plain
    many = [f"other{n}" for n in range(1200)]
    given = {"seen": [first, *many], "not_interested": [second, *many], "exclude": [third, *many]}
    answer = client.post("/v1/recommendations", json=history | given)
    assert answer.status_code == 200, answer.text
    items = {item["movie_id"]: item["score"] for item in answer.json()["items"]}
    assert items == {movie_id: score for movie_id, score in plain.items() if movie_id not in (first, second, third)}
    with_seen = client.post("/v1/recommendations", json=history | given | {"include_seen": True}).json()["items"]
    ids = {item["movie_id"] for item in with_seen}
    assert {first, "m1"} <= ids
    assert not {second, third} & ids
    nobody = client.post("/v1/recommendations", json={"ratings": [], "seen": [first], "n": 1000}).json()
    assert nobody["fallback"] == "popular"
    assert first not in [item["movie_id"] for item in nobody["items"]]
    assert client.post("/v1/recommendations", json=history | {"seen": ["x"] * 100_001}).status_code == 422


def test_a_film_that_is_hated_lists_other_films_than_one_that_is_loved(client: Client) -> None:
    """Case dislike."""
    lists = []
    for stars in (0.5, 5):
        body = {"ratings": [{"movie_id": "m2", "rating": stars}], "n": 10}
        answer = client.post("/v1/recommendations", json=body).json()
        lists.append([item["movie_id"] for item in answer["items"]])
    hated, loved = lists
    assert len(set(hated) & set(loved)) < 5


BATCH = [
    {"user_id": "pp", "movie_id": "m1", "rating": 4},
    {"user_id": "pp", "movie_id": "nope", "rating": 4},
    {"user_id": "pp", "movie_id": "m2", "rating": 3},
]


def test_a_batch_of_ratings_can_leave_unknown_films_out(client: Client) -> None:
    """Case batch_unknown_film."""
    refused = client.post("/v1/ratings", json=BATCH)
    assert refused.status_code == 404
    assert "'nope'" in refused.json()["detail"]
    assert client.get("/v1/users/pp/ratings").status_code == 404
    stored = client.post("/v1/ratings", params={"unknown": "skip"}, json=BATCH)
    assert stored.json() == {"stored": 2, "duplicates": 0, "unknown": ["nope"]}
    assert {item["movie_id"] for item in client.get("/v1/users/pp/ratings").json()["items"]} == {"m1", "m2"}
    nothing = client.post("/v1/ratings", params={"unknown": "skip"}, json=BATCH[1:2]).json()
    assert nothing == {"stored": 0, "duplicates": 0, "unknown": ["nope"]}
    assert client.post("/v1/ratings", params={"unknown": "guess"}, json=BATCH).status_code == 422


def test_a_list_for_two(client: Client) -> None:
    body = {"users": ["u1", "u2"], "method": "least_misery", "n": 3, "filter": "year > 0"}
    answer = client.post("/v1/recommendations/group", json=body)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert len(items) == 3
    assert [one["user_id"] for one in items[0]["members"]] == ["u1", "u2"]
    assert {"fit", "stars"} < set(items[0]["members"][0])
    for wrong in ({"users": ["u1"]}, {"method": "best"}, {"users": ["u1", ""]}, {"explain": True}):
        assert client.post("/v1/recommendations/group", json=body | wrong).status_code == 422
    assert client.post("/v1/recommendations/group", json=body | {"model": "none"}).status_code == 404


def test_a_guest_is_claimed(client: Client) -> None:
    guest = "guest-0123456789abcdef"
    client.put(f"/v1/users/{guest}/ratings/m1", json={"rating": 4})
    client.put(f"/v1/users/{guest}/states/seen/m2")
    answer = client.post("/v1/users/ann/claim", json={"from": guest})
    assert answer.json() == {"user_id": "ann", "ratings": 1, "states": 1, "kept": 0}
    assert client.get("/v1/users/ann/states").json()["total"] == 1
    assert client.get(f"/v1/users/{guest}/ratings").status_code == 404
    assert client.post("/v1/users/ann/claim", json={"from": "u2"}).status_code == 422
