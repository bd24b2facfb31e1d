"""Commands about posters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matinee.api.serve import as_environment
from matinee.engine import Engine
from matinee.errors import EncoderError
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from poster_support import V3_KEY, FakeTmdb, picture, playing_tmdb
from tiny_models import image_model
from tiny_models import picture as noise


@pytest.fixture
def shelf(home: Path) -> PosterStore:
    with Engine.open(Settings()) as engine:
        return PosterStore.of(engine.settings, engine.dataset_name)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """1.jpg … 3.jpg by film id, one by IMDb id, a stranger, and a file that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "3.JPG", "tt9000004.jpg", "77777.jpg"):
        (folder / name).write_bytes(picture(color=(10 * len(name), 3 * ord(name[0]), 7)))
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def tmdb(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTmdb]:
    """TMDB with posters of three of the small folder's forty films."""
    monkeypatch.delenv("MATINEE_OFFLINE")
    monkeypatch.setenv("MATINEE_TMDB_KEY", V3_KEY)
    with playing_tmdb() as server:
        for i in (900001, 900002, 900003):
            server.add(str(i), picture())
        server.add("900004", None)
        yield server


def test_a_folder_is_added(home: Path, run: Any, pictures: Path, shelf: PosterStore) -> None:
    done = run("posters", "add", str(pictures), "--no-index")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "4 posters added, 0 replaced, 0 unchanged, from 6 files."
    assert "77777.jpg" in done.out
    assert "notes.txt" in done.out
    assert "Numbers were read as film ids" in done.err
    assert shelf.ids() == {"1", "2", "3", "4"}
    again = json.loads(run("posters", "add", str(pictures), "--no-index", "--json").out)
    assert (again["unchanged"], again["added"], again["unknown"], again["not_pictures"]) == (4, 0, 1, 1)
    assert (again["numbers"], again["snapshot"]) == ("movie", None)
    other = run("posters", "add", str(pictures), "--no-index", "--by", "tmdb")
    assert other.out.splitlines()[-1] == "0 posters added, 0 replaced, 0 unchanged, from 6 files."
    assert "were read as" not in other.err


@pytest.mark.parametrize(
    "words", [("add", "/nonexistent/folder"), ("add", ".", "--by", "title"), ("add",), ("nonsense",)]
)
def test_what_cannot_be_added(home: Path, run: Any, words: tuple[str, ...]) -> None:
    done = run("posters", *words, "--no-index")
    assert done.code in (1, 2)
    assert "Error" in done.err
    assert "Traceback" not in done.err


def test_status(home: Path, run: Any, pictures: Path, shelf: PosterStore) -> None:
    before = json.loads(run("posters", "status", "--json").out)
    assert (before["films"], before["with_poster"], before["cards"], before["ratings_covered"]) == (40, 0, 40, 0.0)
    run("posters", "add", str(pictures), "--no-index")
    shelf.put("stranger", picture())
    with Engine.open(Settings()) as engine:
        engine.patch_movie("5", {"poster": "https://example.org/5.jpg"})
        page = engine.movies(limit=40)
    ratings = {movie.movie_id: stats[0] for movie, stats in zip(page.movies, page.stats, strict=True)}
    found = json.loads(run("posters", "status", "--json").out)
    assert (found["with_poster"], found["linked"], found["cards"], found["without_film"]) == (4, 1, 35, 1)
    covered = sum(ratings[i] for i in "1234") / sum(ratings.values())
    assert found["ratings_covered"] == pytest.approx(covered, abs=1e-4)
    assert (found["indexed"], found["encoder"]) == (0, None)
    shown = run("posters", "status")
    assert "4 (10.0%)" in shown.out
    assert "No poster is searched yet" in shown.err


def test_posters_are_fetched(run: Any, tmdb: FakeTmdb, shelf: PosterStore) -> None:
    done = run("posters", "fetch", "--no-index", "--tmdb-url", tmdb.url)
    assert done.code == 0, done.err
    assert "3 posters fetched; 3 of 40 films have one." in done.out
    assert "not endorsed" in done.err
    assert shelf.ids() == {"1", "2", "3"}
    assert V3_KEY not in done.out + done.err
    report = json.loads(run("posters", "fetch", "--no-index", "--json", "--tmdb-url", tmdb.url).out)
    assert (report["had"], report["fetched"], report["known_none"]) == (3, 0, 37)


