"""The audit log: whole lines, private files, a bounded number of them, ids hashed where that is set."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from matinee.access.audit import MAX_FILES, AuditLog
from matinee.settings import Settings


def lines(folder: Path, name: str = "audit.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_a_line_says_when_what_and_whose(tmp_path: Path) -> None:
    AuditLog(Settings(data_dir=tmp_path)).write("erased", user_id="anna \ud800\n", key="k", address=None, status=204)
    (line,) = lines(tmp_path)
    assert line.pop("time").endswith("Z")
    assert line == {"act": "erased", "user": "anna \ud800\n", "key": "k", "status": 204}
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_ids_are_hashed_with_a_secret_of_the_folder(tmp_path: Path) -> None:
    def told(folder: Path, user: str) -> str:
        AuditLog(Settings(data_dir=folder, hash_ids_in_logs=True)).write("erased", user_id=user)
        text = str(lines(folder)[-1]["user"])
        assert user not in text
        return text

    first = told(tmp_path / "a", "anna")
    assert told(tmp_path / "a", "anna") == first
    assert told(tmp_path / "a", "bert") != first
    assert told(tmp_path / "b", "anna") != first
    assert (tmp_path / "a" / "log-ids.key").stat().st_mode & 0o777 == 0o600


def test_files_are_bounded_and_nothing_is_torn(tmp_path: Path) -> None:
    log = AuditLog(Settings(data_dir=tmp_path), max_bytes=2000)

    def write(number: int) -> None:
        for i in range(40):
            log.write("act", number=number, i=i)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = sorted(path.name for path in tmp_path.glob("audit*"))
    assert len(files) <= MAX_FILES
    assert all((tmp_path / name).stat().st_size < 2200 for name in files)
    kept = [line for name in files for line in lines(tmp_path, name)]
    assert len({(line["number"], line["i"]) for line in kept}) == len(kept) > 80
    log.write("last")
    assert lines(tmp_path)[-1]["act"] == "last"


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    AuditLog(Settings(data_dir=tmp_path, audit=False)).write("erased")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    AuditLog(Settings(data_dir=tmp_path / "file")).write("erased")
    assert "cannot be written" in caplog.text
