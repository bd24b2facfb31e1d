"""What machines do to services: clocks jump, processes stand still, disks are full, files are replaced."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fault_layer import FaultLayer
from fault_nursery import until
from fault_session import DATASET, Key, Site, Stage, Step, put_poster, rate, rate_many, settings_of
from matinee.snapshots import SnapshotRegistry
from poster_support import picture

DAY = 86_400
HOLDERS = {
    "transaction": """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("holds", flush=True)
sys.stdin.read()
""",
    "turn": """
import sys, time
from pathlib import Path
from matinee._util.file_lock import FileLock
lock = FileLock(Path(sys.argv[1] + ".turn"))
assert lock.acquire(time.monotonic() + 60)
print("holds", flush=True)
sys.stdin.read()
""",
}
"""What a process that writes holds: the file, or the turn among Matinee's processes."""


@contextmanager
def serving(stage: Stage, **settings: object) -> Iterator[Site]:
    site = Site(stage.nursery, stage.settings | settings)
    try:
        assert site.started()
        yield site
    finally:
        site.kill()


def fill(file: Path, leave: int) -> None:
    """Take the room of a disk but for some bytes."""
    with file.open("ab", buffering=0) as out:
        while (room := shutil.disk_usage(file).free) > leave:
            out.write(bytes(min(room - leave, 1 << 16)))


@pytest.fixture(autouse=True)
def fresh(stage: Stage) -> None:
    stage.fresh()


@pytest.mark.extended
def test_a_clock_that_jumps_changes_no_answer(stage: Stage, layer: FaultLayer) -> None:
    expected = stage.expectation()
    try:
        with serving(stage) as site:
            for number, jump in enumerate((0, -400 * DAY, 400 * DAY, -20 * 365 * DAY, 0)):
                layer.set_clock(jump)
                for step in (
                    rate("ann", "1", 1.0 + number),
                    rate_many(f"b{number}", {"2": 3.0, "3": 4.0}, "same" + "-" * number),
                ):
                    assert site.send(step).fine
                    expected.take(step, acknowledged=True)
                keys = list(expected.values)
                assert expected.faults(site.found(keys)) == []
                assert site.get("/v1/users/ann/recommendations").status == 200
                assert site.get("/metrics").status == 200
    finally:
        layer.set_clock(0)
    assert stage.check(expected) == []