def test_films_with_most_ratings_come_first(run: Any, tmdb: FakeTmdb) -> None:
    with Engine.open(Settings()) as engine:
        wanted = [movie.tmdb_id for movie in engine.movies(sort="ratings", limit=2).movies]
    report = json.loads(run("posters", "fetch", "-n", "2", "--no-index", "--json", "--tmdb-url", tmdb.url).out)
    assert (report["left"], report["stopped"]) == (38, "limit")
    assert sorted(tmdb.paths()) == sorted(f"/3/movie/{i}" for i in wanted)


def test_without_a_key_or_network(home: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("posters", "fetch", "--tmdb-key", V3_KEY)
    assert (done.code, "offline" in done.err) == (1, True)
    assert V3_KEY not in done.err
    monkeypatch.delenv("MATINEE_OFFLINE")
    done = run("posters", "fetch")
    assert done.code == 1
    assert "There is no TMDB key" in done.err
    assert "themoviedb.org" in done.err


def test_a_wrong_key(run: Any, tmdb: FakeTmdb) -> None:
    wrong = "f" * 32
    done = run("posters", "fetch", "--tmdb-key", wrong, "--tmdb-url", tmdb.url)
    assert done.code == 1
    assert "does not accept the key" in done.err
    assert wrong not in done.out + done.err


def test_ctrl_c_keeps_what_was_fetched(tmdb: FakeTmdb, shelf: PosterStore) -> None:
    for i in range(900_001, 900_041):
        tmdb.add(str(i), picture())
        if i > 900_010:
            tmdb.plan[f"/3/movie/{i}"] = [500] * 3
    command = [sys.executable, "-m", "matinee", "posters", "fetch", "--no-index", "--tmdb-url", tmdb.url]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not shelf.ids() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 130, err.decode()
    assert b"posters were fetched and stay" in err
    assert b"Traceback" not in err
    assert shelf.ids()


def test_posters_stay_where_they_cannot_be_indexed(
    home: Path, run: Any, pictures: Path, shelf: PosterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINEE_IMAGE_ENCODER", str(home / "absent.onnx"))
    done = run("posters", "add", str(pictures))
    assert done.code == 1
    assert "4 posters added" in done.out
    assert "Error: " in done.err
    found = run("posters", "add", str(pictures), "--json")
    assert found.code == 1
    assert json.loads(found.out)["not_indexed"]
    assert len(shelf.ids()) == 4
    monkeypatch.setenv("MATINEE_IMAGE_ENCODER", "off")
    assert run("posters", "add", str(pictures)).code == 0


@pytest.mark.network
def test_added_posters_are_searched(home: Path, run: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MATINEE_CACHE_DIR", "MATINEE_OFFLINE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("MATINEE_IMAGE_ENCODER", "lite0")
    monkeypatch.setenv("MATINEE_TEXT_ENCODER", "off")
    from matinee import remote

    try:
        remote.open_image_encoder(Settings())
    except EncoderError as error:
        pytest.skip(f"no encoder: {error}")
    done = run("posters", "add", str(pictures), "--json")
    assert done.code == 0, done.err
    found = json.loads(run("posters", "status", "--json").out)
    assert found["snapshot"] == json.loads(done.out)["snapshot"]
    assert 0 < found["indexed"] <= 4
    assert found["encoder"]


def test_settings_do_not_print_the_key(home: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_TMDB_KEY", V3_KEY)
    for words in (("settings",), ("settings", "--json")):
        done = run(*words)
        assert done.code == 0
        assert V3_KEY not in done.out + done.err
        assert "********" in done.out
    monkeypatch.delenv("MATINEE_TMDB_KEY")
    assert "********" not in run("settings").out
    # Worker processes must get it all the same.
    assert as_environment(Settings(tmdb_key=V3_KEY))["MATINEE_TMDB_KEY"] == V3_KEY


def test_films_are_found_by_a_picture(home: Path, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_IMAGE_ENCODER", str(image_model(tmp_path / "fields.onnx")))
    monkeypatch.setenv("MATINEE_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "posters"
    folder.mkdir()
    for number in range(1, 7):
        (folder / f"{number}.jpg").write_bytes(noise(number))
    assert run("posters", "add", str(folder)).code == 0
    found = run("posters", "search", str(folder / "4.jpg"), "-n", "3", "--json")
    assert found.code == 0, found.err
    hits = json.loads(found.out)["items"]
    assert [hits[0]["item"]["movie_id"], len(hits)] == ["4", 3]
    assert hits[0]["similarity"] == pytest.approx(1, abs=1e-3)
    table = run("posters", "search", str(folder / "4.jpg"))
    assert "Alien (1979)" in table.out
    (tmp_path / "page.svg").write_text("<svg/>")
    refused = run("posters", "search", str(tmp_path / "page.svg"))
    assert refused.code == 1
    assert "Traceback" not in refused.err
