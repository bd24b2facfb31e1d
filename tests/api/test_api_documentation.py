from __future__ import annotations

import re
from typing import Any

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.settings import Settings

CONTRACT = """
GET /v1/users/{user_id}/recommendations
POST /v1/recommendations
GET /v1/movies/{movie_id}/similar
GET /v1/users
GET /v1/titles
GET /v1/movies/{movie_id}/ratings
GET /v1/statistics
GET /v1/report
GET /v1/users/{user_id}/explanations/{movie_id}
GET /v1/search
GET /v1/people
GET /v1/map
POST /v1/posters/search
POST /recommendation
POST /favourites
GET /v1/movies
GET /v1/movies/{movie_id}
PUT /v1/movies/{movie_id}
PATCH /v1/movies/{movie_id}
DELETE /v1/movies/{movie_id}
GET /v1/movies/{movie_id}/poster
PUT /v1/movies/{movie_id}/poster
DELETE /v1/movies/{movie_id}/poster
GET /v1/users/{user_id}/ratings
PUT /v1/users/{user_id}/ratings/{movie_id}
DELETE /v1/users/{user_id}/ratings/{movie_id}
GET /v1/users/{user_id}/states
POST /v1/users/{user_id}/states
POST /v1/users/{user_id}/claim
POST /v1/recommendations/group
POST /v1/users/{user_id}/import
GET /v1/users/{user_id}/export
PUT /v1/users/{user_id}/states/{state}/{movie_id}
DELETE /v1/users/{user_id}/states/{state}/{movie_id}
POST /v1/ratings
POST /v1/imports
GET /v1/imports/{key}
GET /v1/users/{user_id}
DELETE /v1/users/{user_id}
GET /v1/users/{user_id}/neighbors
GET /v1/popular
GET /v1/models
GET /v1/snapshots
POST /v1/snapshots/{snapshot_id}/promote
POST /v1/snapshots/rollback
GET /v1/runs
GET /v1/runs/{run_id}
GET /v1/experiments
POST /v1/experiments
GET /v1/experiments/{experiment}
POST /v1/experiments/{experiment}/stop
GET /v1/experiments/{experiment}/arms/{arm}/lists/{user_id}
GET /v1/experiments/{experiment}/logged
GET /health
GET /ready
GET /metrics
GET /recommendations/{user_id}
GET /feature/{user_id}
GET /recommendations
GET /features
POST /update_ratings
POST /update_movie
"""
ERRORS = {"400", "404", "409", "413", "415", "422", "503"}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_loads_nothing_from_outside(client: Client, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page.text)
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assets = [target for target in re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", page.text) if target]
    assert len(assets) >= 2
    for asset in assets:
        found = client.get(f"/{asset}")
        assert found.status_code == 200
        assert len(found.content) > 1000
    assert re.search(r"openapi\.json", page.text)


def test_missing_assets_are_problems(client: Client) -> None:
    answer = client.get("/static-docs/nope.js")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def operations(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    paths = client.get("/openapi.json").json()["paths"]
    return [(method.upper(), path, route) for path, methods in paths.items() for method, route in methods.items()]


def test_every_route_is_described_with_examples(client: Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    found = operations(client)
    assert len(found) >= 30
    names = [route["operationId"] for _, _, route in found]
    assert len(set(names)) == len(names)
    for method, path, route in found:
        assert route["summary"], path
        assert route["description"], path
        for status, answer in route["responses"].items():
            content = answer.get("content", {})
            if status in ERRORS:
                assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
            elif "application/json" in content:
                body = content["application/json"]
                if body["schema"] == {"type": "null"}:
                    continue  # it is its own example, and FastAPI drops one that is None
                name = body["schema"].get("$ref", "").rpartition("/")[2]
                assert "example" in body or schemas[name].get("examples"), f"{method} {path} {status}"
        for kind, body in route.get("requestBody", {}).get("content", {}).items():
            name = body["schema"].get("$ref", "").rpartition("/")[2]
            assert "example" in body or schemas[name].get("examples"), f"{method} {path} {kind}"
        if method in ("POST", "PUT", "PATCH") and "requestBody" in route:
            assert set(route["responses"]) >= {"400", "413", "415", "422"}, path


def test_the_contract_is_served(client: Client) -> None:
    served = {(method, path) for method, path, _ in operations(client)}
    assert served == {(method, path) for method, path in map(str.split, CONTRACT.strip().splitlines())}


def test_limits_are_those_of_the_settings() -> None:
    settings = Settings(max_body=12_345, max_filter=77, max_batch=55, max_history=66)
    document = create_app(settings).openapi()
    paths = document["paths"]
    assert document["info"]["x-limits"]["head_bytes"] == 64 << 10
    ratings = paths["/v1/ratings"]["post"]
    assert ratings["requestBody"]["content"]["application/json"]["schema"]["maxItems"] == 55
    assert ratings["x-limits"]["body_bytes"] == 12_345
    assert "12,345" in ratings["responses"]["413"]["description"]
    assert "x-limits" not in paths["/v1/imports"]["post"]
    assert document["components"]["schemas"]["AdHocRequest"]["properties"]["ratings"]["maxItems"] == 66
    for path, methods in paths.items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            if parameter["name"] == "filter":
                assert parameter["schema"]["maxLength"] == 77, path
            if parameter["name"] in ("n", "top_n"):
                assert parameter["schema"]["maximum"] == 1000, path
        for method in methods.values():
            assert ("requestBody" in method) == ("x-limits" in method or path == "/v1/imports"), path
