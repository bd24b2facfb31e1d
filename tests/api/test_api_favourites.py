"""Favourites over HTTP (CONTRACTS B2): the classic functions' answers, and what led to them."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.classic import collab_model, content_model, favorites
from matinee.engine import Engine
from matinee.settings import Settings
from matinee.training.pipeline import train
from small_folder import write_folder

THREE = ["Toy Story (1995)", "Groundhog Day (1993)", "Clerks (1994)"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("favourites")
    folder = write_folder(home / "small")
    train(Settings(data_dir=home / "data", offline=True), str(folder), measure=False)
    return home / "data"


@pytest.fixture
def movies(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A service over forty films; the classic functions ask the same engine."""
    settings = Settings(data_dir=Path(shutil.copytree(small, tmp_path / "own")))
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        monkeypatch.setattr(favorites, "_engine", lambda: engine)
        yield client


@pytest.fixture(scope="module")
def refusing(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service over the same films, for questions that are refused."""
    settings = Settings(data_dir=Path(shutil.copytree(small, tmp_path_factory.mktemp("refusing") / "own")))
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        yield client


def ask(client: Client, path: str = "/favourites", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", ["/favourites", "/classic/favourites"])
def test_the_answer_is_the_classic_functions(movies: Client, path: str) -> None:
    for name, function in (("content", content_model), ("collab", collab_model)):
        found = ask(movies, path, movies=THREE, model=name)
        assert found["titles"] == function(THREE)
        assert len(found["items"]) == 10
        assert [item["rank"] for item in found["items"]] == list(range(1, 11))
        assert [f"{item['title']} ({item['year']})" for item in found["items"]] == found["titles"]
        assert (found["model"], found["fallback"], found["cold"]) == (name, None, [])
        assert [one["given"] for one in found["matched"]] == THREE
        assert [one["score"] for one in found["matched"]] == [100, 100, 100]
        assert not {one["movie_id"] for one in found["matched"]} & {item["movie_id"] for item in found["items"]}
        ids = [one["movie_id"] for one in found["matched"]]
        by_id = ask(movies, path, movie_ids=[ids[0], int(ids[1]), ids[2]], model=name)
        assert by_id["items"] == found["items"]
        assert [one["given"] for one in by_id["matched"]] == ids
        assert ask(movies, path, movies=THREE, model=name, top_n=3)["titles"] == found["titles"][:3]


def test_typing_errors_are_forgiven_and_told(movies: Client) -> None:
    found = ask(movies, movies=["the matrx", "the matrx"])
    assert found["model"] == "content"
    assert [one["title"] for one in found["matched"]] == ["The Matrix", "The Matrix"]
    assert 70 <= found["matched"][0]["score"] < 100
    assert found["titles"] == ask(movies, movies=["Matrix, The (1999)"])["titles"]


def test_a_film_that_nobody_has_rated_counts_by_its_content(movies: Client) -> None:
    movies.put("/v1/movies/new", json={"title": "Fresh Laughter", "year": 2020, "genres": ["Comedy", "Romance"]})
    mixed = ask(movies, movies=["Alien (1979)", "Fresh Laughter (2020)"], model="collab")
    assert (mixed["fallback"], mixed["cold"]) == ("content", ["Fresh Laughter (2020)"])
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert mixed["titles"] == collab_model(["Alien (1979)", "Fresh Laughter (2020)"])
    alone = ask(movies, movie_ids=["new"], model="collab")
    assert (alone["fallback"], alone["cold"]) == ("content", ["Fresh Laughter (2020)"])
    content = ask(movies, movie_ids=["new"], model="content")
    assert alone["items"] == content["items"]
    assert (content["fallback"], content["cold"]) == (None, [])
    movies.put("/v1/users/9/ratings/new", json={"rating": 5})  # rated now, though no model has learnt from it
    assert ask(movies, movie_ids=["new"], model="collab")["cold"] == []


def test_a_film_of_which_nothing_is_known(movies: Client) -> None:
    movies.put("/v1/movies/x", json={"title": "Qqqzzz"})
    found = ask(movies, movie_ids=["x"], model="collab")
    assert (found["fallback"], found["cold"], len(found["items"])) == ("popular", ["Qqqzzz"], 10)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"movies": THREE, "movie_ids": ["1"]}, 422),
        ({"movies": None, "movie_ids": None}, 422),
        ({"movies": []}, 422),
        ({"movie_ids": []}, 422),
        ({"movies": THREE * 7}, 422),
        ({"movies": [""]}, 422),
        ({"movies": ["x" * 501]}, 422),
        ({"movies": "Toy Story (1995)"}, 422),
        ({"movies": [1]}, 422),
        ({"movie_ids": [1.5]}, 422),
        ({"movie_ids": ["a\nb"]}, 422),
        ({"movies": THREE, "model": "faiss"}, 422),
        ({"movies": THREE, "model": None}, 422),
        ({"movies": THREE, "top_n": 0}, 422),
        ({"movies": THREE, "top_n": 1001}, 422),
        ({"movies": THREE, "top_n": "3"}, 422),
        ({"movies": THREE, "n": 3}, 422),
        ({"movies": ["xqzzwvk"]}, 404),
        ({"movies": ["   "]}, 404),
        ({"movies": ["🎬🎬"]}, 404),
        ({"movie_ids": ["1", "nope"]}, 404),
    ],
)
def test_faults_of_favourites(refusing: Client, body: dict[str, Any], status: int) -> None:
    answer = refusing.post("/favourites", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_title_nobody_knows_is_named(movies: Client) -> None:
    answer = movies.post("/favourites", json={"movies": ["Toy Story (1995)", "<script>alert(1)</script>"]}).json()
    assert answer["detail"].startswith("Movie Unrecognized. Try Again")
    assert "<script>" in answer["detail"]
