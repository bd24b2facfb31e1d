"""Explanations over HTTP."""

from __future__ import annotations

from dataclasses import fields

import pytest

from api_support import Client
from matinee.engine.explain import Explanation


@pytest.fixture(params=["here", pytest.param("remote", marks=pytest.mark.extended)])
def scoring(request: pytest.FixtureRequest) -> str:
    """What is tested holds whoever scores."""
    who: str = request.param
    return who


def test_an_explanation_has_every_part(client: Client) -> None:
    item = client.get("/v1/users/u3/recommendations?n=1&explain=true").json()["items"][0]
    answer = client.get(f"/v1/users/u3/explanations/{item['movie_id']}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {field.name for field in fields(Explanation)}
    assert (found["user_id"], found["movie_id"], found["title"]) == ("u3", item["movie_id"], item["title"])
    assert (found["model"], found["fallback"], found["rating"]) == ("blend", None, None)
    assert found["stars"] == item["stars"]
    best = next(one for one in found["models"] if one["name"] == "blend")
    assert (best["rank"], best["score"]) == (1, pytest.approx(item["score"], abs=1e-5))
    assert {one["name"] for one in found["models"]} == {one["name"] for one in client.get("/v1/models").json()["items"]}
    listed = [{key: one[key] for key in ("movie_id", "title", "share")} for one in found["because"]]
    assert listed[: len(item["because"])] == item["because"]
    assert found["reason"] == item["reason"]
    assert sum(one["share"] for one in found["because"]) + found["rest"] == pytest.approx(1)
    assert {one["field"] for one in found["content"]} <= {"genres", "directors", "writers", "cast", "tags", "keywords"}
    assert len(found["factors"]) == 8
    assert found["neighbors"]


def test_a_film_rated_a_moment_ago(client: Client) -> None:
    url = "/v1/users/u3/explanations/m1"
    client.delete("/v1/users/u3/ratings/m1")
    assert client.get(url).json()["rating"] is None
    client.put("/v1/users/u3/ratings/m1", json={"rating": 4.5})
    found = client.get(url).json()
    assert found["rating"] == 4.5
    assert "m1" not in [one["movie_id"] for one in found["because"]]
    other = found["neighbors"][0]["user_id"]
    client.delete(f"/v1/users/{other}")
    assert other not in [one["user_id"] for one in client.get(url).json()["neighbors"]]


def test_a_film_added_a_moment_ago(client: Client) -> None:
    client.put("/v1/movies/fresh", json={"title": "Fresh <b>", "genres": ["Comedy"], "tags": ["funny"]})
    found = client.get("/v1/users/u3/explanations/fresh").json()
    assert (found["title"], found["factors"], found["neighbors"]) == ("Fresh <b>", [], [])
    assert {one["field"]: one["shared"] for one in found["content"]}["genres"] == ["Comedy"]
    client.put("/v1/users/zz 🎬/ratings/fresh", json={"rating": 4})
    assert client.get("/v1/users/zz 🎬/explanations/m1").json()["user_id"] == "zz 🎬"


@pytest.mark.parametrize("model", ["ease", "popular", "content", "stars"])
def test_a_model_by_name(reader: Client, model: str) -> None:
    assert reader.get("/v1/users/u3/explanations/m1", params={"model": model}).json()["model"] == model


@pytest.mark.parametrize(
    ("path", "status", "names"),
    [
        ("nobody/explanations/m1", 404, "nobody"),
        ("u3/explanations/nope", 404, "nope"),
        ("u3/explanations/m1?model=oracle", 404, "blend"),
        ("u3/explanations/m1?model=" + "x" * 10_000, 422, "model"),
        ("u3/explanations/" + "x" * 65, 422, "movie_id"),
        ("%00/explanations/m1", 422, "user_id"),
    ],
)
def test_faults(reader: Client, path: str, status: int, names: str) -> None:
    answer = reader.get(f"/v1/users/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert names in answer.json()["detail"]


def test_nothing_to_explain_from(client: Client) -> None:
    client.delete("/v1/users/u3")
    assert client.get("/v1/users/u3/explanations/m1").status_code == 404
