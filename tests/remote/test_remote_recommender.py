"""A core whose models are behind a recommender service: away, back, another snapshot, another store."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from api_support import Client
from matinee.api import create_app
from matinee.api.recommender.app import create_recommender_app
from matinee.data.catalog import Movie
from matinee.engine import Engine, Request
from matinee.engine.remote_models import RemoteModel
from matinee.errors import MatineeError, ServiceError
from matinee.models.base import Query
from matinee.remote import RemoteRecommender, open_recommender
from matinee.remote.recommender import History, State
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process, free_port
from socket_support import on_a_socket
from support import random_dataset, until
from web_server import serve

URL = "/v1/users/u1/recommendations"


def histories(engine: Engine) -> list[Query]:
    return [engine.request_view().history(user) for user in ("u1", "u2", "u7")]


def test_every_model_answers_as_it_does_here(core: Engine, data_dir: Path) -> None:
    with Engine.open(Settings(data_dir=data_dir)) as here:
        core.put_movies([Movie(movie_id="new", title="New", genres=("Comedy",))])
        core.rate([("u1", "new", 5.0)])
        ours, theirs = core.request_view(), here.request_view()
        assert set(ours.models) == set(theirs.models)
        queries = histories(core)
        for name, remote in ours.models.items():
            local = theirs.models[name]
            assert isinstance(remote, RemoteModel)
            assert not isinstance(local, RemoteModel)
            assert (remote.name, remote.chart, remote.parts) == (local.name, local.chart, local.parts)
            assert (remote.n_items, remote.predicts_stars) == (41, local.predicts_stars)
            assert (remote.learns_from_ratings, remote.config) == (local.learns_from_ratings, local.config)
            np.testing.assert_allclose(remote.score(queries), local.score(queries), rtol=1e-4, atol=1e-6)
            for query in queries:
                np.testing.assert_array_equal(remote.score([query]), local.score([query]))
                assert (remote.fallback(query), remote.knows(query)) == (local.fallback(query), local.knows(query))
                rows = np.array([40, 0, 3])
                np.testing.assert_array_equal(remote.score_rows(query, rows), local.score_rows(query, rows))
                for expected, found in (
                    (local.contributions(query, [0, 40]), remote.contributions(query, [0, 40])),
                    (local.user_factors([query]), remote.user_factors([query])),
                ):
                    assert (expected is None) == (found is None)
                    if expected is not None and found is not None:
                        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
            assert remote.score_rows(query, rows[:0]).shape == (0,)
            similar = local.similar([3])
            if similar is not None:
                np.testing.assert_array_equal(remote.similar([3]), similar)
            assert set(remote.state()) == set(local.state())
            assert "recommender" in repr(remote).lower()
            with pytest.raises(MatineeError, match="not fitted"):
                remote.fit(random_dataset())
            with pytest.raises(MatineeError, match="not fitted"):
                type(remote).from_state(remote.config, {}, ours.catalog)
        options = Request(n=20, explain=True, diversity=0.3)
        assert core.recommend("u1", options).items == here.recommend("u1", options).items


def test_a_film_added_since_training_is_recommended_and_a_rating_counts_at_once(core: Engine) -> None:
    core.put_movies([Movie(movie_id="new", title="New", genres=("Comedy",), tags=("funny", "light"))])
    listed = [item.movie_id for item in core.recommend("u1", Request(n=100)).items]
    assert "new" in listed
    core.rate([("u1", listed[0], 4.0)])
    assert listed[0] not in [item.movie_id for item in core.recommend("u1", Request(n=100)).items]
    core.delete_movie("new")
    assert "new" not in [item.movie_id for item in core.recommend("u1", Request(n=100)).items]


def test_films_are_told_by_id_where_rows_differ(core: Engine, data_dir: Path) -> None:
    """A core that started later never saw a film that was added and removed before, and numbers films otherwise."""
    core.put_movies([Movie(movie_id="gone", title="Gone", genres=("Drama",))])
    assert core.recommend("u1").items
    core.delete_movie("gone")
    core.put_movies([Movie(movie_id="new", title="New", genres=("Comedy",))])
    wanted = {item.movie_id: item.score for item in core.recommend("u1", Request(n=100)).items}
    with Engine.open(core.settings) as later:
        assert len(later.request_view().catalog) < len(core.request_view().catalog)
        found = {item.movie_id: item.score for item in later.recommend("u1", Request(n=100)).items}
    assert found == pytest.approx(wanted)
    assert "new" in found


def test_away_at_the_start_and_in_the_middle(data_dir: Path, tmp_path: Path) -> None:
    """Personal lists are a sentence with status 503, the rest goes on, `/ready` has the reason; no restart needed."""
    process = Process("recommender", Settings(data_dir=data_dir), tmp_path / "log")
    process.kill()
    settings = Settings(data_dir=data_dir, recommender_url=process.url)
    with Client(create_app(settings)) as client:
        try:
            for turn in range(2):
                answer = client.get(URL)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                for word in (process.url, "does not answer", "matinee serve recommender", "MATINEE_RECOMMENDER_URL"):
                    assert word in answer.json()["detail"]
                ready = client.get("/ready")
                assert (ready.status_code, process.url in ready.json()["detail"]) == (503, True)
                assert client.get("/v1/users/nobody/recommendations").json()["fallback"] == "popular"
                assert client.get("/v1/movies/m1/similar").json()["items"]
                assert client.get("/v1/search?q=laughing").json()["items"]
                assert client.put("/v1/users/u1/ratings/m1", json={"rating": 4 + turn / 2}).status_code == 204
                assert client.get("/recommendations/u1").status_code == 503
                process.start()
                process.wait()
                until(lambda: client.get("/ready").status_code == 200)
                answer = client.get(URL)
                assert answer.status_code == 200, answer.text
                assert "m1" not in [item["movie_id"] for item in answer.json()["items"]]
                process.kill()
                client.put("/v1/users/u1/ratings/m3", json={"rating": 3})  # what is cached is out of date
        finally:
            process.end()
            client.app.service.close_engine()  # type: ignore[attr-defined]


def test_a_service_that_is_away_is_not_waited_for_again_and_again(data_dir: Path) -> None:
    asked: list[str] = []
    free = threading.Event()

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        free.wait(90)

    with serve(handle) as url:
        recommender = RemoteRecommender(url, timeout=0.3)
        state, history = State("s", 0), History(["m1"], np.ones(1, dtype=np.float32))
        for _ in range(50):
            with pytest.raises(ServiceError, match=r"did not answer within 0\.3 seconds"):
                recommender.scores(state, "blend", [history])
        assert len(asked) == 1
        free.set()
        recommender.close()


def test_the_core_answers_others_while_the_service_is_slow(data_dir: Path) -> None:
    asked, free = threading.Event(), threading.Event()

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        asked.set()
        free.wait(90)

    with serve(handle) as url, Client(create_app(Settings(data_dir=data_dir, recommender_url=url))) as client:
        statuses: list[int] = []
        waiting = threading.Thread(target=lambda: statuses.append(client.get(URL).status_code))
        waiting.start()
        assert asked.wait(90)
        assert client.get("/health").status_code == 200
        assert client.get("/v1/users/nobody/recommendations").json()["fallback"] == "popular"
        assert not statuses
        free.set()
        waiting.join(90)
        assert statuses == [503]
        client.app.service.close_engine()  # type: ignore[attr-defined]


def test_another_snapshot_and_another_store_are_named(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train_dataset(Settings(data_dir=other), random_dataset(seed=1))
    with ExitStack() as stack:
        url = stack.enter_context(on_a_socket(create_recommender_app(Settings(data_dir=other))))
        engine = stack.enter_context(Engine.open(Settings(data_dir=data_dir, recommender_url=url)))
        for ask in (engine.check, lambda: engine.recommend("u1")):
            with pytest.raises(ServiceError, match=r"has the snapshot .*, not .*"):
                ask()
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy)
    with ExitStack() as stack:
        url = stack.enter_context(on_a_socket(create_recommender_app(Settings(data_dir=copy))))
        engine = stack.enter_context(Engine.open(Settings(data_dir=data_dir, recommender_url=url)))
        engine.check()
        engine.rate([("u1", "m1", 5.0)])
        for ask in (engine.check, lambda: engine.recommend("u1")):
            with pytest.raises(ServiceError, match="has another store"):
                ask()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"fallbacks": [None], "added": []},
        {"fallbacks": ["never"], "added": [], "scores": {"dim": 1, "float32": "AAAAAA=="}},
        {"fallbacks": [None], "added": [], "scores": {"dim": 3, "float32": "AAAAAA=="}},
        {"fallbacks": [None], "added": [], "scores": {"dim": 1, "float32": "AAAAAAAAAAA="}},
        {"fallbacks": [None], "added": [], "scores": {"dim": 1, "float32": "*"}},
        {"fallbacks": [None], "added": [], "scores": {"dim": "1", "float32": ""}},
    ],
)
def test_another_kind_of_answer(document: object) -> None:
    body = json.dumps(document).encode()

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["content-length"]))
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    history = History(["m1"], np.ones(1, dtype=np.float32))
    with serve(handle) as url, pytest.raises(ServiceError, match="not the recommender service of this version"):
        RemoteRecommender(url).scores(State("s", 0), "blend", [history])


def test_one_setting_says_who_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_recommender(Settings()) is None
    with pytest.raises(ServiceError, match="MATINEE_RECOMMENDER_URL"):
        open_recommender(Settings(recommender_url="recommender:8002"))
    for value in ("http://recommender:8002", "http://recommender:8002/", "http://recommender:8002/recommend"):
        monkeypatch.setenv("RECOMMENDER_ENDPOINT", value)
        assert Settings().recommender_url == "http://recommender:8002"
    assert repr(open_recommender(Settings())) == "<RemoteRecommender: http://recommender:8002>"


def test_a_refused_question_is_no_fault_of_who_asks_the_core(service: str, data_dir: Path) -> None:
    with Engine.open(Settings(data_dir=data_dir)) as engine:
        state = State(engine.snapshot_id, 0)
    history = History(["m1"], np.ones(1, dtype=np.float32))
    with pytest.raises(ServiceError, match=r"cannot answer: .*no model 'oracle'"):
        RemoteRecommender(service).scores(state, "oracle", [history])
    with pytest.raises(ServiceError, match="not the recommender service"):
        RemoteRecommender(service + "/nowhere").scores(state, "blend", [history])
    assert free_port()
