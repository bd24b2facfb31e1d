"""What newcomers meet: faults pointed at, ratings taken back, users erased, narrow terminals, odd folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinee.cli import console, demo, queries, servers
from matinee.snapshots import SnapshotRegistry


def rated(run: Any, user: str) -> dict[str, float]:
    done = run("history", user, "--json")
    return {entry["movie_id"]: entry["rating"] for entry in json.loads(done.out)["items"]} if done.code == 0 else {}


@pytest.mark.parametrize(
    ("command", "filter"),
    [
        (("recommend", "--user", "1"), 'genre = "Comedy" and §yeer > 1990'),
        (("similar", "Alien"), "year >= 1990 and §)"),
        (("search", "alien"), "year >§"),
        (("popular",), "§director = "),
    ],
)
def test_a_caret_points_at_the_fault_of_a_filter(home: Path, run: Any, command: Any, filter: str) -> None:
    text = filter.replace("§", "")
    done = run(*command, "--filter", text)
    assert done.code == 1
    lines = done.err.splitlines()
    place = lines.index(f"  {text}")
    if command[0] != "popular":
        assert lines[place + 1] == " " * (2 + filter.index("§")) + "^"
    assert lines[0].startswith("Error: ")


@pytest.mark.parametrize(
    ("text", "position", "shown", "caret"),
    [
        ("abc", 1, "abc", " ^"),
        ("a\n\tb", 3, "a  b", "   ^"),
        ("映画 x", 3, "映画 x", "     ^"),
        ("abc", 3, "abc", "   ^"),
        ("x" * 200, 100, f"…{'x' * 70}…", " " * 36 + "^"),
    ],
)
def test_the_piece_around_a_fault(text: str, position: int, shown: str, caret: str) -> None:
    assert console.marked_position(text, position) == (shown, caret)


def test_a_rating_is_taken_back(home: Path, run: Any) -> None:
    before = rated(run, "42")
    movie_id = next(iter(before))
    done = run("unrate", "42", f"id:{movie_id}")
    assert done.code == 0, done.err
    assert "no longer rates" in done.out
    assert rated(run, "42") == {key: stars for key, stars in before.items() if key != movie_id}
    again = run("unrate", "42", f"id:{movie_id}")
    assert (again.code, again.out) == (1, "")
    assert "matinee history 42" in again.err
    assert run("unrate", "nobody", "Toy Story").code == 1
    assert run("unrate", "42", "qqqqqqqqqqqq").code == 1


def test_a_user_is_erased_after_a_yes(home: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("rate", "42", "Toy Story", "4.5")
    asked = run("erase", "42")
    assert asked.code == 1
    assert "--yes" in asked.err
    assert rated(run, "42")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, **_: "42" in text and "ratings" in text and False)
    assert run("erase", "42").out == "Nothing was erased.\n"
    assert rated(run, "42")
    monkeypatch.setattr("typer.confirm", lambda *_, **__: True)
    done = run("erase", "42")
    assert done.code == 0, done.err
    assert done.out.startswith("Erased user 42: ")
    assert rated(run, "42") == {}
    assert json.loads(run("recommend", "--user", "42", "--json").out)["fallback"] == "popular"
    assert run("erase", "42", "--yes").code == 1
    run("rate", "newcomer", "Toy Story", "4.5")
    assert run("erase", "newcomer", "-y").code == 0
    assert rated(run, "newcomer") == {}


def test_an_impossible_user_is_no_cold_user(home: Path, run: Any) -> None:
    for user in ("", "a\nb", "u" * 1000):
        done = run("recommend", "--user", user)
        assert done.code == 1
        assert "cannot be a user id" in done.err


def test_a_wrong_year_still_finds_the_film(home: Path, run: Any) -> None:
    done = run("similar", "Toy Story (1996)")
    assert "Similar to Toy Story (1995)" in done.out
    assert done.err == "No film is called 'Toy Story (1996)': took Toy Story (1995).\n"


def test_json_holds_what_http_gives(home: Path, run: Any) -> None:
    for words in (("recommend", "--user", "42"), ("similar", "Alien")):
        answer = json.loads(run(*words, "--json").out)
        assert {"items", "model", "snapshot"} <= set(answer)
        assert not {"version", "volatile", "fallback"} & set(answer)


def test_reasons_have_room_in_a_narrow_terminal(home: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = run("recommend", "--user", "42", "--explain").out
    monkeypatch.setattr(queries, "is_narrow", lambda: True)
    narrow = run("recommend", "--user", "42", "--explain").out
    assert "Genres" in wide
    assert "Genres" not in narrow
    assert "Why" in narrow
    assert "Genres" in run("recommend", "--user", "42").out
    monkeypatch.setattr(console, "PIPE_WIDTH", 80)
    monkeypatch.setattr("matinee.cli.snapshots.is_narrow", lambda: True)
    listed = run("snapshots", "list").out
    assert str(SnapshotRegistry(home / "snapshots").current()) in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert "MATINEE_VERIFY_ON_LOAD " in run("settings").out
    assert "https://www.imdb.com/title/tt90000" in run("similar", "Toy Story", "-n", "3").out
    assert max(map(len, narrow.splitlines())) <= 120


def test_the_demo_trains_anew_where_a_snapshot_cannot_be_served(home: Path, run: Any) -> None:
    """As after an update of Matinee: every hash is right, but the models are of another make."""
    shelf = SnapshotRegistry(home / "snapshots")
    old = shelf.current()
    assert old is not None
    assert demo.opens(console.load_settings())
    manifest = shelf.show(old)
    models = {name: entry.model_copy(update={"kind": "gone"}) for name, entry in manifest.models.items()}
    changed = manifest.model_copy(update={"models": models}).sealed()
    (home / "snapshots" / old / "manifest.json").write_text(changed.model_dump_json(), encoding="utf-8")
    assert "kind" in run("snapshots", "promote", old).err, "what cannot be served is not promoted"
    assert servers.has_snapshot(console.load_settings())
    assert not demo.opens(console.load_settings())
    done = run("demo", "--no-serve")
    assert done.code == 0, done.err
    assert "Training on" in done.err
    assert "Ten films for user 42" in done.out
    assert shelf.current() != old


def test_columns_of_any_name_can_be_trained_on(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MATINEE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MATINEE_OFFLINE", "1")
    folder = tmp_path / "mine"
    folder.mkdir()
    generator = np.random.default_rng(0)
    rows = [f"u{u},w{i},{generator.integers(1, 6)}" for u in range(12) for i in range(15) if (u + i) % 3]
    (folder / "sales 2024.csv").write_text("\n".join(["kunde,werk,note", *rows]), encoding="utf-8")
    refused = run("train", "--data", str(folder), "--no-measure")
    assert refused.code == 1
    assert "kunde, werk, note" in refused.err
    maps = ("--map", "user=kunde", "--map", "movie=werk", "--map", "stars=note")
    done = run("train", "--data", str(folder), "--no-measure", *maps)
    assert done.code == 0, done.err
    assert len(rated(run, "u1")) == 10
    shown = run("demo", "--no-serve", "--data", str(folder))
    assert "Using the snapshot" in shown.err, "what was trained with a mapping is used again"
    assert "Genres" not in shown.out, "there are none"


def test_get_auto_says_what_had_to_do_instead(home: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.data.sources.locate_auto", lambda *_: ("ml-100k", home, ("Using ml-100k instead.",)))
    done = run("data", "get", "auto")
    assert (done.code, done.out, done.err) == (0, f"{home}\n", "Using ml-100k instead.\n")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_child_is_told_of_once(tmp_path: Path) -> None:
    """Ctrl-C that the child does not heed in time still ends with 130, and "Interrupted." is said once."""
    code = """
import os, signal, sys
from matinee.cli import main, processes
from matinee.cli import servers
def stubborn(words, **_):
    return popen([sys.executable, "-c", CHILD])
popen, processes.subprocess.Popen = processes.subprocess.Popen, stubborn
servers.check_port = lambda settings: None
sys.exit(main(["demo", "--port", "1", "--no-web"]))
"""
    heedless = (
        "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "os.kill(os.getppid(), signal.SIGINT); time.sleep(30)"
    )
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "os.kill(os.getppid(), signal.SIGINT); print('Interrupted.', file=sys.stderr); sys.exit(130)"
    )
    for child in (heedless, heeding):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("CHILD", repr(child))],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr.count("Interrupted.")) == (130, 1), done.stderr
