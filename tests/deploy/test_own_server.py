"""Backup and restore as the page "On a server of your own" has them, run over a real core."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from apps_support import serving, train_small

PAGE = Path(__file__).parents[2] / "docs" / "own-server.md"


def commands(heading: str) -> str:
    """The first block of commands of a section."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def shell(code: str, data: str, backups: Path) -> None:
    """Run a block without root and services: what it does to files stays as it is printed."""
    lines = [line for line in code.splitlines() if "systemctl" not in line]
    text = "\n".join(lines)
    for old, new in {
        "sudo -u matinee ": "",
        "sudo ": "",
        "-o matinee ": "",
        "/opt/matinee/bin/matinee": f"{sys.executable} -m matinee",
        "/var/lib/matinee": data,
        "/var/backups": str(backups),
        "-DAY": "-$(date +%F)",
        "curl --fail http://127.0.0.1:8000/ready": "true",
    }.items():
        text = text.replace(old, new)
    done = subprocess.run(["sh", "-euc", text], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


@pytest.mark.extended
def test_a_restored_backup_has_the_ratings_of_its_day(tmp_path: Path) -> None:
    environment = train_small(tmp_path)
    data, backups = environment["MATINEE_DATA_DIR"], tmp_path / "backups"
    backups.mkdir()

    def rate(movie: str) -> None:
        answer = httpx.put(f"{core.url}/v1/users/u/ratings/{movie}", json={"rating": 5}, trust_env=False, timeout=90)
        assert answer.is_success

    def history() -> list[str]:
        items = httpx.get(f"{core.url}/v1/users/u/ratings", trust_env=False, timeout=90).json()["items"]
        return sorted(item["movie_id"] for item in items)

    with serving(["serve"], "/ready", tmp_path, environment) as core:
        rate("1")
        rate("3")
        shell(commands("Backup"), data, backups)  # while it runs
        rate("5")
        assert history() == ["1", "3", "5"]
        core.stop()
        shell(commands("Restore"), data, backups)
        core.start()
        assert history() == ["1", "3"]
        rate("7")  # it can be written to
        assert history() == ["1", "3", "7"]
