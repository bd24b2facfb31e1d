"""Choosing and exploring over HTTP: users, titles, how a film was rated; live after every write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api_support import Client
from matinee.api import create_app
from matinee.engine import Engine
from matinee.settings import Settings
from matinee.training.pipeline import train, train_dataset
from small_folder import write_folder
from support import make_dataset

ROWS: list[tuple[str, str, float, int | None]] = [
    ("1", "a", 5.0, 100),
    ("1", "b", 3.0, 200),
    ("2", "a", 4.5, 300),
    ("10", "a", 4.5, None),
    ("anna", "b", 0.5, 400),
]
FILMS: list[dict[str, object]] = [
    {"movie_id": "a", "title": "Alpha", "year": 1990, "genres": ["Drama"]},
    {"movie_id": "b", "title": "Beta", "genres": ["Comedy"]},
    {"movie_id": "c", "title": "Gamma", "year": 2001, "genres": []},
]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("by-hand") / "data"
    train_dataset(Settings(data_dir=home), make_dataset(ROWS, FILMS), measure=False)
    return home


@pytest.fixture
def tiny(by_hand: Path, tmp_path: Path) -> Iterator[Client]:
    """A service over five ratings, of the test's own."""
    settings = Settings(data_dir=Path(shutil.copytree(by_hand, tmp_path / "tiny")))
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        yield client


def users(client: Client, **params: object) -> list[tuple[str, int]]:
    answer = client.get("/v1/users", params=params)
    assert answer.status_code == 200, answer.text
    return [(item["user_id"], item["ratings"]) for item in answer.json()["items"]]


def bars(client: Client, film: str) -> dict[float, int]:
    found = client.get(f"/v1/movies/{film}/ratings").json()["histogram"]
    return {bar["stars"]: bar["count"] for bar in found if bar["count"]}


