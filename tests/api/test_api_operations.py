from __future__ import annotations

import importlib
import logging
import os
import re
import tempfile
import time
from pathlib import Path

import anyio
import pytest

from api_support import Client
from matinee._util.file_lock import FileLock
from matinee.api import create_app
from matinee.engine import Engine
from matinee.engine.runtime import RequestView
from matinee.errors import SnapshotError, StoreError
from matinee.evaluation.experiment import evaluate_in_detail
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.tracking.recording import record_run
from matinee.tracking.runs import RunStore
from matinee.training.pipeline import train_dataset
from support import random_dataset

serve_module = importlib.import_module("matinee.api.serve")


def test_alive_and_ready(client: Client, engine: Engine) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    nothing = {"movies": 0, "texts": 0, "posters": 0, "reason": None}
    served = {"status": "ready", "snapshot": engine.snapshot_id, "warnings": [], "writes": True, "reason": None}
    served["backlog"] = nothing
    assert client.get("/ready").json() == served


def test_index(client: Client) -> None:
    assert client.get("/").json()["docs"] == "/docs"
    browser = client.get("/", headers={"accept": "text/html,*/*"})
    assert (browser.status_code, browser.headers["location"]) == (307, "/docs")


def test_without_a_snapshot_the_service_waits_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path / "none")
    app = create_app(settings)
    with Client(app) as client:
        assert client.get("/health").status_code == 200
        for path in ("/ready", "/v1/users/u1/recommendations", "/v1/models", "/recommendations/u1"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "1"
            assert "matinee train" in answer.json()["detail"]
        monkeypatch.setattr(app.service.lazy_engine, "retry", 600.0)  # training may take longer than a second
        train_dataset(settings, random_dataset())
        assert client.get("/ready").status_code == 503  # looked a moment ago
        monkeypatch.setattr(app.service.lazy_engine, "retry", 0.0)
        assert client.get("/ready").status_code == 200
        assert client.get("/v1/users/u1/recommendations").status_code == 200
        app.service.close_engine()  # type: ignore[attr-defined]


def test_lifespan_opens_and_closes_its_own_engine(data_dir: Path) -> None:
    app = create_app(Settings(data_dir=data_dir))

    async def live() -> None:
        async with app.lifespan():
            assert app.service.lazy_engine.value is not None  # type: ignore[attr-defined]

    anyio.run(live)
    assert app.service.lazy_engine.value is None  # type: ignore[attr-defined]


def test_lifespan_without_a_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(data_dir=tmp_path / "none"))

    async def live() -> None:
        async with app.lifespan():
            pass

    with caplog.at_level(logging.WARNING):
        anyio.run(live)
    assert "There is no snapshot" in caplog.text


def test_an_engine_that_was_given_stays_open(data_dir: Path, engine: Engine) -> None:
    app = create_app(Settings(data_dir=data_dir), engine)
    app.service.close_engine()  # type: ignore[attr-defined]
    engine.check()


class Broken(Engine):
    """An engine whose store has failed."""

    def check(self) -> None:
        raise StoreError("The store cannot be read.", "Look at the disk.")

    def request_view(self) -> RequestView:
        raise StoreError("The store cannot be read.", "Look at the disk.")

    def history(self, user_id: str) -> list[object]:  # type: ignore[override]
        raise RuntimeError("a fault with a secret")


