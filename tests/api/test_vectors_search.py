"""The vector service's questions, in this process: the classic form, the modern one, bad input."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api_support import Client
from matinee.api.vectors.app import create_vectors_app
from matinee.api.vectors.space import Film, ServedSpace
from matinee.encoders.projection import Projection, unit
from matinee.indexes.exact import ExactIndex
from matinee.indexes.updatable import UpdatableIndex
from matinee.settings import Settings

N, RAW, DIM = 300, 24, 8
Floats = NDArray[np.float32]


def packed(vectors: Floats) -> dict[str, Any]:
    return {"dim": vectors.shape[1], "float32": base64.b64encode(vectors.astype("<f4").tobytes()).decode()}


def bits(mask: NDArray[np.bool_]) -> dict[str, str]:
    return {"bits": base64.b64encode(np.packbits(mask, bitorder="little").tobytes()).decode()}


@pytest.fixture(scope="module")
def raw() -> Floats:
    found = unit(np.random.default_rng(4).normal(size=(N, RAW)).astype(np.float32) + 0.5)
    found[10] = found[11] = found[12]  # one picture of three films
    return found


@pytest.fixture(scope="module")
def served(raw: Floats) -> ServedSpace:
    projection = Projection.fit(raw, DIM)
    index = UpdatableIndex(ExactIndex(np.arange(N), projection.apply(raw)))
    films = {row: Film(f"m{row}", f"Film {row}", 1950 + row % 70, f"/items/{row}/poster") for row in range(N - 1)}
    return ServedSpace("poster", index, films.get, projection, "fields")


@pytest.fixture(scope="module")
def client(served: ServedSpace) -> Iterator[Client]:
    with Client(create_vectors_app(Settings(), served={"poster": served})) as opened:
        yield opened


def ranked(served: ServedSpace, raw: Floats, query: Floats) -> list[int]:
    assert served.projection is not None
    return np.argsort(-(served.projection.apply(raw) @ query), kind="stable").tolist()


def test_reco_is_a_bare_list_of_items_nearest_first(client: Client, served: ServedSpace, raw: Floats) -> None:
    own = served.index.vectors(np.array([7]))[0]
    wanted = ranked(served, raw, own)
    for vector in (own, raw[7], 100 * raw[7], -own):
        answer = client.post("/reco", json={"vector": vector.tolist()})
        assert answer.status_code == 200
        assert len(answer.json()) == 5
    assert client.post("/reco", json={"vector": own.tolist()}).json() == wanted[:5]
    assert client.post("/reco", json={"vector": raw[7].tolist(), "k": 12}).json() == wanted[:12]
    assert client.post("/reco", json={"vector": own.tolist(), "k": 10**9}).json()[:9] == wanted[:9]
    assert len(client.post("/reco", json={"vector": own.tolist(), "k": 10**9}).json()) == N


def test_exclude_self_drops_the_picture_itself(client: Client, raw: Floats) -> None:
    same = {10, 11, 12}
    body = {"vector": raw[11].tolist(), "k": 5}
    found = client.post("/reco", json=body).json()
    assert set(found[:3]) == same
    others = client.post("/reco", json=body | {"exclude_self": True}).json()
    assert len(others) == 5
    assert not same & set(others)
    assert others[:2] == found[3:]
    everything = client.post("/reco", json=body | {"k": 10**9, "exclude_self": True}).json()
    assert len(everything) == N - 3
    items = client.post("/search", json={"vectors": [raw[11].tolist(), raw[3].tolist()], "exclude_self": True}).json()
    assert [len(one) for one in items["results"]] == [5, 5]
    assert 3 not in [one["item"] for one in items["results"][1]]


def test_search_gives_films_with_distances(client: Client, served: ServedSpace, raw: Floats) -> None:
    answer = client.post("/search", json={"vector": raw[20].tolist(), "k": 3}).json()
    assert (answer["space"], answer["snapshot"]) == ("poster", None)
    first = answer["items"][0]
    assert first.keys() == {"item", "movie_id", "title", "year", "poster", "similarity", "distance"}
    assert (first["item"], first["movie_id"], first["title"]) == (20, "m20", "Film 20")
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    for one in answer["items"]:
        assert one["distance"] == pytest.approx(np.sqrt(max(0, 2 - 2 * one["similarity"])), abs=2e-3)
    # An item that is no film of the catalogue has no film.
    last = client.post("/search", json={"vector": raw[N - 1].tolist(), "k": 1}).json()["items"][0]
    assert (last["item"], last["movie_id"]) == (N - 1, None)


def test_batches_and_packed_vectors_give_the_same(client: Client, raw: Floats) -> None:
    ones = [client.post("/search", json={"vector": raw[row].tolist()}).json()["items"] for row in range(6)]
    for vectors in (raw[:6].tolist(), packed(raw[:6])):
        results = client.post("/search", json={"vectors": vectors}).json()["results"]
        for items, expected in zip(results, ones, strict=True):
            for item, one in zip(items, expected, strict=True):
                # Sums of many vectors may be rounded otherwise; a distance near 0 is the root of what is left.
                near = {name: pytest.approx(one[name], abs=2e-3) for name in ("similarity", "distance")}
                assert item == one | near
        columns = client.post("/search", json={"vectors": vectors, "metadata": False}).json()
        assert columns["items"] == [[one["item"] for one in items] for items in ones]
        assert columns["total"] == N
    assert client.post("/search", json={"vectors": []}).json()["results"] == []


def test_only_allowed_items_come(client: Client, raw: Floats) -> None:
    mask = np.zeros(N, dtype=np.bool_)
    mask[[3, 50, 270]] = True
    body = {"vector": raw[50].tolist(), "k": 5}
    for allowed in ([3, 50, 270, 10**15], bits(mask)):
        answer = client.post("/search", json=body | {"allowed": allowed}).json()["items"]
        assert {one["item"] for one in answer} == {3, 50, 270}
        assert answer[0]["item"] == 50
    assert client.post("/search", json=body | {"allowed": []}).json()["items"] == []
    assert client.post("/search", json=body | {"allowed": bits(mask[:0])}).json()["items"] == []
    assert client.post("/search", json=body | {"allowed": [50], "exclude_self": True}).json()["items"] == []


GOOD = [0.5] * RAW
BAD_VECTORS: list[Any] = [
    [],
    [0.5] * (RAW - 1),
    [0.5] * 70_000,
    [0.0] * RAW,
    [*GOOD[1:], "0.5"],
    [*GOOD[1:], True],
    [*GOOD[1:], None],
    [*GOOD[1:], [0.5]],
    [*GOOD[1:], 1e300],
    [GOOD],
    "0.5",
    {"dim": RAW},
    7,
]


@pytest.mark.parametrize("vector", BAD_VECTORS, ids=lambda value: repr(value)[:20])
def test_bad_vectors_are_refused(client: Client, vector: Any) -> None:
    for path, body in (
        ("/reco", {"vector": vector}),
        ("/search", {"vector": vector}),
        ("/search", {"vectors": [GOOD, vector]}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].endswith((".", "accepted."))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_are_refused(client: Client, number: str) -> None:
    body = f'{{"vector": [{", ".join(map(str, GOOD[1:]))}, {number}]}}'
    answer = client.post("/reco", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "finite" in answer.json()["detail"]
    broken = packed(np.full((1, RAW), float(number), dtype=np.float32))
    assert client.post("/search", json={"vectors": broken}).status_code == 422


@pytest.mark.parametrize("k", [0, -1, -(10**9), 1.5, "5", True, None, 10**30])
def test_bad_k_is_refused(client: Client, k: Any) -> None:
    for path in ("/reco", "/search"):
        assert client.post(path, json={"vector": GOOD, "k": k}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"vector": GOOD, "vectors": [GOOD]},
        {"vector": GOOD, "n": 3},
        {"vector": GOOD, "allowed": [-1]},
        {"vector": GOOD, "allowed": ["1"]},
        {"vector": GOOD, "allowed": [1.0]},
        {"vector": GOOD, "allowed": "1"},
        {"vector": GOOD, "allowed": {"bits": "***"}},
        {"vector": GOOD, "allowed": {"bits": "é"}},
        {"vector": GOOD, "allowed": {"bits": 3}},
        {"vector": GOOD, "allowed": {"mask": ""}},
        {"vectors": GOOD},
        {"vectors": [GOOD, GOOD[:DIM]]},
        {"vectors": {"dim": RAW, "float32": "AAAA"}},
        {"vectors": {"dim": 3, "float32": ""}},
        {"vectors": {"float32": "AAAA"}},
        {"vectors": {"dim": RAW, "float32": "", "more": 1}},
        {"vector": GOOD, "exclude_self": "yes"},
        [],
        "x",
    ],
)
def test_bad_searches_are_refused(client: Client, body: Any) -> None:
    answer = client.post("/search", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_too_much_is_refused(client: Client) -> None:
    assert client.post("/search", json={"vectors": [GOOD] * 1001}).status_code == 413
    assert client.post("/search", json={"vectors": [GOOD] * 400, "k": 10**9}).status_code == 413
    assert client.post("/search", json={"vectors": [GOOD] * 400, "k": 10**9, "metadata": False}).status_code == 200
    ten_million = b'{"vector": [' + b"0," * 10_000_000 + b"1]}"
    answer = client.post("/reco", content=ten_million, headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"vector": [1]}', "text/plain", 415),
        (b'{"vector": [1]}', "application/octet-stream", 415),
        (b"x=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_that_are_no_json(client: Client, content: bytes, kind: str, status: int) -> None:
    for path in ("/reco", "/search", "/items", "/delete", "/vectors"):
        answer = client.post(path, content=content, headers={"content-type": kind})
        assert answer.status_code == status
        assert answer.json()["status"] == status


def test_spaces_are_named_or_the_first(client: Client, raw: Floats) -> None:
    assert client.post("/search", json={"vector": GOOD, "space": "poster"}).status_code == 200
    unknown = client.post("/search", json={"vector": GOOD, "space": "smell"})
    assert (unknown.status_code, "poster" in unknown.json()["detail"]) == (404, True)
    other = client.post("/search", json={"vector": GOOD, "snapshot": "20260101T120000Z-0123abcd"})
    assert other.status_code == 409
