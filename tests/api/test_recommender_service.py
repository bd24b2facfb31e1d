"""The recommender service in this process: the classic question, scores for a core, bad input, other snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api_support import Client
from matinee._util.packed_floats import unpacked
from matinee.api.recommender.app import create_recommender_app
from matinee.api.recommender.histories import MAX_DIM
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.models.base import Query
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import in_process
from support import random_dataset

HISTORY = {"movie_ids": ["m1", "m3", "m2"], "ratings": [5, 4.5, 1.0]}


def settings_of(data_dir: Path, **settings: Any) -> Settings:
    return Settings(data_dir=data_dir, max_history=50, **settings)


@pytest.fixture
def service(data_dir: Path) -> Iterator[Client]:
    with in_process(create_recommender_app(settings_of(data_dir))) as opened:
        yield opened


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service without a snapshot."""
    app = create_recommender_app(settings_of(tmp_path_factory.mktemp("none"), recommender_max_body=300_000))
    with Client(app) as opened:
        yield opened


def question(**other: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    liked = rng.normal(size=(12, 4))
    return {
        "historical": [liked.tolist(), (3 + liked[:, 0]).tolist()],
        "prediction_embeddings": [[-1, 0, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0.5], [0, 0, 0, 0]],
        "movie_id": ["a", 7, "c", 318],
    } | other


# --- the classic question -------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/recommend", "/recommend/"])
@pytest.mark.parametrize("model", ["ridge", "forest", None])
def test_ids_by_predicted_rating_without_a_snapshot(alone: Client, path: str, model: str | None) -> None:
    answer = alone.post(path, json=question(model=model))
    assert (answer.status_code, answer.json()) == (200, ["7", "c", "318", "a"])
    ready = alone.get("/ready")
    assert (ready.status_code, "no snapshot" in ready.json()["detail"]) == (503, True)


def test_the_setting_chooses_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn", None)
    with Client(create_recommender_app(settings_of(tmp_path, recommender_model="forest"))) as client:
        answer = client.post("/recommend", json=question())
        assert (answer.status_code, answer.json()["detail"]) == (
            503,
            "A random forest needs matinee[classic]: pip install 'matinee[classic]'.",
        )
        assert client.post("/recommend", json=question(model="ridge")).status_code == 200


def test_nothing_to_rank(alone: Client) -> None:
    assert alone.post("/recommend", json=question(prediction_embeddings=[], movie_id=[])).json() == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"historical": [[[1], [2]], [1]]}, "body.historical"),
        ({"historical": [[], []]}, "body.historical"),
        ({"historical": [[[1]]]}, "body.historical"),
        ({"historical": [[[1]], [1], [1]]}, "body.historical"),
        ({"historical": {"vectors": []}}, "body.historical"),
        ({"historical": [7, [1]]}, "body.historical.0"),
        ({"historical": [[[1, 2, 3, 4], [1, 2, 3]], [1, 2]]}, "body.historical.0.1"),
        ({"historical": [[[1, 2, 3, 4], 7], [1, 2]]}, "body.historical.0.1"),
        ({"historical": [[[]], [1]]}, "body.historical.0.0"),
        ({"historical": [[[1, 2, None, 4]], [1]]}, "body.historical.0.0.2"),
        ({"historical": [[[1, 2, True, 4]], [1]]}, "body.historical.0.0.2"),
        ({"historical": [[[1, 2, float("nan"), 4]], [1]]}, "body.historical.0.0.2"),
        ({"historical": [[[1, 2, 3, 4]], [float("inf")]]}, "body.historical.1.0"),
        ({"historical": [[[1, 2, 3, 1e101]], [1]]}, "body.historical.0.0.3"),
        ({"historical": [[[1, 2, 3, 4]], ["5"]]}, "body.historical.1.0"),
        ({"historical": [[[1, 2, 3, 4]], [1e7]]}, "body.historical.1.0"),
        ({"historical": [[[1, 2, 3, 4]] * 51, [1] * 51]}, "body.historical.1"),
        ({"historical": [[[1] * (MAX_DIM + 1)], [1]]}, "body.historical.0.0"),
        ({"prediction_embeddings": [[1, 2, 3]], "movie_id": ["a"]}, "body.prediction_embeddings.0"),
        ({"prediction_embeddings": [[1, 2, 3, float("-inf")]], "movie_id": ["a"]}, "body.prediction_embeddings.0.3"),
        ({"prediction_embeddings": "a"}, "body.prediction_embeddings"),
        ({"movie_id": ["a"]}, "body.movie_id"),
        ({"movie_id": ["a", "b", "c", 1.5]}, "body.movie_id.3"),
        ({"movie_id": ["a", "b", "c", ""]}, "body.movie_id.3"),
        ({"movie_id": ["a", "b", "c", "x" * 65]}, "body.movie_id.3"),
        ({"model": "boosting"}, "body.model"),
        ({"top_n": 5}, "body.top_n"),
    ],
    ids=repr,
)
def test_faults_are_named_with_their_place(alone: Client, change: dict[str, Any], where: str) -> None:
    body = json.dumps(question(**change))
    answer = alone.post("/recommend", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["where"] for one in answer.json()["errors"]] == [where]
    assert answer.json()["detail"].endswith(".")


