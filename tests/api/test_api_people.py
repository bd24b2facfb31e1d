from __future__ import annotations

import json
import threading
from collections.abc import Callable

from api_support import Client
from matinee.engine import Engine

RATINGS = "/v1/users/new/ratings"


def history(client: Client, user: str = "new") -> dict[str, float]:
    answer = client.get(f"/v1/users/{user}/ratings")
    return {item["movie_id"]: item["rating"] for item in answer.json()["items"]} if answer.status_code == 200 else {}


def test_one_rating_there_and_back(client: Client) -> None:
    assert client.get(RATINGS).status_code == 404
    for stars in (3, 4.5, 4.5):
        answer = client.put(f"{RATINGS}/m1", json={"rating": stars})
        assert (answer.status_code, answer.content) == (204, b"")
    assert history(client) == {"m1": 4.5}
    assert client.delete(f"{RATINGS}/m1").status_code == 204
    assert client.delete(f"{RATINGS}/m1").status_code == 404
    assert client.put(f"{RATINGS}/nope", json={"rating": 3}).status_code == 404
    off = client.put(f"{RATINGS}/m1", json={"rating": 5.5})
    assert off.status_code == 422
    assert "0.5 to 5" in off.json()["detail"]
    assert history(client) == {}


def test_many_ratings_as_json_and_as_lines(client: Client) -> None:
    batch = [{"user_id": "new", "movie_id": f"m{i}", "rating": 3.5, "timestamp": 1000 + i} for i in range(3)]
    assert client.post("/v1/ratings", json=batch).json() == {"stored": 3, "duplicates": 0}
    found = client.get(RATINGS).json()["items"]
    assert [(item["movie_id"], item["timestamp"]) for item in found] == [("m2", 1002), ("m1", 1001), ("m0", 1000)]
    lines = "\n\n".join(json.dumps(one | {"user_id": "other"}) for one in batch) + "\r\n"
    answer = client.post("/v1/ratings", content=lines, headers={"content-type": "application/x-ndjson; charset=utf-8"})
    assert answer.json() == {"stored": 3, "duplicates": 0}
    assert len(history(client, "other")) == 3


def test_of_duplicates_the_last_counts(client: Client) -> None:
    pair = {"user_id": 7, "movie_id": "m1"}
    batch = [pair | {"rating": 1}, pair | {"rating": 2}, pair | {"rating": 3}]
    assert client.post("/v1/ratings", json=batch).json() == {"stored": 1, "duplicates": 2}
    assert history(client, "7") == {"m1": 3.0}
    assert client.post("/v1/ratings", json=[]).json() == {"stored": 0, "duplicates": 0}


