"""The two benchmarks whose tables stand in the README, on small data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from small_folder import write_folder

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = "Before.\n<!-- zoo -->\nold\n<!-- /zoo -->\n<!-- peers -->\n<!-- /peers -->\nAfter.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("benchmark") / "small")


def run(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"PIP_NO_INDEX": "1"},
        timeout=300,
        check=False,
    )


@pytest.mark.extended
def test_the_zoo_goes_on_where_it_stopped_and_writes_its_table(folder: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "zoo.json", tmp_path / "page.md"
    page.write_text(PAGE)
    first = run("zoo.py", "--data", folder, "--models", "popular", "--out", out)
    assert first.returncode == 0, first.stderr
    before = json.loads(out.read_text())["small"]["popular"]
    assert 0 < before["metrics"]["ndcg@10"] <= 1
    assert before["bytes"] > 0

    again = run("zoo.py", "--data", folder, "--models", "popular", "svd", "--out", out, "--readme", page)
    assert again.returncode == 0, again.stderr
    stored = json.loads(out.read_text())["small"]
    assert stored["popular"] == before
    low, high = stored["svd"]["intervals"]["rmse"]
    assert low < stored["svd"]["metrics"]["rmse"] < high
    text = page.read_text()
    assert text.startswith("Before.\n<!-- zoo -->\n\n| model | nDCG@10 small | RMSE small |")
    assert "| `svd` |" in text
    assert "old" not in text
    assert text.endswith("<!-- /peers -->\nAfter.\n")


def test_a_model_that_takes_too_long_is_named(folder: Path, tmp_path: Path) -> None:
    done = run("zoo.py", "--data", folder, "--models", "popular", "--out", tmp_path / "zoo.json", "--limit", 0)
    assert done.returncode == 0, done.stderr
    assert "Not measured: popular on small (more than 0 s of CPU time)." in done.stdout


@pytest.mark.extended
def test_a_peer_that_cannot_be_installed_stops_nobody(folder: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "peers.json", tmp_path / "page.md"
    page.write_text(PAGE)
    words = ("--data", folder, "--peers", "surprise", "--environments", tmp_path / "environments", "--page", page)
    done = run("compare_peers.py", *words, "--models", "stars by least squares", "ease", "--out", out)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["absent"]["surprise"].startswith("it cannot be installed: ERROR")
    for task, metric in (("stars", "rmse"), ("lists", "ndcg@10")):
        (row,) = report["tasks"][task]["models"]
        low, high = row["intervals"][metric]
        assert 0 < low < row["metrics"][metric] < high
    assert "| stars by least squares | matinee " in page.read_text()
