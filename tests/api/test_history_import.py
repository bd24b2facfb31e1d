"""A person's history over HTTP: import, preview, export; ids of other sites, ids with slashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import history_files as files
from api_support import Client
from matinee.client import Client as HttpClient
from matinee.client import RefusedError, calls
from matinee.engine import Engine
from matinee.errors import InvalidInputError, UnknownMovieError, UnknownUserError, UnsureMovieError
from matinee.histories import WRITABLE, read_history
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from socket_support import on_a_socket
from support import make_dataset

SURE = {id_: stars for (_, _, imdb, _, stars) in files.TEN for id_, _, _, known, _ in files.CATALOG if known == imdb}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one snapshot of the films that the files name."""
    folder = tmp_path_factory.mktemp("histories") / "data"
    train_dataset(Settings(data_dir=folder), make_dataset(files.rows(), files.movies()))
    return folder


def ratings(client: Client, user: str) -> dict[str, float]:
    answer = client.get(f"/v1/users/{user}/ratings")
    return {one["movie_id"]: one["rating"] for one in answer.json().get("items", [])}


def states(client: Client, user: str, state: str) -> set[str]:
    answer = client.get(f"/v1/users/{user}/states", params={"state": state})
    return {one["movie_id"] for one in answer.json().get("states", [])}


def send(client: Client, user: str, name: str, data: str | bytes, **query: object) -> dict[str, Any]:
    content = data.encode() if isinstance(data, str) else data
    answer = client.post(f"/v1/users/{user}/import", params={"name": name, **query}, content=content)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_letterboxd_archive_is_shown_and_stored(client: Client) -> None:
    shown = send(client, "ann", "letterboxd.zip", files.LETTERBOXD_ZIP, preview="true")
    assert (shown["layout"], shown["scale"], shown["stored"]) == ("letterboxd", [0.5, 5], None)
    assert ratings(client, "ann") == {}
    answer = send(client, "ann", "letterboxd.zip", files.LETTERBOXD_ZIP)
    assert answer["stored"] == {"ratings": 10, "seen": 0, "watchlist": 1, "not_interested": 0}
    assert {film["movie_id"]: film["rating"] for film in answer["matched"] if film["rating"]} == SURE
    assert ratings(client, "ann") == SURE
    assert states(client, "ann", "watchlist") == {"1214"}
    assert answer["unsure"] == answer["unknown"] == []
    assert send(client, "ann", "letterboxd.zip", files.LETTERBOXD_ZIP)["stored"]["ratings"] == 10
    assert ratings(client, "ann") == SURE


def test_only_what_is_sure_is_stored(client: Client) -> None:
    send(client, "bob", "ratings.csv", files.RATINGS)
    answer = send(client, "bob", "more.csv", files.FRANCHISE)
    assert [film["movie_id"] for film in answer["matched"]] == ["260", "1196", "3996", "1"]
    assert [film["title"] for film in answer["unknown"]] == ["Toy Story 4", "Star 80"]
    assert ratings(client, "bob")["1"] == 4  # "Toy Story 4" has not overwritten it, nor has the older date
    table = "title,year,rating\nEmma,1996,4\nParasite,2019,5\n"
    unsure = send(client, "bob", "t.csv", table)
    assert [(film["title"], [one["movie_id"] for one in film["candidates"]]) for film in unsure["unsure"]] == [
        ("Emma", ["3100", "3101"]),
        ("Parasite", ["4144"]),
    ]
    assert unsure["stored"] == {"ratings": 0, "seen": 0, "watchlist": 0, "not_interested": 0}
    assert {"3100", "3101", "4144"}.isdisjoint(ratings(client, "bob"))


def test_imdb_is_halved_and_counts_episodes(client: Client) -> None:
    answer = send(client, "cleo", "ratings.csv", files.IMDB)
    assert answer["scale"] == [1, 10]
    assert ratings(client, "cleo") == SURE
    assert answer["skipped"] == {"episodes": 1}


def test_seen_without_stars(client: Client) -> None:
    answer = send(client, "dan", "NetflixViewingHistory.csv", files.NETFLIX)
    assert answer["stored"]["seen"] == 2
    assert states(client, "dan", "seen") == {"2571", "6"}
    assert answer["skipped"] == {"episodes": 1}
    send(client, "eve", "items.json", files.as_json(files.JELLYFIN))
    assert len(ratings(client, "eve")) == 10
    send(client, "fay", "simkl.json", files.as_json(files.SIMKL))
    assert states(client, "fay", "not_interested") == {"4144"}
    listed = client.get("/v1/users/dan/recommendations", params={"n": 20}).json()["items"]
    assert {"2571", "6"}.isdisjoint(item["movie_id"] for item in listed)


