"""The vector service over real snapshots: films and posters of items, promotions, films written since."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from api_support import Client
from matinee.api.serve import as_environment
from matinee.api.vectors.app import create_vectors_app
from matinee.encoders.image import load_image_encoder
from matinee.engine import Engine
from matinee.errors import ConflictError, ServiceError
from matinee.posters.store import PosterStore
from matinee.remote import RemoteIndex
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.training.pipeline import train_dataset
from service_support import in_process, serving
from support import random_dataset
from tiny_models import IMAGE_DIM, image_model, picture

WITH_POSTERS = 12
"""Fewer than the encoder's values, so that the space is narrower than what it gives."""


def settings_of(folder: Path) -> Settings:
    return Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder="off",
        image_encoder=str(image_model(folder / "fields.onnx")),
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


def train(settings: Settings, posters: int = WITH_POSTERS) -> str:
    dataset = random_dataset()
    shelf = PosterStore.of(settings, dataset.name)
    for row in range(posters):
        shelf.put(f"m{row}", picture(row))
    train_dataset(settings, dataset)
    current = SnapshotRegistry(settings.snapshots_dir).current()
    assert current is not None
    return current


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a snapshot, to be copied, and the snapshot's id."""
    folder = tmp_path_factory.mktemp("learnt")
    return folder, train(settings_of(folder))


@pytest.fixture
def trained(settings: Settings, learnt: tuple[Path, str], tmp_path: Path) -> str:
    """The snapshot of a test's own copy of that folder."""
    folder, snapshot = learnt
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return snapshot


@pytest.fixture
def client(settings: Settings, trained: str) -> Iterator[Client]:
    with in_process(create_vectors_app(settings)) as opened:
        yield opened


def raw(settings: Settings, number: int) -> list[float]:
    found: list[float] = load_image_encoder(settings).encode([picture(number)])[0].tolist()
    return found


def test_a_poster_finds_its_own_film(client: Client, settings: Settings, trained: str) -> None:
    space = client.get("/spaces").json()["items"][0]
    assert (space["space"], space["items"], space["raw_dim"]) == ("poster", WITH_POSTERS, IMAGE_DIM)
    assert (space["dim"] < IMAGE_DIM, space["snapshot"]) == (True, trained)
    for number in range(WITH_POSTERS):
        vector = raw(settings, number)
        item = client.post("/reco", json={"vector": vector, "k": 3}).json()[0]
        film = client.get(f"/items/{item}").json()
        assert film["movie_id"] == f"m{number}"
        poster = client.get(film["poster"])
        assert (poster.content, poster.headers["content-type"]) == (picture(number), "image/jpeg")
        near = client.post("/search", json={"vector": vector, "k": 2, "exclude_self": True, "snapshot": trained}).json()
        assert f"m{number}" not in [one["movie_id"] for one in near["items"]]
        assert (near["snapshot"], len(near["items"])) == (trained, 2)
    assert client.get("/ready").json() == {"status": "ready", "snapshot": trained, "warnings": []}


@pytest.mark.parametrize("kind", ["exact", "faiss", "annoy", "hnsw"])
def test_every_kind_of_index(settings: Settings, trained: str, kind: str) -> None:
    from matinee.indexes import available_kinds

    if kind not in available_kinds():
        pytest.skip(f"{kind} is not installed")
    with in_process(create_vectors_app(settings.model_copy(update={"vectors_index": kind}))) as client:
        assert client.get("/spaces").json()["items"][0]["index"] == kind
        found = client.post("/search", json={"vector": raw(settings, 3), "k": 1}).json()["items"]
        assert found[0]["movie_id"] == "m3"


def test_several_spaces(settings: Settings, trained: str) -> None:
    both = settings.model_copy(update={"vectors_space": "content, poster"})
    with in_process(create_vectors_app(both)) as client:
        assert [one["space"] for one in client.get("/spaces").json()["items"]] == ["content", "poster"]
        vector = client.post("/vectors", json={"items": [20]}).json()["vectors"][0]
        assert client.post("/reco", json={"vector": vector, "k": 1}).json() == [20]
        assert client.post("/search", json={"vector": raw(settings, 2), "space": "poster"}).status_code == 200
        assert client.post("/search", json={"vector": vector, "space": "taste"}).status_code == 404


def test_what_the_core_writes_is_found(client: Client, settings: Settings) -> None:
    with Engine.open(settings) as engine:
        assert engine.put_poster("m30", picture(99))
        answer = client.post("/search", json={"vector": raw(settings, 99), "k": 1})
        assert answer.status_code == 200, answer.text
        found = answer.json()["items"][0]
        assert (found["movie_id"], found["similarity"]) == ("m30", pytest.approx(1, abs=1e-4))
        engine.delete_movie("m4")
        items = client.post("/search", json={"vector": raw(settings, 4), "k": 99}).json()["items"]
        assert "m4" not in [one["movie_id"] for one in items]
        assert len(items) == WITH_POSTERS
        row = 4  # rows of the snapshot are those of the data set
        assert client.get(f"/items/{row}").status_code == 404
        assert client.get(f"/items/{row}/poster").status_code == 404


