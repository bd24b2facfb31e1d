"""The vector service's items: looked at, put, taken away; its description and its operation."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from api_support import Client
from matinee.api.vectors.app import create_vectors_app
from matinee.api.vectors.arrays import MAX_ITEM_NUMBER
from matinee.api.vectors.space import Film, ServedSpace
from matinee.encoders.projection import Projection
from matinee.indexes.exact import ExactIndex
from matinee.indexes.updatable import UpdatableIndex
from matinee.settings import Settings

DIM = 6
EYE = np.eye(DIM, dtype=np.float32)
PICTURE = b"\xff\xd8\xff picture"


def served_space() -> ServedSpace:
    """Items 0, 2, 4 on the first three axes; item 4's film was removed."""
    removed = np.array([False, False, False, False, True])
    return ServedSpace(
        "poster",
        UpdatableIndex(ExactIndex(np.array([0, 2, 4]), EYE[:3])),
        {0: Film("10", "Heat", 1995), 2: Film("12", "Alien", 1979, "/items/2/poster")}.get,
        picture=lambda item: (PICTURE, "image/jpeg") if item == 2 else None,
        removed=lambda: removed,
    )


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(create_vectors_app(Settings(), served={"poster": served_space()})) as opened:
        yield opened


def nearest(client: Client, axis: int, **more: Any) -> list[int]:
    found: list[int] = client.post("/reco", json={"vector": EYE[axis].tolist(), "k": 1} | more).json()
    return found


def test_items_name_their_films(client: Client) -> None:
    assert client.get("/items/2").json() == {
        "item": 2,
        "movie_id": "12",
        "title": "Alien",
        "year": 1979,
        "poster": "/items/2/poster",
    }
    assert client.get("/items/0").json()["poster"] is None
    poster = client.get("/items/2/poster")
    assert (poster.content, poster.headers["content-type"]) == (PICTURE, "image/jpeg")
    for path in ("/items/1", "/items/99", f"/items/{10**18}", "/items/0/poster", "/items/1/poster", "/items/4"):
        assert client.get(path).status_code == 404, path
    for path in ("/items/-1", "/items/x", "/items/1.5", f"/items/{10**30}", "/items/-1/poster"):
        assert client.get(path).status_code == 422, path


def test_items_come_in_pages(client: Client) -> None:
    page = client.get("/items").json()
    assert [one["item"] for one in page["items"]] == [0, 2, 4]
    assert page["total"] == 3
    assert client.get("/items?metadata=false&offset=1&limit=1").json()["items"] == [2]
    assert client.get("/items?metadata=false&limit=1000000").json()["items"] == [0, 2, 4]
    assert client.get("/items?offset=9").json()["items"] == []
    for query in ("offset=-1", "limit=0", "limit=10001", "limit=1000001", "space="):
        assert client.get(f"/items?{query}").status_code == 422, query
    assert client.get("/items?space=smell").status_code == 404
    assert client.get("/items?snapshot=20260101T120000Z-0123abcd").status_code == 409


def test_removed_films_are_not_found(client: Client) -> None:
    assert nearest(client, 2, k=9) == [0, 2]
    allowed = {"vector": EYE[2].tolist(), "allowed": [0, 4, 9]}
    assert [one["item"] for one in client.post("/search", json=allowed).json()["items"]] == [0]


def test_what_is_put_is_found_at_once(client: Client) -> None:
    assert client.put("/items/7", json={"vector": (3 * EYE[5]).tolist()}).status_code == 204
    assert nearest(client, 5) == [7]
    assert client.get("/items/7").json()["movie_id"] is None
    assert client.put("/items/7", json={"vector": EYE[4].tolist()}).status_code == 204  # in place of the first
    assert nearest(client, 4) == [7]
    many = client.post("/items", json={"items": [8, 0], "vectors": [EYE[5].tolist(), EYE[3].tolist()]}).json()
    assert (many["put"], many["total"]) == (2, 5)
    assert (nearest(client, 5), nearest(client, 3)) == ([8], [0])
    vectors = client.post("/vectors", json={"items": [0, 7]}).json()["vectors"]
    np.testing.assert_allclose(vectors, EYE[[3, 4]], atol=1e-6)
    assert client.delete("/items/7").status_code == 204
    assert client.delete("/items/7").status_code == 404
    assert client.post("/delete", json={"items": [8, 99]}).status_code == 404
    assert nearest(client, 5) == [8]
    assert client.post("/delete", json={"items": [8, 0]}).json()["total"] == 2
    assert client.post("/delete", json={"items": []}).json()["deleted"] == 0
    assert client.post("/items", json={"items": [], "vectors": []}).json()["put"] == 0


def test_raw_vectors_are_projected_when_put() -> None:
    raw = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    projection = Projection.fit(raw, 5)
    served = ServedSpace(
        "poster", UpdatableIndex(ExactIndex(np.arange(40), projection.apply(raw))), {}.get, projection, "x"
    )
    with Client(create_vectors_app(Settings(), served={"poster": served})) as client:
        new = np.random.default_rng(1).normal(size=12)
        assert client.put("/items/40", json={"vector": new.tolist()}).status_code == 204
        assert client.post("/reco", json={"vector": (9 * new).tolist(), "k": 1}).json() == [40]