def test_users_by_hand(tiny: Client) -> None:
    assert users(tiny) == [("1", 2), ("2", 1), ("10", 1), ("anna", 1)]
    assert tiny.get("/v1/users?limit=1").json() == {"items": [{"user_id": "1", "ratings": 2}], "total": 4}
    assert users(tiny, prefix="1") == [("1", 2), ("10", 1)]
    assert users(tiny, prefix="Anna") == []
    assert users(tiny, prefix="1", offset=1) == [("10", 1)]
    tiny.put("/v1/users/10/ratings/b", json={"rating": 2})
    tiny.put("/v1/users/0 new ☃/ratings/b", json={"rating": 2})
    tiny.delete("/v1/users/2")
    tiny.delete("/v1/users/anna/ratings/b")
    assert users(tiny) == [("1", 2), ("10", 2), ("0 new ☃", 1)]
    assert users(tiny, prefix="0 new ☃") == [("0 new ☃", 1)]
    tiny.delete("/v1/movies/b")
    assert users(tiny) == [("1", 1), ("10", 1)]
    tiny.put("/v1/movies/b", json={"title": "Beta again"})
    assert users(tiny) == [("1", 2), ("10", 2), ("0 new ☃", 1)]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=ten", "limit=nan", "offset=-1", "offset=1.5", "prefix=" + "x" * 10_000]
)
def test_bad_questions_about_users(tiny: Client, query: str) -> None:
    answer = tiny.get(f"/v1/users?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.json()["detail"]


def test_any_text_may_be_a_prefix(tiny: Client) -> None:
    for prefix in ("", "%", "<script>", "\x00", "🎬", "x" * 200, "' OR 1=1 --"):
        assert tiny.get("/v1/users", params={"prefix": prefix}).status_code == 200
    assert tiny.get("/v1/users?prefix=%ff%fe").json() == {"items": [], "total": 0}


def test_titles_by_hand(tiny: Client) -> None:
    found = tiny.get("/v1/titles").json()
    assert found.pop("snapshot")
    assert found == {"movie_ids": ["a", "b", "c"], "titles": ["Alpha", "Beta", "Gamma"], "years": [1990, None, 2001]}
    tiny.put("/v1/movies/b", json={"title": "Beta <b>", "year": 1999})
    tiny.put("/v1/movies/d", json={"title": "Delta 🎬"})
    tiny.delete("/v1/movies/a")
    found = tiny.get("/v1/titles").json()
    assert found["movie_ids"] == ["b", "c", "d"]
    assert found["titles"] == ["Beta <b>", "Gamma", "Delta 🎬"]
    assert found["years"] == [1999, 2001, None]
    assert tiny.get("/v1/titles").json() == found


def test_ratings_of_a_film_by_hand(tiny: Client) -> None:
    found = tiny.get("/v1/movies/a/ratings").json()
    assert (found["movie_id"], found["count"], found["mean"]) == ("a", 3, 4.667)
    assert [bar["stars"] for bar in found["histogram"]] == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert bars(tiny, "a") == {4.5: 2, 5.0: 1}
    nobody = tiny.get("/v1/movies/c/ratings").json()
    assert (nobody["count"], nobody["mean"], len(nobody["histogram"])) == (0, None, 10)
    tiny.put("/v1/users/1/ratings/a", json={"rating": 1.2})  # off the steps: the nearest
    tiny.put("/v1/users/new/ratings/a", json={"rating": 2})
    assert bars(tiny, "a") == {1.0: 1, 2.0: 1, 4.5: 2}
    tiny.delete("/v1/users/2")
    tiny.delete("/v1/users/10/ratings/a")
    assert bars(tiny, "a") == {1.0: 1, 2.0: 1}
    tiny.put("/v1/users/2/ratings/a", json={"rating": 3})  # erased before, and back
    assert bars(tiny, "a") == {1.0: 1, 2.0: 1, 3.0: 1}
    tiny.delete("/v1/movies/a")
    assert tiny.get("/v1/movies/a/ratings").status_code == 404
    tiny.put("/v1/movies/a", json={"title": "Alpha"})
    assert bars(tiny, "a") == {1.0: 1, 2.0: 1, 3.0: 1}
    assert tiny.get("/v1/movies/nope/ratings").status_code == 404


def test_the_count_is_that_of_the_catalogue(client: Client) -> None:
    client.put("/v1/users/u1/ratings/m2", json={"rating": 2})
    client.delete("/v1/users/u2")
    for film in client.get("/v1/movies?limit=1000").json()["items"]:
        found = client.get(f"/v1/movies/{film['movie_id']}/ratings").json()
        assert (found["count"], found["mean"]) == (film["ratings"], film["mean"])
        assert sum(bar["count"] for bar in found["histogram"]) == found["count"]


def test_another_process_sees_what_was_written(client: Client, client_with: Callable[..., Client]) -> None:
    other = client_with()
    assert users(client) == users(other)
    other.put("/v1/users/zz/ratings/m1", json={"rating": 4})
    assert users(client, prefix="zz") == [("zz", 1)]
    client.delete("/v1/users/zz")
    assert users(other, prefix="zz") == []


def test_statistics_by_hand(tiny: Client) -> None:
    found = tiny.get("/v1/statistics").json()
    assert found["filter"] == ""
    assert found["totals"] == {
        "users": 4, "films": 3, "rated_films": 2, "ratings": 5, "mean": 3.5, "density": round(5 / 12, 8),
        "first": 100, "last": 400,
    }  # fmt: skip
    assert {bar["stars"]: bar["count"] for bar in found["stars"] if bar["count"]} == {0.5: 1, 3.0: 1, 4.5: 2, 5.0: 1}
    assert found["years"] == [{"year": 1970, "ratings": 4, "mean": 3.25}]
    assert found["months"] == [{"month": "1970-01", "ratings": 4, "mean": 3.25}]
    assert found["released"] == [
        {"year": 1990, "films": 1, "ratings": 3, "mean": 4.6667},
        {"year": 2001, "films": 1, "ratings": 0, "mean": None},
    ]
    assert [one["decade"] for one in found["decades"]] == [1990, 2000]
    assert found["genres"] == [
        {"name": "Drama", "films": 1, "ratings": 3, "mean": 4.6667},
        {"name": "Comedy", "films": 1, "ratings": 2, "mean": 1.75},
    ]
    assert found["directors"] == found["countries"] == found["tags"] == []
    assert found["per_user"] == {
        "bins": [{"from": 1, "to": 1, "count": 3}, {"from": 2, "to": 2, "count": 1}],
        "median": 1.0,
        "mean": 1.25,
        "most": 2,
    }
    assert found["per_film"]["bins"] == [{"from": 2, "to": 3, "count": 2}]
    assert found["long_tail"] == [
        {"films": 0.333333, "ratings": 0.6},
        {"films": 0.666667, "ratings": 1.0},
        {"films": 1.0, "ratings": 1.0},
    ]
    assert found["top_films"] == [
        {"movie_id": "a", "title": "Alpha", "year": 1990, "ratings": 3, "mean": 4.6667},
        {"movie_id": "b", "title": "Beta", "year": None, "ratings": 2, "mean": 1.75},
    ]
    assert found["top_users"][0] == {"user_id": "1", "ratings": 2, "mean": 4.0}


def test_statistics_are_live_and_take_a_filter(tiny: Client) -> None:
    def totals(**params: str) -> dict[str, object]:
        found: dict[str, object] = tiny.get("/v1/statistics", params=params).json()["totals"]
        return found

    assert totals()["ratings"] == 5
    tiny.put("/v1/users/new/ratings/c", json={"rating": 2})
    assert (totals()["ratings"], totals()["users"]) == (6, 5)
    drama = totals(filter='genre = "Drama"')
    assert (drama["films"], drama["ratings"], drama["users"]) == (1, 3, 3)
    tiny.delete("/v1/users/2")
    assert totals(filter='genre = "Drama"')["ratings"] == 2
    tiny.patch("/v1/movies/b", json={"genres": ["Drama"]})
    assert totals(filter='genre = "Drama"')["ratings"] == 4
    tiny.delete("/v1/movies/b")
    assert totals(filter='genre = "Drama"')["ratings"] == 2
    assert totals()["ratings"] == 3
    assert totals(filter="ratings >= 2")["films"] == 1
    assert tiny.get("/v1/statistics?filter=ye%20>").status_code == 400
    assert tiny.get("/v1/statistics", params={"filter": "x" * 10_000}).status_code in (400, 422)


def test_data_without_times_have_no_years(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "timeless")
    rows: list[tuple[str, str, float, int | None]] = [(user, film, stars, None) for user, film, stars, _ in ROWS]
    train_dataset(settings, make_dataset(rows, FILMS), measure=False)
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        found = client.get("/v1/statistics").json()
        assert (found["years"], found["months"]) == ([], [])
        assert (found["totals"]["first"], found["totals"]["last"], found["totals"]["ratings"]) == (None, None, 5)


def test_the_report_counts_every_row(tmp_path: Path) -> None:
    folder, settings = write_folder(tmp_path / "small"), Settings(data_dir=tmp_path / "data", offline=True)
    rows = len((folder / "ratings.csv").read_text().splitlines()) - 1
    with (folder / "ratings.csv").open("a") as file:
        file.write("1,1,77,1000000000\n1,9999,4,1000000000\n1,9999,5,1000000000\n")
    train(settings, str(folder), measure=False)
    with Engine.open(settings) as engine, Client(create_app(settings, engine)) as client:
        found = client.get("/v1/report").json()
        assert (found["n_users"], found["n_items"], found["n_ratings"], found["scale"]) == (60, 40, rows, [0.5, 5.0])
        assert found["dataset"] == engine.dataset_name
        assert len(found["fingerprint"]) == 64
        assert str(tmp_path) not in str(found)
        tables = {table["name"]: table for table in found["tables"]}
        assert set(tables) >= {"movies", "ratings", "links", "tags"}
        assert {one["reason"]: one["count"] for one in tables["ratings"]["dropped"]} == {
            "rating off the scale": 1,
            "film not in the catalog": 2,
        }
        for table in found["tables"]:
            assert table["rows_in"] - table["rows_out"] == sum(one["count"] for one in table["dropped"])
        assert tables["ratings"]["rows_in"] == rows + 3
        assert {one["name"] for one in found["joins"]} >= {"tags"}