def test_later_ratings_here_stay(client: Client) -> None:
    client.put("/v1/users/gus/ratings/6", json={"rating": 1})
    answer = send(client, "gus", "ratings.csv", files.RATINGS)
    assert ratings(client, "gus")["6"] == 1
    assert any("rated here later" in note for note in answer["notes"])
    assert answer["stored"]["ratings"] == 9


def test_a_form_and_other_encodings(client: Client) -> None:
    form = {"file": ("ratings.csv", files.RATINGS.encode("utf-16"), "text/csv")}
    answer = client.post("/v1/users/hal/import", files=form)
    assert answer.json()["stored"]["ratings"] == 10, answer.text


@pytest.mark.parametrize(
    ("data", "query", "status"),
    [
        (b"", {}, 422),
        (b"foo,bar\n1,2\n", {}, 422),
        (b"title,rating\nHeat,0.2\n", {}, 422),
        (b"title,rating\nHeat,9\n", {"scale": "x"}, 422),
        (files.RATINGS.encode(), {"layout": "imdb"}, 422),
        (files.RATINGS.encode(), {"layout": "x" * 31}, 422),
        (b"0" * (9 << 20), {}, 413),
    ],
)
def test_refused_files_store_nothing(client: Client, data: bytes, query: dict[str, str], status: int) -> None:
    answer = client.post("/v1/users/ida/import", params=query, content=data)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert ratings(client, "ida") == {}


def test_an_unclear_scale_has_its_own_kind_of_problem(client: Client) -> None:
    answer = client.post("/v1/users/ida/import", content=b"title,rating\nHeat,0.2\n")
    assert answer.json()["type"] == "urn:matinee:problem:unknown-scale"


@pytest.mark.parametrize("layout", WRITABLE)
def test_round_trips(client: Client, layout: str) -> None:
    send(client, "jo", "letterboxd.zip", files.LETTERBOXD_ZIP)
    client.put("/v1/users/jo/states/seen/260")
    file = client.get("/v1/users/jo/export", params={"layout": layout})
    assert file.status_code == 200, file.text
    name = file.headers["content-disposition"].partition('"')[2].rstrip('"')
    answer = send(client, f"new-{layout}", name, file.content)
    assert answer["layout"] == layout
    assert ratings(client, f"new-{layout}") == pytest.approx(SURE)
    whole = layout in ("csv", "trakt")
    assert states(client, f"new-{layout}", "watchlist") == ({"1214"} if whole else set())
    assert states(client, f"new-{layout}", "seen") == (set() if layout == "imdb" else {"260"})
    assert int(file.headers["x-matinee-left-out"]) == {"imdb": 2, "letterboxd": 1}.get(layout, 0)


def test_exports_that_cannot_be(client: Client) -> None:
    assert client.get("/v1/users/nobody/export").status_code == 404
    client.put("/v1/users/kim/ratings/6", json={"rating": 1})
    assert client.get("/v1/users/kim/export", params={"layout": "netflix"}).status_code == 422


HEAT = ["tt0113277", "TT113277", "imdb:tt0113277", "tmdb:949", "https://www.imdb.com/title/tt0113277/?ref_=nv_sr_1"]


@pytest.mark.parametrize("given", [*HEAT, "https://www.themoviedb.org/movie/949-heat?language=de"])
def test_ids_of_other_sites_are_taken_everywhere(client: Client, given: str) -> None:
    from urllib.parse import quote

    path = quote(given, safe="")
    assert client.get(f"/v1/movies/{path}").json()["movie_id"] == "6"
    similar = client.get(f"/v1/movies/{path}/similar").json()
    assert similar == client.get("/v1/movies/6/similar").json()
    assert client.put(f"/v1/users/lea/ratings/{path}", json={"rating": 4}).status_code == 204
    assert ratings(client, "lea") == {"6": 4}
    assert client.get(f"/v1/users/lea/explanations/{path}").status_code == 200
    assert client.put(f"/v1/users/lea/states/watchlist/{path}").status_code == 200
    assert states(client, "lea", "watchlist") == {"6"}
    body = {"ratings": [{"movie_id": "1", "rating": 5}], "n": 18, "exclude": [given]}
    assert "6" not in [one["movie_id"] for one in client.post("/v1/recommendations", json=body).json()["items"]]
    assert client.patch(f"/v1/movies/{path}", json={"tags": ["heist"]}).json()["movie_id"] == "6"
    record = client.get("/v1/movies/6").json()
    replaced = client.put(
        f"/v1/movies/{path}", json={key: record[key] for key in ("title", "year", "imdb_id", "tmdb_id")}
    )
    assert (replaced.status_code, replaced.json()["movie_id"]) == (200, "6")
    assert client.delete(f"/v1/users/lea/ratings/{path}").status_code == 204
    assert client.get(f"/v1/movies/{path}/poster").status_code == 200