def test_missing_fields_and_large_numbers(alone: Client) -> None:
    for field in ("historical", "prediction_embeddings", "movie_id"):
        body = question()
        del body[field]
        assert alone.post("/recommend", json=body).json()["errors"][0]["where"] == f"body.{field}"
    text = json.dumps(question()).replace("[-1, 0, 0, 0]", "[-1, 0, 1e999, 0]")
    answer = alone.post("/recommend", content=text, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "body.prediction_embeddings.0.2")


def test_limits_of_bodies(alone: Client, service: Client) -> None:
    assert alone.post("/recommend", content=b" " * 300_001).status_code == 413
    kind = {"content-type": "application/json"}
    small = settings_of(Path("nowhere"), max_body=1000)
    with Client(create_recommender_app(small)) as client:
        assert client.post("/v1/scores", content=b" " * 1001 + b"{}", headers=kind).status_code == 413
        many = question(prediction_embeddings=[[1, 2, 3, 4]] * 200, movie_id=list(range(200)))
        assert len(client.post("/recommend", json=many).json()) == 200


def test_too_much_at_a_time_is_refused(tmp_path: Path) -> None:
    app = create_recommender_app(settings_of(tmp_path))
    with Client(app) as client:
        app.service.work_queue._max_pieces = 0  # type: ignore[attr-defined]
        answer = client.post("/recommend", json=question())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["detail"].startswith("The service has as much to work on as it can take.")


# --- scores ---------------------------------------------------------------------------------------------------
def test_scores_are_the_models(service: Client, data_dir: Path) -> None:
    with Engine.open(settings_of(data_dir)) as engine:
        view = engine.request_view()
        query = Query(np.array([1, 3, 2]), np.array([5, 4.5, 1], dtype=np.float32))
        for name, model in view.models.items():
            answer = service.post("/v1/scores", json={"model": name, "histories": [HISTORY]}).json()
            assert (answer["snapshot"], answer["model"], answer["added"]) == (engine.snapshot_id, name, [])
            np.testing.assert_array_equal(unpacked(answer["scores"]), model.score([query]))
            assert answer["fallbacks"] == [model.fallback(query)]
            both = service.post("/v1/scores", json={"model": name, "histories": [HISTORY, HISTORY]}).json()
            np.testing.assert_allclose(unpacked(both["scores"])[1], model.score([query])[0], rtol=1e-4, atol=1e-6)
            some = service.post("/v1/scores", json={"model": name, "histories": [HISTORY], "movie_ids": ["m9", "x", 7]})
            assert unpacked(some.json()["scores"])[0].tolist() == pytest.approx(
                [model.score([query])[0][9], np.nan, np.nan], nan_ok=True
            )
            parts = service.post(
                "/v1/contributions", json={"model": name, "history": HISTORY, "movie_ids": ["m9", "nope"]}
            ).json()["contributions"]
            expected = model.contributions(query, [9])
            assert (parts is None) == (expected is None)
            if expected is not None:
                np.testing.assert_array_equal(unpacked(parts), [expected[0], np.zeros(3)])
            factors = service.post("/v1/user-factors", json={"model": name, "histories": [HISTORY]}).json()["factors"]
            own = model.user_factors([query])
            assert (factors is None) == (own is None)
            if own is not None:
                np.testing.assert_array_equal(unpacked(factors), own)
        names = {one["name"] for one in service.get("/v1/models").json()["items"]}
        assert names == set(view.models)


def test_a_film_of_a_history_that_is_unknown_is_left_out(service: Client) -> None:
    plain = service.post("/v1/scores", json={"histories": [HISTORY]}).json()
    longer = {"movie_ids": ["nope", *HISTORY["movie_ids"]], "ratings": [1, *HISTORY["ratings"]], "times": [-1, 0, 1, 2]}
    known = HISTORY | {"times": [0, 1, 2]}
    answer = service.post("/v1/scores", json={"histories": [longer, known]}).json()
    assert answer["model"] == plain["model"] == "blend"
    first, second = unpacked(answer["scores"])
    np.testing.assert_array_equal(first, second)
    parts = service.post("/v1/contributions", json={"history": longer, "movie_ids": ["m9"]}).json()["contributions"]
    assert unpacked(parts)[0][0] == 0
    assert unpacked(parts)[0][1:].any()