def test_a_promotion_is_followed(client: Client, settings: Settings, trained: str) -> None:
    assert client.put("/items/39", json={"vector": raw(settings, 77)}).status_code == 204
    newer = train(settings, posters=20)
    assert newer != trained
    end = time.monotonic() + 90
    while client.get("/ready").json()["snapshot"] != newer:
        assert client.post("/reco", json={"vector": raw(settings, 1)}).status_code == 200
        assert time.monotonic() < end
    assert client.get("/items").json()["total"] == 20  # what was put here is gone with its snapshot
    assert client.post("/search", json={"vector": raw(settings, 15), "k": 1}).json()["items"][0]["movie_id"] == "m15"
    assert client.post("/search", json={"vector": raw(settings, 1), "snapshot": trained}).status_code == 409
    SnapshotRegistry(settings.snapshots_dir).rollback()
    while client.get("/ready").json()["snapshot"] != trained:
        assert time.monotonic() < end
    assert client.get("/items").json()["total"] == WITH_POSTERS


def test_without_a_snapshot_it_waits_for_one(settings: Settings) -> None:
    app = create_vectors_app(settings)
    with Client(app) as client, client._portal.wrap_async_context_manager(app.lifespan()):
        for answer in (client.get("/ready"), client.post("/reco", json={"vector": [1.0]}), client.get("/items/1")):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "matinee train" in answer.json()["detail"]
        assert client.get("/health").status_code == 200
        train(settings)
        end = time.monotonic() + 90
        while client.get("/ready").status_code != 200:
            assert time.monotonic() < end
        assert client.post("/reco", json={"vector": raw(settings, 1), "k": 1}).json() == [1]


def test_a_snapshot_without_posters_says_what_to_do(settings: Settings) -> None:
    train(settings, posters=0)
    app = create_vectors_app(settings)
    with Client(app) as client, client._portal.wrap_async_context_manager(app.lifespan()):
        answer = client.get("/ready")
        assert answer.status_code == 503
        assert "matinee posters add" in answer.json()["detail"]
        train(settings)
        end = time.monotonic() + 90
        while client.get("/ready").status_code != 200:
            assert time.monotonic() < end


@pytest.mark.extended
def test_two_processes_and_the_remote_index(settings: Settings, trained: str, tmp_path: Path) -> None:
    two = settings.model_copy(update={"workers": 2})
    assert as_environment(two)["MATINEE_WORKERS"] == "2"
    with serving("vectors", two, tmp_path / "log") as process:
        index = RemoteIndex(process.url, "poster", trained)
        assert (index.kind, len(index)) == ("exact", WITH_POSTERS)
        own = index.vectors(np.arange(WITH_POSTERS))
        assert index.search(own, 1).items[:, 0].tolist() == list(range(WITH_POSTERS))
        with pytest.raises(ConflictError, match="one worker"):
            index.add(np.array([1]), own[:1])
        with pytest.raises(ConflictError, match="not 20260101"):
            RemoteIndex(process.url, "poster", "20260101T120000Z-0123abcd").search(own, 1)
        with Engine.open(settings) as engine:
            engine.put_poster("m30", picture(99))
            for _ in range(8):  # a connection each: the kernel deals them out to both workers
                found = httpx.post(process.url + "/search", json={"vector": raw(settings, 99), "k": 1}).json()
                assert found["items"][0]["movie_id"] == "m30"
        index.close()
        assert process.stop() == 0
    assert "Traceback" not in process.log.read_text()


def test_the_core_asks_the_vector_service_where_the_settings_name_one(
    settings: Settings, trained: str, tmp_path: Path
) -> None:
    with Engine.open(settings) as engine:
        here = [hit.item.movie_id for hit in engine.search_posters(picture(5), k=WITH_POSTERS)]
        comedies = [hit.item.movie_id for hit in engine.search_posters(picture(5), k=3, filter='genre = "Comedy"')]
    with serving("vectors", settings, tmp_path / "log") as process:
        split = settings.model_copy(update={"vectors_url": process.url})
        with Engine.open(split) as engine:
            assert [hit.item.movie_id for hit in engine.search_posters(picture(5), k=WITH_POSTERS)] == here
            assert [
                hit.item.movie_id for hit in engine.search_posters(picture(5), k=3, filter='genre = "Comedy"')
            ] == comedies
            engine.put_poster("m30", picture(99))
            assert engine.search_posters(picture(99), k=1)[0].item.movie_id == "m30"
            assert process.stop() == 0
            with pytest.raises(ServiceError, match="vector service"):
                engine.search_posters(picture(5))