@pytest.mark.parametrize("what", HOLDERS)
def test_a_writer_that_stands_still_blocks_writes_only(stage: Stage, what: str) -> None:
    store = stage.home / "data" / "stores" / f"{DATASET}.sqlite3"
    with serving(stage, busy_timeout=0.5) as site:
        command = [sys.executable, "-c", HOLDERS[what], str(store)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == "holds\n"
                holder.send_signal(signal.SIGSTOP)
                start = time.monotonic()
                refused = site.send(rate("ann", "1", 4.0))
                assert refused.status == 503
                assert refused.flaw("PUT") is None
                assert time.monotonic() - start < 90
                assert site.get("/v1/users/eve/ratings").status == 200
                assert site.get("/v1/users/1/recommendations").status == 200
            finally:
                holder.kill()
        assert site.send(rate("ann", "1", 4.0)).fine


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_stops_training_and_writes_until_there_is_room(stage: Stage, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    used = sum(path.stat().st_size + 4096 for path in stage.home.rglob("*"))
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={used + (1 << 20)}", "none", str(disk)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        shutil.copytree(stage.home, disk, dirs_exist_ok=True)
        filler = disk / "filler"
        fill(filler, leave=256 << 10)
        settings, answer = settings_of(disk, stage.source), tmp_path / "answer"
        expected = stage.expectation()
        with serving(stage, **settings) as site:
            assert stage.nursery.run("train", settings=settings, source=stage.source, answer=str(answer)) == 0
            assert "could not be written" in json.loads(answer.read_text())["error"]
            assert not list((disk / "data" / "snapshots").glob(".*"))
            fill(filler, leave=0)
            answers = [
                site.send(step) for step in (*[rate(f"u{n}", "1", 4.0) for n in range(30)], put_poster("1", picture()))
            ]
            refused = [answer for answer in answers if not answer.fine]
            assert refused
            assert {answer.status for answer in refused} == {503}
            assert [answer.flaw("PUT") for answer in refused if answer.flaw("PUT")] == []
            for number, one in enumerate(answers[:-1]):
                expected.take(rate(f"u{number}", "1", 4.0), acknowledged=one.fine)
            assert site.get("/v1/users/1/recommendations").status == 200
            filler.unlink()
            step = rate("later", "1", 4.0)
            assert site.send(step).fine
            expected.take(step, acknowledged=True)
        assert stage.check(expected, settings) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_during_an_import_is_said_and_the_import_goes_on_later(stage: Stage, layer: FaultLayer) -> None:
    rows = [(f"imp{user}", str(movie)) for user in range(125) for movie in range(1, 41)]  # three transactions
    lines = [json.dumps({"user_id": user, "movie_id": movie, "rating": 4.5}) for user, movie in rows]
    path, kind = "/v1/imports?key=full", {"Content-Type": "application/x-ndjson"}
    expected = stage.expectation()
    with serving(stage) as site:
        layer.start(stage.home)
        assert site.send(Step("POST", "/v1/imports?key=whole", {}, "\n".join(lines).encode(), kind)).fine
        layer.start(stage.home, layer.calls // 2, errno.ENOSPC, sticky=True)
        others = [line.replace("imp", "full") for line in lines]
        answer = site.send(Step("POST", path, {}, "\n".join(others).encode(), kind))
        assert answer.status == 503
        assert answer.flaw("POST") is None
        assert site.get("/v1/users/1/recommendations").status == 200
        assert json.loads(site.get("/ready").body)["writes"] is False
        told = json.loads(site.get("/v1/imports/full").body)
        assert 0 < told["rows"] < len(rows)
        keys: list[Key] = [("rating", user.replace("imp", "full"), movie) for user, movie in rows]
        found = site.found(keys)
        assert [key in found for key in keys] == [line < told["rows"] for line in range(len(keys))]
        layer.stop()
        until(lambda: json.loads(site.get("/ready").body)["writes"])
        rest = "\n".join(others[told["rows"] :]).encode()
        assert site.send(Step("POST", f"{path}&from={told['rows']}", {}, rest, kind)).fine
        expected.values |= {key: {4.5} for key in keys}
    assert stage.check(expected) == []


def test_two_trainings_at_once(stage: Stage, tmp_path: Path) -> None:
    answers = [tmp_path / "one", tmp_path / "other"]
    running = [
        stage.nursery.start("train", settings=stage.settings, source=stage.source, answer=str(answer))
        for answer in answers
    ]
    assert [stage.nursery.wait(pid) for pid in running] == [0, 0]
    ids = {json.loads(answer.read_text())["id"] for answer in answers}
    registry = SnapshotRegistry(stage.home / "data" / "snapshots")
    assert len(ids) == 2
    assert ids | {stage.older, stage.newer} == set(registry.ids())
    current = registry.current()
    assert current in ids
    expected = stage.expectation()
    expected.values["snapshot",] = {current}
    assert stage.check(expected) == []


def test_files_of_a_snapshot_replaced_under_a_running_service(stage: Stage) -> None:
    snapshot = stage.home / "data" / "snapshots" / stage.newer
    paths = ("/v1/users/1/recommendations?explain=true", "/v1/movies/1/similar?n=5")
    with serving(stage) as site:
        before = [site.get(path).body for path in paths]
        replaced = [*snapshot.rglob("*.npy"), *snapshot.rglob("*.bin")]
        for path in replaced:
            other = path.with_name("other")
            other.write_bytes(os.urandom(path.stat().st_size))
            other.replace(path)
        assert len(replaced) > 10
        assert [site.get(path).body for path in paths] == before
    with serving(stage) as site:
        ready = json.loads(site.get("/ready").body)
        assert ready["snapshot"] == stage.older
        assert len(ready["warnings"]) == 1
        assert all(site.get(path).status == 200 for path in paths)


def test_a_file_cut_short_under_a_running_service_is_noticed(stage: Stage) -> None:
    snapshot = stage.home / "data" / "snapshots" / stage.newer
    with serving(stage) as site:
        cut = max(snapshot.rglob("*.npy"), key=lambda path: path.stat().st_size)
        os.truncate(cut, cut.stat().st_size - 1)
        ready = until(lambda: (now := json.loads(site.get("/ready").body))["snapshot"] == stage.older and now)
        assert cut.name in ready["warnings"][0]
        assert len(ready["warnings"]) == 1
        assert site.get("/v1/users/1/recommendations?explain=true").status == 200
        assert site.alive()


def test_emptied_files_end_a_worker_and_the_next_one_serves_the_snapshot_before(stage: Stage) -> None:
    """A read of a map beyond the end of its file ends the process (SIGBUS)."""
    snapshot = stage.home / "data" / "snapshots" / stage.newer
    paths = [f"/v1/users/{user}/recommendations?explain=true&n=7" for user in range(1, 9)]
    with serving(stage, workers=2) as site:
        assert json.loads(site.get("/ready").body)["snapshot"] == stage.newer
        for path in snapshot.rglob("*.npy"):
            os.truncate(path, 0)
        answers = [site.get(path).status for path in paths]
        assert set(answers) <= {0, 200}
        until(lambda: json.loads(site.get("/ready").body or b"{}").get("snapshot") == stage.older)
        until(lambda: [site.get(path).status for path in paths] == [200] * len(paths))
        assert site.alive()
