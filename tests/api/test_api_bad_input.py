"""Every route with ill-typed, missing, oversized, duplicate and unknown input: always a problem document, never 5xx."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api_support import Client
from matinee.api import create_app

PATHS = create_app().openapi()["paths"]
ROUTES = [(method.upper(), path, route) for path, methods in PATHS.items() for method, route in methods.items()]
TAKES_IMAGES = ("/v1/movies/{movie_id}/poster", "/v1/posters/search")
"""Their bodies are pictures: see `test_api_posters` and `test_api_spaces`."""
STREAMS = "/v1/imports"
"""Reads lines, and is not bound by the limit of bodies: test_imports."""
TAKES_FILES = "/v1/users/{user_id}/import"
"""Reads files of any kind: test_history_import."""
SEARCHES = ("/v1/search", "/v1/people")
CLAIMS = "/v1/users/{user_id}/claim"
"""Takes the id of a guest who is there: test_states."""
OTHERS = (*TAKES_IMAGES, STREAMS, TAKES_FILES, CLAIMS)
WITH_BODY = [one for one in ROUTES if "requestBody" in one[2] and one[1] not in OTHERS]
BODIES: dict[str, Any] = {
    "POST /v1/recommendations": {"ratings": [{"movie_id": "m1"}]},
    "POST /v1/recommendations/group": {"users": ["u1", "u2"], "n": 4},
    "POST /v1/users/{user_id}/states": {"states": [{"movie_id": "m1", "state": "seen"}]},
    "POST /v1/ratings": [{"user_id": "u1", "movie_id": "m1", "rating": 4}],
    "POST /v1/experiments": {"name": "rows", "arms": [{"name": "all", "share": 1}], "window_days": 4},
    "PUT /v1/users/{user_id}/ratings/{movie_id}": {"rating": 4},
    "PUT /v1/movies/{movie_id}": {"title": "A Film"},
    "PATCH /v1/movies/{movie_id}": {"year": 2000},
    "POST /update_ratings": {"u1": {"movie_id": "m1", "rating": 4}},
    "POST /update_movie": {"m1": {"title": "A Film"}},
    "POST /recommendation": {"model": "faiss", "n_recommendations": 4, "movie_title": "Number 7"},
    "POST /favourites": {"movies": ["Story of the Laughing Number 7 (1987)"], "model": "collab", "top_n": 4},
}
JSON = {"content-type": "application/json"}


def filled(path: str, user: str = "u1", film: str = "m1") -> str:
    others = dict.fromkeys(("snapshot_id", "run_id", "key", "experiment", "arm"), "nope")
    return path.format(user_id=user, movie_id=film, state="seen", **others)


def assert_problem(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) >= {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == answer.status_code
    assert problem["type"] == "about:blank" or problem["type"].startswith("urn:matinee:problem:")
    assert problem["detail"].endswith((".", "`"))
    assert problem["instance"].startswith("/")
    if answer.status_code == 422 and problem["type"] == "about:blank":
        assert all(set(error) == {"where", "detail"} for error in problem["errors"])


def wrong_values(parameter: dict[str, Any]) -> Iterator[str]:
    kinds = [parameter["schema"], *parameter["schema"].get("anyOf", [])]
    for kind in kinds:
        if kind.get("type") in ("integer", "number"):
            yield from ("x", "", "nan", "1e999", "-1")
        if kind.get("type") == "boolean":
            yield "perhaps"
        if "enum" in kind:
            yield "nothing of the kind"
        if kind.get("type") == "integer":
            yield "1.5"
            if "maximum" in kind:
                yield str(kind["maximum"] + 1)
        if "maxLength" in kind:
            yield "x" * (kind["maxLength"] + 1)


def queries() -> Iterator[Any]:
    for method, path, route in ROUTES:
        for parameter in route.get("parameters", []):
            if parameter["in"] == "query":
                if (path, parameter["name"]) == ("/v1/posters/search", "filter"):
                    continue  # looked at after the picture, which is not given here
                for value in dict.fromkeys(wrong_values(parameter)):
                    yield pytest.param(
                        method, path, parameter["name"], value, id=f"{method} {path} {parameter['name']}={value[:9]}"
                    )


def test_ill_typed_query_parameters(client: Client) -> None:
    found = list(queries())
    assert len(found) > 50
    for case in found:
        method, path, name, value = case.values
        needed = {"q": "x"} if path == "/v1/search" else {"user_id": "u1"} if "/{" not in path else {}
        answer = client.request(method, filled(path), params=needed | {name: value})
        assert_problem(answer, 422, 400)
        assert name in answer.json()["detail"], case.id


def test_unknown_query_parameters_are_refused_and_of_duplicates_the_last_counts(client: Client) -> None:
    url = "/v1/users/u1/recommendations"
    assert_problem(client.get(url + "?n=3&colour=red"), 422)
    assert len(client.get(url + "?n=3&n=4").json()["items"]) == 4


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in ROUTES if "{" in p])
def test_ids(reader: Client, method: str, path: str) -> None:
    body = {"json": BODIES[f"{method} {path}"]} if f"{method} {path}" in BODIES else {}
    for bad in ("x" * 65, "%00", "a%0Ab"):
        own = dict.fromkeys(("snapshot_id", "run_id", "key", "experiment", "arm"), "%20")
        url = path.format(**own, user_id="u1") if any(name in path for name in own) else filled(path, bad, bad)
        assert_problem(reader.request(method, url, **body), 422)
    if "movie_id" in path:
        if method != "PUT" or "ratings" in path:
            assert_problem(reader.request(method, filled(path, film="no-such-film"), **body), 404)
    elif method == "GET" and "recommendations" not in path and "states" not in path:
        assert_problem(reader.request(method, filled(path, user="no-such-user")), 404)


@pytest.mark.parametrize(("method", "path", "route"), WITH_BODY, ids=[f"{m} {p}" for m, p, _ in WITH_BODY])
def test_bodies(client: Client, method: str, path: str, route: dict[str, Any]) -> None:
    url, good = filled(path), BODIES[f"{method} {path}"]

    def send(content: bytes, **headers: str) -> httpx.Response:
        return client.request(method, url, content=content, headers=JSON | headers)

    assert send(json.dumps(good).encode()).status_code < 300
    for content in (b"{", b"[1,", b"\xff\xfe", b"nul", b'"\\ud8"', b"[" * 100_000):
        assert_problem(send(content), 400)
    for content in (b"", b"null", b"1", b'"x"', b"true", b"[[]]", b'[{"a": 1}]', b'{"a": {"b": 1}}', b'{"": null}'):
        assert_problem(send(content), 422)
    assert_problem(send(b'{"x": "\\ud800"}'), 422, 400)
    assert_problem(send(b'{"\\ud800": 1}'), 422, 400)
    for number in (b"NaN", b"Infinity", b"1e999", b"-1", b'"4"', b"true", b"[]", b"9" * 5000):
        text = json.dumps(good).encode().replace(b": 4", b": " + number).replace(b"2000", number)
        if text != json.dumps(good).encode():
            assert_problem(send(text), 422, 400)
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "x",
        "application/x-www-form-urlencoded",
    ):
        assert_problem(send(json.dumps(good).encode(), **{"content-type": kind}), 415)
    assert_problem(client.request(method, url, content=b"x"), 415)
    if isinstance(good, dict):
        assert_problem(send(json.dumps(good | {"no such field": 1}).encode()), 422)


@pytest.mark.parametrize(("method", "path", "route"), WITH_BODY, ids=[f"{m} {p}" for m, p, _ in WITH_BODY])
def test_oversized_bodies(client_with: Callable[..., Client], method: str, path: str, route: dict[str, Any]) -> None:
    client, url = client_with(max_body=1000), filled(path)

    async def chunks(size: int) -> Any:
        for _ in range(size):
            yield b" "

    good = json.dumps(BODIES[f"{method} {path}"]).encode()
    padded = good + b" " * (1000 - len(good))
    assert client.request(method, url, content=padded, headers=JSON).status_code < 300
    for headers in (JSON, {"content-type": "application/x-ndjson"}, {}):
        assert_problem(client.request(method, url, content=padded + b" ", headers=headers), 413)
    assert_problem(client.request(method, url, content=chunks(1001), headers=JSON), 413)
    assert_problem(client.request(method, url, content=b"x", headers=JSON | {"content-length": "-1"}), 413)


def test_wrong_methods(client: Client) -> None:
    for path in PATHS:
        allowed = {method for method, other, _ in ROUTES if other == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - allowed:
            answer = client.request(method, filled(path))
            assert_problem(answer, 405)
            assert set(answer.headers["allow"].split(", ")) == allowed | ({"HEAD"} if "GET" in allowed else set())


def test_head_is_get_without_the_body(client: Client) -> None:
    params = {"q": "story", "user_id": "u1"}
    for path in [path for method, path, _ in ROUTES if method == "GET"]:
        get, head = client.get(filled(path), params=params), client.request("HEAD", filled(path), params=params)
        assert head.status_code == get.status_code
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"]


def test_unknown_paths(client: Client) -> None:
    for path in (
        "/nope",
        "/v1",
        "/v1/users/",
        "/v1/users/u1/recommendations/",
        "/v2/movies",
        "/v1/movies/%2e%2e/x",
    ):
        assert_problem(client.get(path), 404)
    assert_problem(client.get("/v1/movies/%ff"), 404)
    assert_problem(client.get("/static-docs/../../etc/passwd"), 404)


BAD_FILTERS = [("genre = ", None), ('year >= 1990 and (tag = "x"', None), ("nonsense = 1", 0), ("year ! 3", None)]


def test_a_bad_filter_has_a_position(client: Client) -> None:
    found = [one for one in ROUTES if any(known["name"] == "filter" for known in one[2].get("parameters", []))]
    assert len(found) == 8
    for method, path, _ in found:
        if path in TAKES_IMAGES:
            continue
        for text, position in BAD_FILTERS:
            answer = client.request(
                method, filled(path), params={"filter": text} | ({"q": "x"} if path in SEARCHES else {})
            )
            assert_problem(answer, 400)
            assert 0 <= answer.json()["position"] <= len(text)
            assert position in (None, answer.json()["position"])
    answer = client.post("/v1/recommendations", json={"ratings": [{"movie_id": "m1"}], "filter": "genre ="})
    assert_problem(answer, 400)


def test_an_unknown_model_names_the_known_ones(client: Client) -> None:
    answer = client.get("/v1/users/u1/recommendations", params={"model": "oracle"})
    assert_problem(answer, 404)
    assert "blend" in answer.json()["detail"]


MANY = [0] * 120_000
FIELDS = {str(number): 0 for number in range(120_000)}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/ratings", MANY),
        ("POST", "/v1/recommendations", {"ratings": MANY}),
        ("POST", "/v1/recommendations", {"ratings": [], "exclude": MANY}),
        ("POST", "/v1/recommendations", FIELDS),
        ("PUT", "/v1/movies/m1", {"title": "A Film", "tags": MANY}),
        ("PATCH", "/v1/movies/m1", {"cast": MANY}),
        ("PUT", "/v1/users/u1/ratings/m1", FIELDS),
        ("POST", "/update_ratings", FIELDS),
        ("POST", "/update_ratings", {"u1": {"movie_id": MANY, "ratings": 1}}),
        ("POST", "/update_ratings", {"u1": {"movie_id": "m1", "ratings": MANY}}),
        ("POST", "/favourites", FIELDS),
        ("POST", "/favourites", {"movies": MANY}),
        ("POST", "/favourites", {"movie_ids": MANY}),
        ("POST", "/update_movie", FIELDS),
        ("POST", "/update_movie", {"m1": {"title": "A Film", "tags": MANY}}),
    ],
)
def test_bodies_of_very_many_items_are_refused_before_each_is_checked(
    reader: Client, method: str, path: str, body: object
) -> None:
    answer = reader.request(method, path, json=body)
    assert_problem(answer, 422)
    assert "at most" in answer.json()["detail"].lower()
    assert len(answer.json()["errors"]) == 1


def test_too_many_lines_are_refused_as_such(client_with: Callable[..., Client]) -> None:
    line = b'{"user_id": "u1", "movie_id": "m1", "rating": 4}\n'
    headers = {"content-type": "application/x-ndjson"}
    client = client_with(max_batch=3)
    assert client.post("/v1/ratings", content=line * 3, headers=headers).status_code == 200
    for content in (line * 4, b"0\n" * 9):
        answer = client.post("/v1/ratings", content=content, headers=headers)
        assert_problem(answer, 422)
        assert "at most 3" in answer.json()["detail"]
