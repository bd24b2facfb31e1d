"""Query parameters that a route does not have are refused, on every route but probes and classic ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from api_support import Client
from matinee.api.known_parameters import LENIENT, nearest

LIST = "/v1/users/u1/recommendations"


@pytest.mark.parametrize(
    ("query", "name", "near"),
    [
        ("limit=3", "limit", "n"),  # case unknown_query
        ("fliter=year > 2010", "fliter", "filter"),
        ("n=5&Filter=year > 2010", "Filter", "filter"),
        ("model=ease&includeSeen=1", "includeSeen", "include_seen"),
        ("f%6Citer=x", "fliter", "filter"),
        ("xyz", "xyz", "adventurous"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_one_meant(client: Client, query: str, name: str, near: str) -> None:
    for _ in range(2):
        answer = client.get(f"{LIST}?{query}")
        assert answer.status_code == 422
        problem = answer.json()
        assert [one["where"] for one in problem["errors"]] == [f"query.{name}"]
        assert repr(near) in problem["detail"]
    assert client.get(f"{LIST}?n=5&&filter=").status_code == 200


def test_every_route_refuses_what_it_does_not_declare(client: Client) -> None:
    paths: dict[str, dict[str, Any]] = client.get("/openapi.json").json()["paths"]
    values = {"user_id": "u1", "movie_id": "m1", "state": "seen", "key": "k", "run_id": "r", "snapshot_id": "s"}
    values |= {"experiment": "e", "arm": "a"}
    checked = 0
    for path, methods in paths.items():
        for method, operation in methods.items():
            url = path.format(**values)
            answer = client.request(method.upper(), url, params={"zzz": "1"})
            strict = path.startswith("/v1/")
            refused = answer.status_code == 422 and "query.zzz" in answer.text
            assert refused == strict, (method, path, answer.text)
            assert not strict or "422" in operation["responses"]
            checked += strict
    assert checked > 30


def test_probes_and_classic_routes_ignore_them(client: Client) -> None:
    for path in ("/health", "/ready", "/", "/recommendations/u1", "/classic/recommendations/u1", "/feature/u1"):
        assert client.get(path, params={"cache": "1"}).status_code == 200
    assert {"/health", "/ready", "/metrics"} <= LENIENT


def test_the_other_services_refuse_them_too(client_with: Callable[..., Client]) -> None:
    from matinee.api.encoder.app import create_encoder_app
    from matinee.api.recommender.app import create_recommender_app
    from matinee.api.vectors.app import create_vectors_app

    settings = client_with().app.service.settings
    for make, path in (
        (create_vectors_app, "/spaces"),
        (create_encoder_app, "/encoders"),
        (create_recommender_app, "/v1/models"),
    ):
        with Client(make(settings)) as service:
            answer = service.get(path, params={"limt": "1"})
            assert answer.status_code in (422, 404), (path, answer.text)
            assert service.get("/health", params={"limt": "1"}).status_code == 200


def test_what_was_meant() -> None:
    assert nearest("topN", ["n", "filter"]) == "n"
    assert nearest("skip", ["limit", "offset"]) == "offset"
    assert nearest("limit", ["limits"]) == "limits"
    assert nearest("q", []) is None