def test_imdb_id_and_tmdb_id_in_place_of_movie_id(client: Client) -> None:
    body = {"ratings": [{"imdb_id": "tt0133093", "rating": 5}, {"tmdb_id": "949", "rating": 4}], "n": 5}
    by_outside = client.post("/v1/recommendations", json=body)
    assert by_outside.status_code == 200
    body["ratings"] = [{"movie_id": "2571", "rating": 5}, {"movie_id": "6", "rating": 4}]
    assert by_outside.json() == client.post("/v1/recommendations", json=body).json()
    batch = [{"user_id": "mia", "imdb_id": "0133093", "rating": 5}, {"user_id": "mia", "tmdb_id": 949, "rating": 4}]
    assert client.post("/v1/ratings", json=batch).json()["stored"] == 2
    assert ratings(client, "mia") == {"2571": 5, "6": 4}
    assert client.post("/v1/ratings", json=[{"user_id": "mia", "rating": 5}]).status_code == 422
    marks = {"states": [{"tmdb_id": "348", "state": "seen"}]}
    assert client.post("/v1/users/mia/states", json=marks).status_code == 200
    assert states(client, "mia", "seen") == {"1214"}
    assert client.get("/v1/movies/tt9999999").status_code == 404
    assert client.post("/v1/recommendations", json={"ratings": [{"tmdb_id": "1"}]}).status_code == 404


def test_an_own_id_that_looks_the_same_wins(client: Client) -> None:
    assert client.put("/v1/movies/tt0113277x", json={"title": "Other"}).status_code == 201
    assert client.get("/v1/movies/tt0113277").json()["movie_id"] == "6"
    assert client.delete("/v1/movies/6").status_code == 204
    assert client.put("/v1/movies/tt0113277", json={"title": "Its own"}).status_code == 201
    assert client.get("/v1/movies/tt0113277").json()["title"] == "Its own"


@pytest.mark.parametrize("film", ["a/b", "film 1", "tt/1", "../x", "100%/2", "日/本"])
def test_ids_with_slashes_and_blanks_travel(engine: Engine, film: str) -> None:
    from matinee.api import create_app

    user = "org/team 1"
    with on_a_socket(create_app(engine.settings, engine)) as url, HttpClient(url) as http:
        put = calls.movie(film)
        added = http.send(calls.Call("PUT", put.path, json={"title": "Odd"}))
        assert added["movie_id"] == film
        assert http.send(calls.movie(film))["title"] == "Odd"
        http.send(calls.rate(user, film, 4.0))
        assert [one["movie_id"] for one in http.send(calls.history(user))["items"]] == [film]
        http.send(calls.set_state(user, "watchlist", film))
        assert http.send(calls.states(user))["total"] == 1
        assert http.send(calls.recommendations(user))["items"]
        assert http.send(calls.explanation(user, film))
        assert http.send(calls.poster(film))
        assert http.send(calls.similar(film, by="content")) is not None
        http.send(calls.unrate(user, film))
        answer = http.send(calls.import_history(user, files.RATINGS.encode(), name="ratings.csv"))
        assert answer["stored"]["ratings"] == 10
        assert http.send(calls.export_history(user)).startswith(b"movie_id,")
        with pytest.raises(RefusedError) as refused:
            http.send(calls.movie(film + "/none"))
        assert refused.value.status == 404


def test_python(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(files.RATINGS, encoding="utf-8")
    assert engine.import_history("ned", path).counts["matched"] == 10
    assert engine.import_history("ned", files.RATINGS.encode(), preview=True).stored is None
    file = engine.export_history("ned")
    assert len(read_history(file.name, file.data).entries) == 10
    with pytest.raises(InvalidInputError, match="cannot be read"):
        engine.import_history("ned", tmp_path / "none.csv")
    with pytest.raises(InvalidInputError):
        engine.import_history("\x00", path)
    with pytest.raises(UnknownUserError):
        engine.export_history("nobody")


def test_python_writes_do_not_guess(engine: Engine) -> None:
    engine.rate([("oda", "Heat (1995)", 5.0), ("oda", "tmdb:348", 4.0)], titles=True)
    assert {one.movie_id for one in engine.history("oda")} == {"6", "1214"}
    for name in ("Parasite (2019)", "Emma (1996)", "qwertyuiop", "Everything Everywhere All at Once (2022)", ""):
        with pytest.raises(UnsureMovieError):
            engine.rate([("pia", "6", 5.0), ("pia", name, 5.0)], titles=True)
        with pytest.raises(UnsureMovieError):
            engine.find_surely(name)
    with pytest.raises(UnknownMovieError):
        engine.rate([("pia", "Heat (1995)", 5.0)])
    with pytest.raises(UnknownUserError):
        engine.history("pia")
    with pytest.raises(UnsureMovieError, match=r"Near it: Parasite \(1982\) \(id 4144\)"):
        engine.find_surely("Parasite (2019)")
    assert engine.find_surely("Seven (1996)").movie_id == "47"
    assert engine.find("tmdb:949").movie_id == engine.find_surely(6).movie_id == "6"