@pytest.fixture
def broken(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    with Engine.open(Settings(data_dir=data_dir)) as engine:
        engine.__class__ = Broken
        with Client(create_app(Settings(data_dir=data_dir), engine)) as client:
            yield client  # type: ignore[misc]
        engine.__class__ = Engine


def test_a_store_that_fails_is_503(broken: Client) -> None:
    for path in ("/ready", "/v1/users/u1/recommendations", "/recommendations/u1"):
        answer = broken.get(path)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:matinee:problem:store"
        assert answer.json()["detail"] == "The store cannot be read. Look at the disk."
    assert broken.get("/health").status_code == 200


def test_a_fault_of_ours_tells_nothing(broken: Client) -> None:
    answer = broken.get("/v1/users/u1/ratings")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert 'route="/v1/users/{user_id}/ratings",status="500"' in broken.get("/metrics").text


def test_models_and_snapshots(client: Client, engine: Engine) -> None:
    models = client.get("/v1/models").json()
    assert models["snapshot"] == engine.snapshot_id
    assert [model["name"] for model in models["items"] if model["default"]] == ["blend"]
    snapshots = client.get("/v1/snapshots").json()["items"]
    assert [entry["id"] for entry in snapshots if entry["current"]] == [engine.snapshot_id]


def test_stored_runs(client: Client, data_dir: Path) -> None:
    assert client.get("/v1/runs").json() == {"items": []}
    settings = Settings(data_dir=data_dir)
    evaluation = evaluate_in_detail("holdout", ["popular", "stars"], data=random_dataset(), settings=settings)
    record = record_run(RunStore(settings.runs_dir), "evaluate", evaluation, memory_limit=1)
    items = client.get("/v1/runs").json()["items"]
    assert [(item["id"], item["models"], item["metric"]) for item in items] == [
        (record.id, ["popular", "stars"], "ndcg@10")
    ]
    found = client.get(f"/v1/runs/{record.id}").json()
    assert found["report"] == record.report
    assert found["trials"] == []
    assert client.get("/v1/runs/20200101T000000Z-00000000").status_code == 404
    assert client.get("/v1/runs/last").status_code == 404
    assert client.get("/v1/runs/a b").status_code == 422
    (settings.runs_dir / record.id / "run.json").write_text("{")
    assert client.get("/v1/runs").json() == {"items": []}
    assert client.get(f"/v1/runs/{record.id}").status_code == 503


def test_promote_and_roll_back(client: Client, data_dir: Path, engine: Engine) -> None:
    old = engine.snapshot_id
    new = train_dataset(Settings(data_dir=data_dir), random_dataset(seed=1), promote=False)
    url = "/v1/users/u1/recommendations"
    assert client.get(url).json()["snapshot"] == old
    assert client.post(f"/v1/snapshots/{new}/promote").json() == {"snapshot": new}
    assert client.get(url).json()["snapshot"] == new
    assert client.post("/v1/snapshots/rollback").json() == {"snapshot": old}
    assert client.get(url).json()["snapshot"] == old
    again = client.post("/v1/snapshots/rollback")
    assert again.status_code == 409
    assert client.post("/v1/snapshots/nope/promote").status_code == 404
    assert client.post("/v1/snapshots/a b/promote").status_code == 422
    assert client.get(url).json()["snapshot"] == old


def test_a_damaged_snapshot_is_refused_and_the_old_one_serves_on(
    client: Client, data_dir: Path, engine: Engine
) -> None:
    old = engine.snapshot_id
    new = train_dataset(Settings(data_dir=data_dir), random_dataset(seed=1), promote=False)
    damaged = next((data_dir / "snapshots" / new).rglob("*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    answer = client.post(f"/v1/snapshots/{new}/promote")
    assert answer.status_code == 409
    assert new in answer.json()["detail"]
    assert client.get("/v1/users/u1/recommendations").json()["snapshot"] == old


def test_a_damaged_manifest_is_no_unknown_snapshot(client: Client, data_dir: Path) -> None:
    new = train_dataset(Settings(data_dir=data_dir), random_dataset(seed=1), promote=False)
    (data_dir / "snapshots" / new / "manifest.json").write_text("{")
    assert client.post(f"/v1/snapshots/{new}/promote").status_code == 409


def test_a_damaged_pointer_is_mended_by_promoting(client: Client, data_dir: Path, engine: Engine) -> None:
    (data_dir / "snapshots" / "pointer.json").write_text("{")
    url = "/v1/users/u1/recommendations"
    assert client.get(url).status_code == 200
    warned = [False]
    for _ in range(3000):  # the pointer is read in a thread
        warned = client.get("/ready").json()["warnings"]
        if warned:
            break
        time.sleep(0.01)
    assert "damaged" in str(warned[0])
    listed = client.get("/v1/snapshots").json()["items"]
    assert [(entry["id"], entry["current"]) for entry in listed] == [(engine.snapshot_id, False)]
    assert client.post(f"/v1/snapshots/{engine.snapshot_id}/promote").status_code == 200
    assert client.get("/ready").json()["warnings"] == []


def test_metrics(client: Client) -> None:
    for path in ("/v1/movies/m1", "/v1/movies/m2", "/v1/movies/nope", "/no/such/path", "/classic/feature/u1"):
        client.get(path)
    client.request("BREW", "/v1/movies/m1")
    text = client.get("/metrics").text
    assert 'matinee_requests_total{method="GET",route="/v1/movies/{movie_id}",status="200"} 2.0' in text
    assert 'matinee_requests_total{method="GET",route="/v1/movies/{movie_id}",status="404"} 1.0' in text
    assert 'matinee_requests_total{method="GET",route="unknown path",status="404"} 1.0' in text
    assert re.search(r'matinee_requests_total\{method="other",route="[^"]*",status="405"\} 1\.0', text)
    assert 'matinee_request_seconds_count{route="/v1/movies/{movie_id}"}' in text
    assert "BREW" not in text


def test_swaps_in_a_folder_that_cannot_be_locked_end_with_a_sentence(
    data_dir: Path, client: Client, engine: Engine
) -> None:
    served = engine.snapshot_id
    lock = data_dir / "snapshots" / "pointer.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()  # as a folder without rights: it cannot be opened for writing
    for path in (f"/v1/snapshots/{served}/promote", "/v1/snapshots/rollback"):
        answer = client.post(path)
        assert answer.status_code == 503
        assert "cannot be locked" in answer.json()["detail"]
    with pytest.raises(SnapshotError, match="cannot be locked"):
        SnapshotRegistry(data_dir / "snapshots").prune(1)
    lock.rmdir()
    assert client.post(f"/v1/snapshots/{served}/promote").status_code == 200
    assert engine.snapshot_id == served


def test_a_store_that_can_only_be_read(client: Client, engine: Engine) -> None:
    """Reads go on; a write says why it cannot be stored, and no folder of this machine; so do /ready and /metrics."""
    put = "/v1/users/u1/ratings/m1"
    assert client.put(put, json={"rating": 4}).status_code in (200, 201, 204)
    assert "matinee_store_writable 1.0" in client.get("/metrics").text
    path = engine.settings.store_path(engine.dataset_name)
    os.truncate(path, path.stat().st_size // 2)
    refused = client.put(put, json={"rating": 3})
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:matinee:problem:read-only"
    assert "matinee restore" in refused.json()["detail"]
    assert client.get("/v1/users/u1/recommendations").status_code == 200
    ready = client.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["writes"] is False
    for text in (refused.text, ready.text):
        assert "cut from" in text
        assert str(engine.settings.data_dir) not in text
    assert "matinee_store_writable 0.0" in client.get("/metrics").text


@pytest.mark.skipif(os.name == "nt", reason="no locks there")
def test_metrics_of_the_dead_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, alive, foreign = (tmp_path / f"{serve_module.METRICS}{name}" for name in ("dead", "alive", "foreign"))
    for folder in (dead, alive, foreign):
        folder.mkdir()
        (folder / "counter_1.db").touch()
    (dead / serve_module.IN_USE).touch()
    lock = FileLock(alive / serve_module.IN_USE)
    assert lock.acquire(time.monotonic())
    serve_module._remove_metrics_of_the_dead()
    assert [folder.exists() for folder in (dead, alive, foreign)] == [False, True, True]
    lock.close()
