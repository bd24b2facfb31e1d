"""Clients of the earlier systems, unchanged but for host and port, over sockets.

Each is what such a client does, written with the standard library alone: it knows nothing of problem documents, ids as
strings or `/v1`.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process
from support import random_dataset
from tiny_models import image_model, picture, text_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")
N_POSTERS = 12


def call(url: str, body: object = None) -> Any:
    """What a URL answers: POST with a body, else GET. Raises `HTTPError` for a status that is no success."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The services of the classic split, each a process: core, encoder, recommender, vectors."""
    folder = tmp_path_factory.mktemp("classic")
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        poster_meaning=False,
        classic_root="titles",
    )
    dataset = random_dataset()
    shelf = PosterStore.of(settings, dataset.name)
    for row in range(N_POSTERS):
        shelf.put(f"m{row}", picture(row))
    train_dataset(settings, dataset)
    with ExitStack() as stack:
        started = {name: Process(name, settings, folder / name) for name in ("vectors", "encoder", "recommender")}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ID_USER", "Ana")
            core = settings.model_copy(
                update={"encoder_url": started["encoder"].url, "recommender_url": started["recommender"].url}
            )
            started["core"] = Process("core", core, folder / "core")
        for process in started.values():
            stack.callback(process.end)
        for process in started.values():
            process.wait()
        yield {name: process.url for name, process in started.items()}


def test_a_skeleton_that_asks_for_the_nearest_posters(urls: dict[str, str]) -> None:
    """B1: it has a vector of a network of its own, posts it alone, and opens the pictures of the rows that it gets."""
    space = call(urls["vectors"] + "/spaces")["items"][0]
    vector = call(urls["vectors"] + "/vectors", {"items": [3]})["vectors"][0]
    found = call(urls["vectors"] + "/reco", {"vector": vector})
    assert len(found) == 5
    assert found[0] == 3
    assert all(type(row) is int and 0 <= row < N_POSTERS for row in found)
    assert call(urls["vectors"] + "/reco/", {"vector": [0.5] * space["raw_dim"]})
    with urllib.request.urlopen(f"{urls['vectors']}/items/{found[0]}/poster", timeout=90) as answer:
        assert answer.headers["content-type"] == "image/jpeg"


def test_a_pair_of_generate_and_recommend(urls: dict[str, str]) -> None:
    """B5: the vectors of the encoder are posted to the recommender as they come, ids as numbers."""
    assert call(urls["encoder"] + "/") == "Hello from Embedding Generator"
    assert call(urls["recommender"] + "/") == "Hello from Recommender"
    watched = ["storm sea", "storm night", "sea night", "love", "love dance", "dance"]
    films = {901: "sea", 902: "dance love", 903: "storm", 904: ""}
    vectors = call(urls["encoder"] + "/generate", [*watched, *films.values()])
    body = {
        "historical": [[vectors[text] for text in watched], [5, 5, 4, 1, 1, 2]],
        "prediction_embeddings": [vectors[text] for text in films.values()],
        "movie_id": list(films),
    }
    ranked = call(urls["recommender"] + "/recommend", body)
    assert sorted(ranked) == ["901", "902", "903", "904"]
    assert set(ranked[:2]) <= {"901", "903", "904"}
    assert ranked[-1] == "902"
    forest = call(urls["recommender"] + "/recommend/", body | {"model": "forest"})
    assert forest[-1] == "902"


def test_a_core_client_adds_a_film_rates_and_asks(urls: dict[str, str]) -> None:
    """B5: `update_movie`, `update_ratings`, then `recommendations`; over the remote encoder and recommender."""
    core = urls["core"]
    before = call(f"{core}/recommendations?user_id=42")["items"]
    assert len(before) == 10
    film = {"title": "Storm at Sea (2020)", "genres": "Comedy", "tags": "Funny|light"}
    assert call(f"{core}/update_movie", {"900001": film}) is None
    assert call(f"{core}/update_ratings/", {"42": {"movie_id": ["m1", "m3", "m5"], "ratings": [5, 4.5, 5]}}) is None
    assert call(f"{core}/update_ratings", {42: {"movie_id": 900001, "rating": 4}}) is None
    assert call(f"{core}/features?user_id=42") == {"features": [{"histories": ["900001", "m5", "m3", "m1"]}]}
    assert call(f"{core}/update_movie", {"900002": film | {"title": "Storm Again (2021)"}}) is None
    items = call(f"{core}/recommendations/?user_id=42&returnMetadata=yes&top_n=100")["items"]
    listed = {item["id"]: item for item in items}
    assert not {"m1", "m3", "m5", "900001"} & set(listed)
    assert listed["900002"] == {
        "movie_id": "900002",
        "id": "900002",
        "title": "Storm Again (2021)",
        "genres": "Comedy",
        "tags": "Funny|light",
    }
    top = [item["genres"] for item in items[:5]]
    assert top.count("Comedy") >= 4


def test_a_client_of_the_matrix_factorization(urls: dict[str, str]) -> None:
    """B4: a path with the user's number, histories descending; behind nginx, which puts a slash at the end."""
    items = call(urls["core"] + "/recommendations/u1/")["items"]
    assert len(items) == 10
    assert all(list(item) == ["id"] for item in items)
    titled = call(urls["core"] + "/recommendations/u1?returnMetadata=True")["items"]
    assert [item["id"] for item in titled] == [item["id"] for item in items]
    assert titled[0]["title"].endswith(")")
    assert call(urls["core"] + "/feature/u1")["feature"][0]["histories"]


def test_a_client_of_the_title_search(urls: dict[str, str]) -> None:
    """B3: greeted by name at the root, which this core's setting chooses."""
    assert call(urls["core"] + "/") == {"message": "Usuario/a Ana"}
    query = {"model": "Faiss", "n_recommendations": 3, "movie_title": "story of the laughing number 1"}
    assert len(call(urls["core"] + "/recommendation", query)["recommendations"]) == 3