def test_nobody_and_nothing(service: Client) -> None:
    nobody = {"movie_ids": [], "ratings": []}
    answer = service.post("/v1/scores", json={"histories": [nobody]}).json()
    assert answer["fallbacks"] == ["popular"]
    assert unpacked(answer["scores"]).shape == (1, 40)
    assert unpacked(service.post("/v1/scores", json={"histories": []}).json()["scores"]).shape == (0, 40)
    asked = {"history": nobody, "movie_ids": ["m1"]}
    assert service.post("/v1/contributions", json=asked).json()["contributions"] is None
    assert service.post("/v1/user-factors", json={"model": "ials", "histories": []}).json()["factors"] is None
    none = service.post("/v1/scores", json={"histories": [HISTORY], "movie_ids": []}).json()
    assert none["scores"] == {"dim": 0, "float32": ""}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"histories": [{"movie_ids": ["m1"], "ratings": []}]}, 422, "body.histories.0.ratings"),
        ({"histories": [HISTORY | {"times": [1]}]}, 422, "body.histories.0.times"),
        ({"histories": [{"movie_ids": ["m1", "m1"], "ratings": [1, 2]}]}, 422, "twice"),
        ({"histories": [{"movie_ids": ["m1"], "ratings": [1e7]}]}, 422, "body.histories.0.ratings.0"),
        ({"histories": [{"movie_ids": ["m1"], "ratings": ["5"]}]}, 422, "body.histories.0.ratings.0"),
        ({"histories": [{"movie_ids": ["x" * 65], "ratings": [5]}]}, 422, "body.histories.0.movie_ids.0"),
        ({"histories": [HISTORY] * 65}, 422, "64"),
        ({"histories": [HISTORY], "movie_ids": ["m1"] * 100_001}, 422, "100000"),
        ({"histories": [HISTORY], "model": "oracle"}, 404, "oracle"),
        ({"histories": [HISTORY], "snapshot": "another"}, 409, "not another"),
        ({"histories": [HISTORY], "sequence": 99}, 409, "another store"),
        ({"histories": [HISTORY], "n": 1}, 422, "body.n"),
        ({}, 422, "body.histories"),
    ],
)
def test_bad_questions(service: Client, body: dict[str, Any], status: int, told: str) -> None:
    answer = service.post("/v1/scores", json=body)
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text


def test_large_answers_are_refused(service: Client) -> None:
    body = {"history": HISTORY, "movie_ids": ["m1"] * 100_000}
    assert service.post("/v1/contributions", json=body).status_code == 200
    long = {"movie_ids": [f"x{i}" for i in range(101)], "ratings": [1] * 101}
    answer = service.post("/v1/contributions", json=body | {"history": long})
    assert (answer.status_code, "10,000,000" in answer.json()["detail"]) == (413, True)


def test_films_and_promotions_are_followed(service: Client, data_dir: Path) -> None:
    """A snapshot is loaded by the first request that names it; the one before stays for cores that follow later."""
    settings = settings_of(data_dir)
    with Engine.open(settings) as core:
        core.put_movies([Movie(movie_id="new", title="New", genres=("Comedy",))])
        first, sequence = core.snapshot_id, core.request_view().sequence
        body = {"histories": [HISTORY], "snapshot": first, "sequence": sequence}
        answer = service.post("/v1/scores", json=body).json()
        assert answer["added"] == ["new"]
        assert np.isfinite(unpacked(answer["scores"])[0, 40])
        second = train_dataset(settings, random_dataset(), promote=True)
        assert service.get("/v1/models", params={"snapshot": second}).json()["snapshot"] == second
        assert service.get("/ready").json()["snapshot"] == second
        core.rate([("u1", "new", 5.0)])
        late = service.post("/v1/scores", json=body | {"sequence": sequence + 1})
        assert (late.status_code, late.json()["snapshot"], late.json()["added"]) == (200, first, ["new"])
        assert service.post("/v1/scores", json=body | {"snapshot": second}).json()["added"] == []


def test_operation(service: Client) -> None:
    assert service.get("/").json() == "Hello from Recommender"
    assert service.get("/health").json() == {"status": "ok"}
    assert service.get("/v1/models", params={"sequence": 5}).status_code == 409
    assert 'route="/recommend"' not in service.get("/metrics").text
