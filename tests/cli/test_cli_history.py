"""Commands about one person's history, and writes that do not guess."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import history_files as files
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import make_dataset

SURE = {id_: stars for (_, _, imdb, _, stars) in files.TEN for id_, _, _, known, _ in files.CATALOG if known == imdb}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one snapshot of the films that the files name."""
    home = tmp_path_factory.mktemp("histories")
    before = os.environ.get("MATINEE_DATA_DIR")
    train_dataset(Settings(data_dir=home), make_dataset(files.rows(), files.movies()))
    assert os.environ.get("MATINEE_DATA_DIR") == before
    return home


def rated(run: Any, user: str) -> dict[str, float]:
    done = run("history", user, "--json")
    return {entry["movie_id"]: entry["rating"] for entry in json.loads(done.out)["items"]} if done.code == 0 else {}


@pytest.fixture
def letterboxd(tmp_path: Path) -> Path:
    path = tmp_path / "letterboxd-someone.zip"
    path.write_bytes(files.LETTERBOXD_ZIP)
    return path


@pytest.mark.parametrize("command", ["history", "ratings"])
def test_a_letterboxd_archive(home: Path, run: Any, letterboxd: Path, command: str) -> None:
    shown = run("import", command, str(letterboxd), "--user", "ann", "--preview")
    assert shown.code == 0, shown.err
    assert "Would store for ann: 10 ratings, 1 on the watchlist." in shown.out
    assert rated(run, "ann") == {}
    done = run("import", command, str(letterboxd), "--user", "ann")
    assert "Stored for ann: 10 ratings, 1 on the watchlist. Matched 11 films, unsure 0, unknown 0." in done.out
    assert "Read as letterboxd, stars from 0.5 to 5." in done.err
    assert rated(run, "ann") == SURE


def test_films_that_are_not_sure_are_listed(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(files.FRANCHISE + "2024-01-07,Emma,1996,https://boxd.it/q7,3\n", encoding="utf-8")
    done = run("import", "ratings", str(path), "--user", "bob")
    assert done.code == 0, done.err
    assert "Matched 4 films, unsure 1, unknown 2." in done.out
    assert "Toy Story 4 (2019)" in done.out
    assert rated(run, "bob") == {"260": 4.0, "1196": 4.5, "3996": 3.5, "1": 5.0}
    whole = json.loads(run("import", "history", str(path), "--user", "bob", "--json", "--preview").out)
    assert whole["counts"]["unknown"] == 2


def test_an_export_without_a_user_says_what_to_do(home: Path, run: Any, letterboxd: Path, tmp_path: Path) -> None:
    done = run("import", "ratings", str(letterboxd))
    assert done.code == 1
    assert "--user NAME" in done.err
    path = tmp_path / "ratings.csv"
    path.write_text(files.IMDB, encoding="utf-8")
    assert "--user NAME" in run("import", "ratings", str(path)).err
    assert run("import", "ratings", str(path), "--preview").code == 1
    assert run("import", "history", str(tmp_path / "none.csv"), "--user", "x").code == 1


TEN = "user_id,movie_id,rating\nten,2571,9\nten,6,10\nten,1,8\nten,4973,7\nten,47,9\nten,5618,10\n"
TEN += "ten,1201,8\nten,60069,6\nten,293,9\nten,6016,4\n"


@pytest.mark.parametrize("options", [(), ("--scale", "1-10"), ("--user", "ten")])
def test_a_table_on_another_scale_is_converted_as_a_whole(
    home: Path, run: Any, tmp_path: Path, options: tuple[str, ...]
) -> None:
    path = tmp_path / "ten.csv"
    path.write_text(TEN, encoding="utf-8")
    done = run("import", "ratings", str(path), *options)
    assert done.code == 0, done.err
    assert rated(run, "ten") == SURE
    if "--user" not in options:
        assert "converted from the scale 1-10" in done.out


def test_a_table_whose_scale_is_unclear_is_refused_as_a_whole(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    ids = [id_ for id_, *_ in files.CATALOG]
    stars = [1, 2, 3, 4, 5, 3, 2, 9, 10, 8]
    path.write_text(
        "user_id,movie_id,rating\n" + "".join(f"mix,{id_},{one}\n" for id_, one in zip(ids, stars, strict=False)),
        encoding="utf-8",
    )
    done = run("import", "ratings", str(path))
    assert done.code == 1
    assert "nothing was stored" in done.err
    assert rated(run, "mix") == {}
    assert run("import", "ratings", str(path), "--scale", "1-10").code == 0
    assert len(rated(run, "mix")) == 10


@pytest.mark.parametrize(
    "film",
    [
        "Parasite (2019)",
        "Everything Everywhere All at Once (2022)",
        "qwertyuiop",
        "fxkbjrlh",
        "Emma (1996)",
        "tt9999999",
    ],
)
def test_a_write_never_guesses(home: Path, run: Any, film: str) -> None:
    for done in (run("rate", "u", film, "5"), run("unrate", "u", film)):
        assert (done.code, done.out) == (1, "")
        assert "nothing was stored" in done.err
    assert rated(run, "u") == {}


@pytest.mark.parametrize("film", ["Heat (1995)", "heat (1996)", "tt0113277", "tmdb:949", "imdb:113277", "id:6", "6"])
def test_sure_writes(home: Path, run: Any, film: str) -> None:
    done = run("rate", "v", film, "5")
    assert done.code == 0, done.err
    assert rated(run, "v") == {"6": 5.0}
    assert run("unrate", "v", film).code == 0


def test_near_films_are_named(home: Path, run: Any) -> None:
    assert "Parasite (1982) (id 4144)" in run("rate", "u", "Parasite (2019)", "5").err


@pytest.mark.parametrize("layout", ["csv", "letterboxd", "imdb", "trakt"])
def test_the_way_back(home: Path, run: Any, tmp_path: Path, letterboxd: Path, layout: str) -> None:
    run("import", "history", str(letterboxd), "--user", "ann")
    target = tmp_path / "films.out"
    assert run("export", "history", str(target), "--user", "ann", "--layout", layout).code == 0
    assert run("export", "history", str(target), "--user", "ann").code == 1
    assert run("import", "history", str(target), "--user", "twin").code == 0
    assert rated(run, "twin") == pytest.approx(SURE)
    assert run("export", "history", str(tmp_path / "no" / "x"), "--user", "ann").code == 1
    assert run("export", "history", str(tmp_path / "y"), "--user", "nobody").code == 1