def test_a_batch_is_stored_whole_or_not_at_all(client: Client, client_with: Callable[..., Client]) -> None:
    good = {"user_id": "new", "movie_id": "m1", "rating": 4}
    for bad, status in [
        (good | {"movie_id": "nope"}, 404),
        (good | {"rating": 17}, 422),
        (good | {"rating": "4"}, 422),
        (good | {"stars": 4}, 422),
        ({"user_id": "new"}, 422),
        ("rating", 422),
        (None, 422),
    ]:
        answer = client.post("/v1/ratings", json=[good, bad])
        assert answer.status_code == status, bad
        assert answer.headers["content-type"] == "application/problem+json"
    lines = json.dumps(good) + '\n{"user_id": \n'
    answer = client.post("/v1/ratings", content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 400
    assert "Line 2" in answer.json()["detail"]
    assert client_with(max_batch=1).post("/v1/ratings", json=[good, good]).status_code == 422
    assert history(client) == {}


def test_a_key_makes_a_batch_idempotent(client: Client) -> None:
    batch = [{"user_id": "new", "movie_id": "m1", "rating": 4}]
    key = {"idempotency-key": "one"}
    first = client.post("/v1/ratings", json=batch, headers=key)
    client.put(f"{RATINGS}/m1", json={"rating": 2})
    again = client.post("/v1/ratings", json=batch, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert history(client) == {"m1": 2.0}  # not written again
    other = client.post("/v1/ratings", json=[batch[0] | {"rating": 1}], headers=key)
    assert other.status_code == 409
    assert history(client) == {"m1": 2.0}
    for bad in ("", " ", "x" * 201):
        assert client.post("/v1/ratings", json=batch, headers={"idempotency-key": bad}).status_code == 422


def test_export_and_erase(client: Client) -> None:
    held = client.get("/v1/users/u1").json()
    assert held["user_id"] == "u1"
    assert held["ratings"]
    assert client.delete("/v1/users/u1").status_code == 204
    for path in ("", "/ratings", "/neighbors"):
        assert client.get("/v1/users/u1" + path).status_code == 404
    assert client.get("/v1/users/u1/recommendations").json()["fallback"] == "popular"
    assert client.delete("/v1/users/u1").status_code == 404


def test_neighbors(client: Client) -> None:
    found = client.get("/v1/users/u1/neighbors", params={"n": 5}).json()
    assert found["user_id"] == "u1"
    similar = [item["similarity"] for item in found["items"]]
    assert similar == sorted(similar, reverse=True)
    assert all(item["user_id"] != "u1" and item["common"] > 0 for item in found["items"])
    assert client.get("/v1/users/nobody/neighbors").status_code == 404


def test_writes_and_reads_at_the_same_time(client: Client) -> None:
    """Each writer sees its own last write in its next list, whatever the others do."""
    faults: list[str] = []

    def work(user: str) -> None:
        try:
            for i in range(12):
                film = f"m{i}"
                if client.put(f"/v1/users/{user}/ratings/{film}", json={"rating": 4}).status_code != 204:
                    faults.append(f"{user} could not rate {film}")
                shown = client.get(f"/v1/users/{user}/recommendations", params={"n": 40}).json()["items"]
                if {f"m{k}" for k in range(i + 1)} & {item["movie_id"] for item in shown}:
                    faults.append(f"{user} was shown a film rated before")
        except Exception as error:
            faults.append(repr(error))

    threads = [threading.Thread(target=work, args=(f"w{k}",)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    assert not any(thread.is_alive() for thread in threads)
    assert all(len(history(client, f"w{k}")) == 12 for k in range(6))


def test_two_forms_of_a_name_are_one_user(client: Client, engine: Engine) -> None:
    one, two = "Zo\u00eb", "Zoe\u0308"
    first, second, third, *_ = [film["movie_id"] for film in client.get("/v1/movies?limit=9").json()["items"]]
    assert client.put(f"/v1/users/{two}/ratings/{first}", json={"rating": 4}).status_code == 204
    assert client.post("/v1/ratings", json=[{"user_id": two, "movie_id": second, "rating": 3}]).status_code == 200
    assert client.post("/update_ratings", json={two: {"movie_id": [third], "ratings": [2]}}).status_code == 200
    line = json.dumps({"user_id": two, "movie_id": first, "rating": 5}).encode()
    assert client.post("/v1/imports", content=line, headers={"content-type": "application/x-ndjson"}).status_code == 200
    engine.rate([(two, second, 1.0)])
    for name in (one, two):
        items = client.get(f"/v1/users/{name}/ratings").json()["items"]
        assert {item["movie_id"]: item["rating"] for item in items} == {first: 5.0, second: 1.0, third: 2.0}
        assert client.get(f"/features?user_id={name}").status_code == 200
        shown = client.get(f"/v1/users/{name}/recommendations").json()
        assert not {first, second, third} & {item["movie_id"] for item in shown["items"]}
        assert shown["user_id"] == one
    assert [user["user_id"] for user in client.get(f"/v1/users?prefix={two}").json()["items"]] == [one]
    assert client.delete(f"/v1/users/{two}").status_code == 204
    assert client.get(f"/v1/users/{one}").status_code == 404