@pytest.mark.parametrize(
    ("items", "vectors"),
    [
        ([1], []),
        ([1, 1], [EYE[0].tolist(), EYE[1].tolist()]),
        ([-1], [EYE[0].tolist()]),
        ([MAX_ITEM_NUMBER + 1], [EYE[0].tolist()]),
        ([True], [EYE[0].tolist()]),
        ([1.0], [EYE[0].tolist()]),
        ("1", [EYE[0].tolist()]),
        ([1, 3], [EYE[0].tolist(), [0.0] * DIM]),
        ([1], [[1.0] * 5]),
        ([1], [["1"] * DIM]),
    ],
)
def test_bad_items_are_refused_and_nothing_is_put(client: Client, items: Any, vectors: Any) -> None:
    answer = client.post("/items", json={"items": items, "vectors": vectors})
    assert answer.status_code == 422, answer.text
    assert client.get("/items").json()["total"] == 3


def test_one_bad_item_is_refused(client: Client) -> None:
    good = {"vector": EYE[0].tolist()}
    for path, body in (
        (f"/items/{MAX_ITEM_NUMBER + 1}", good),
        ("/items/-1", good),
        ("/items/1", {}),
        ("/items/1", {"vector": [0.0] * DIM}),
        ("/items/1", {"vector": [1.0]}),
    ):
        assert client.put(path, json=body).status_code == 422, (path, body)


def test_several_processes_take_no_writes() -> None:
    with Client(create_vectors_app(Settings(workers=2), served={"poster": served_space()})) as client:
        good = {"vector": EYE[0].tolist()}
        for answer in (
            client.put("/items/1", json=good),
            client.post("/items", json={"items": [1], "vectors": [EYE[0].tolist()]}),
            client.delete("/items/0"),
            client.post("/delete", json={"items": [0]}),
        ):
            assert answer.status_code == 409
            assert "one worker" in answer.json()["detail"]
        assert nearest(client, 0) == [0]


def test_an_index_can_be_served_by_itself() -> None:
    app = create_vectors_app(Settings(), UpdatableIndex(ExactIndex(np.arange(3), EYE[:3])), {1: Film("1", "One")})
    with Client(app) as client:
        assert nearest(client, 1) == [1]
        assert client.get("/items/1").json()["title"] == "One"
        assert client.get("/ready").json() == {"status": "ready", "snapshot": None, "warnings": []}


def test_an_empty_index_answers(client: Client) -> None:
    app = create_vectors_app(Settings(), UpdatableIndex(ExactIndex(np.zeros(0, dtype=np.int64), EYE[:0])))
    with Client(app) as client:
        for exclude in (False, True):
            assert nearest(client, 1, exclude_self=exclude) == []
        assert client.put("/items/3", json={"vector": EYE[1].tolist()}).status_code == 204
        assert nearest(client, 1) == [3]


def test_searches_during_changes_see_one_state_or_the_other(client: Client) -> None:
    """One item moves between two axes: whoever asks sees it on one of them, and never an error."""
    client.put("/items/7", json={"vector": EYE[4].tolist()})
    seen: list[list[int]] = []

    def ask() -> None:
        for _ in range(60):
            answer = client.post("/search", json={"vectors": [EYE[4].tolist(), EYE[5].tolist()], "k": 1})
            assert answer.status_code == 200
            seen.append([round(one[0]["similarity"]) for one in answer.json()["results"]])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(40):
        assert client.put("/items/7", json={"vector": EYE[4 + turn % 2].tolist()}).status_code == 204
    for thread in threads:
        thread.join(60)
    assert len(seen) == 180
    assert {tuple(one) for one in seen} <= {(1, 0), (0, 1)}


def test_operation(client: Client) -> None:
    assert client.get("/").json()["service"] == "matinee-vectors"
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/spaces").json()["items"] == [
        {
            "space": "poster",
            "index": "exact",
            "items": 3,
            "dim": DIM,
            "raw_dim": None,
            "encoder": None,
            "snapshot": None,
        }
    ]
    nearest(client, 0)
    text = client.get("/metrics").text
    assert 'route="/reco",status="200"' in text
    assert 'route="/items/{item}"' not in text
    for method, path, status in (("GET", "/reco", 405), ("POST", "/nope", 404), ("PUT", "/", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert client.get("/reco").headers["allow"] == "POST"
    assert client.get("/docs").status_code == 200
    assert client.request("HEAD", "/items/2").status_code == 200


def test_every_route_is_described_with_examples(client: Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    routes = [(path, one) for path, methods in document["paths"].items() for one in methods.values()]
    assert len(routes) == 14
    for path, route in routes:
        assert route["summary"], path
        assert route["description"], path
        body = route.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body["example"], path
        answer = route["responses"].get("200", {}).get("content", {}).get("application/json")
        name = (answer or {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            assert schemas[name]["examples"], path
    assert not re.findall(r'"\$ref": ?"#/\$defs', client.get("/openapi.json").text)
