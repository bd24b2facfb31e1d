"""Films written while the encoder is away: real processes, stopped and started again."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from matinee.data.dataset import Dataset
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process, free_port
from support import random_dataset, with_overviews
from tiny_models import WORDS, image_model, picture, text_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")

OVERVIEW = "A detective of the night city hunts a ghost in a house of music."
SECONDS = 60.0


def varied_dataset() -> Dataset:
    """The random data set with an overview of eight words for each film: texts that span their space."""
    dice = random.Random(0)
    plain = random_dataset()
    return with_overviews(plain, [" ".join(dice.sample(WORDS, 8)) for _ in range(len(plain.catalog))], "varied")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("backlog")
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        poster_meaning=False,
    )
    dataset = varied_dataset()
    shelf = PosterStore.of(settings, dataset.name)
    for row in range(12):
        shelf.put(f"m{row}", picture(row))
    train_dataset(settings, dataset)
    return settings


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts services that are ended behind the test."""
    with ExitStack() as stack:

        def start(service: Any, settings: Settings, name: str) -> Process:
            process = Process(service, settings, tmp_path / name)
            stack.callback(process.end)
            return process

        yield start


def backlog(core: Process) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(core.url + "/ready", timeout=90).json()["backlog"]
    return answer


def until_embedded(core: Process, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while (left := backlog(core))["movies"]:
        assert time.monotonic() < end, (left, core.log.read_text())
        time.sleep(0.05)
    assert left == {"movies": 0, "texts": 0, "posters": 0, "reason": None}


def put_film(core: Process, movie_id: str, **columns: Any) -> httpx.Response:
    film = {"title": f"Film {movie_id}", "year": 2001, "genres": ["Drama"]} | columns
    return httpx.put(f"{core.url}/v1/movies/{movie_id}", json=film, timeout=40)


def meant(core: Process, text: str, n: int = 5) -> list[str]:
    params: dict[str, Any] = {"q": text, "by": "meaning", "n": n}
    answer = httpx.get(core.url + "/v1/search", params=params, timeout=40)
    assert answer.status_code == 200, answer.text
    return [item["movie_id"] for item in answer.json()["items"]]


def looks_like(core: Process, image: bytes) -> tuple[str, float]:
    answer = httpx.post(core.url + "/v1/posters/search", content=image, params={"k": 1}, timeout=40)
    assert answer.status_code == 200, answer.text
    best = answer.json()["items"][0]
    return best["movie_id"], best["similarity"]


def test_a_film_and_a_poster_wait_over_a_restart_and_are_found_when_the_encoder_is_back(
    trained: Settings, started: Callable[..., Process], tmp_path: Path
) -> None:
    encoder = started("encoder", trained, "encoder.log")
    settings = trained.model_copy(update={"encoder_url": encoder.url})
    core = started("core", settings, "core.log")
    encoder.wait()
    core.wait()
    there = put_film(core, "n0", overview="The lighthouse keeper of the sea.")
    assert (there.status_code, "x-matinee-embedding" in there.headers) == (201, False)
    assert "n0" in meant(core, "lighthouse keeper of the sea")
    assert looks_like(core, picture(3)) == ("m3", pytest.approx(1.0, abs=1e-3))

    assert encoder.stop() == 0
    away = put_film(core, "n1", overview=OVERVIEW)
    assert (away.status_code, away.headers["x-matinee-embedding"]) == (201, "pending")
    again = put_film(core, "n0", overview="A robot on a train.")  # its vector was of the old record
    assert (again.status_code, again.headers["x-matinee-embedding"]) == (200, "pending")
    classic = httpx.post(core.url + "/update_movie", json={"n2": {"title": "Heist (1999)", "genres": "Crime"}})
    assert (classic.status_code, classic.headers["x-matinee-embedding"]) == (200, "pending")
    for movie_id, seed in (("m3", 77), ("n1", 78)):  # another picture than the snapshot's, and a film of no snapshot
        put = httpx.put(f"{core.url}/v1/movies/{movie_id}/poster", content=picture(seed), timeout=40)
        assert put.json()["indexed"] is False
        assert put.headers["x-matinee-embedding"] == "pending"
    httpx.put(f"{core.url}/v1/movies/m4/poster", content=picture(79), timeout=40)
    assert httpx.delete(f"{core.url}/v1/movies/m4/poster").status_code == 204  # nothing of it is left to wait for

    # Served with what is known: found by its title, and recommended.
    assert (
        httpx.get(core.url + "/v1/search", params={"q": "Heist", "by": "title"}).json()["items"][0]["movie_id"] == "n2"
    )
    left = backlog(core)
    assert (left["movies"], left["texts"], left["posters"]) == (4, 3, 2)
    assert encoder.url in left["reason"]
    metrics = httpx.get(core.url + "/metrics").text
    assert 'matinee_embedding_backlog{kind="text"} 3.0' in metrics
    assert 'matinee_embedding_backlog{kind="poster"} 2.0' in metrics

    assert core.stop() == 0
    core.start()
    core.wait()
    left = backlog(core)
    assert (left["texts"], left["posters"]) == (3, 2)
    assert left["reason"]

    encoder.start()
    encoder.wait()
    until_embedded(core)
    assert "n1" in meant(core, OVERVIEW)
    assert "n0" in meant(core, "a robot on a train")
    assert "n0" not in meant(core, "lighthouse keeper of the sea")
    assert "n2" in meant(core, "Heist")
    assert looks_like(core, picture(77)) == ("m3", pytest.approx(1.0, abs=1e-3))
    assert looks_like(core, picture(78)) == ("n1", pytest.approx(1.0, abs=1e-3))
    assert looks_like(core, picture(79))[0] != "m4"
    similar = httpx.get(f"{core.url}/v1/movies/n1/similar", params={"by": "content", "n": 3}, timeout=40)
    assert len(similar.json()["items"]) == 3
    assert "x-matinee-embedding" not in put_film(core, "n3", overview="A king and a queen dance.").headers
    assert core.stop() == 0
    log = core.log.read_text()
    assert "Traceback" not in log
    assert "were embedded" in log


@pytest.mark.extended
def test_two_workers_and_a_second_core_embed_each_film_hardly_more_than_once(
    trained: Settings, started: Callable[..., Process], tmp_path: Path
) -> None:
    port = free_port()
    settings = trained.model_copy(update={"encoder_url": f"http://127.0.0.1:{port}"})
    pair = started("core", settings.model_copy(update={"workers": 2}), "pair.log")
    other = started("core", settings, "other.log")
    pair.wait()
    other.wait()
    n = 80
    for number in range(n):
        core = pair if number % 2 else other
        assert put_film(core, f"w{number}", overview=f"A ghost ship of the sea {number}.").status_code == 201
    for core in (pair, pair, pair, other):  # a connection each: whichever worker answers
        assert backlog(core)["texts"] == n
    encoder = started("encoder", trained, "encoder.log")
    encoder.end()
    encoder.port, encoder.settings = port, trained.model_copy(update={"encoder_port": port})
    encoder.start()
    encoder.wait()
    until_embedded(pair)
    until_embedded(other)
    assert len(set(meant(pair, "ghost ship of the sea", n)) & {f"w{i}" for i in range(n)}) > n // 2
    embedded = 0
    for core in (pair, other):
        assert core.stop() == 0
        log = core.log.read_text()
        assert "Traceback" not in log
        embedded += sum(map(int, re.findall(r"(\d+) films that waited were embedded \(text\)", log)))
    assert n <= embedded < 2 * n  # three processes; each looks once more before it stores
