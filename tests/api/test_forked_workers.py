"""Workers that are forked: what they share, and who ends with whom. Real processes, real sockets."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from matinee.api.forked_workers import AVAILABLE
from matinee.settings import Settings
from matinee.snapshots import SnapshotRegistry
from matinee.training.pipeline import train_dataset
from server_support import Server, running
from support import random_dataset

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="Linux")

SPAWNED = "from matinee.api import forked_workers; forked_workers.AVAILABLE = False"
LIST = "/v1/users/u1/recommendations"


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def forking(server: Server) -> psutil.Process:
    """The process that workers are forked from."""
    own = psutil.Process(server.process.pid).children()
    (found,) = [child for child in own if "spawn_main" in str(child.cmdline())]
    return found


def workers(server: Server) -> set[int]:
    return {child.pid for child in forking(server).children()}


def private(pid: int) -> int:
    """Memory that no other process has, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def served(server: Server, times: int = 12) -> set[str]:
    """Snapshots of lists on a connection each, which the kernel deals out to the workers."""
    return {httpx.get(server.url + LIST, timeout=30).json()["snapshot"] for _ in range(times)}


def maps(pid: int, snapshot: str) -> bool:
    return snapshot in Path(f"/proc/{pid}/maps").read_text()


def gone(pids: set[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_a_forked_worker_has_little_memory_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log", workers=3) as server:
        ids = [httpx.get(server.url + LIST, timeout=30).headers["x-request-id"] for _ in range(24)]
        assert len({*ids}) == 24
        forked = statistics.median(private(pid) for pid in workers(server))
    with running(data_dir, tmp_path / "log", workers=3, first=SPAWNED) as server:
        served(server)
        own = psutil.Process(server.process.pid).children()
        pids = [child.pid for child in own if "spawn_main" in str(child.cmdline())]
        assert len(pids) == 3
        spawned = statistics.median(private(pid) for pid in pids)
    assert forked < 0.5 * spawned


def test_a_killed_worker_comes_back_and_all_end_with_the_server(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log", workers=2) as server:
        before, above = workers(server), forking(server)
        killed = before.pop()
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(workers(server)) == 2 and killed not in workers(server))
        assert before < workers(server)
        assert forking(server).pid == above.pid
        until(lambda: len(served(server)) == 1)
        pids = workers(server) | {above.pid}
        assert server.stop(signal.SIGTERM) == 0
        assert gone(pids)
        log = server.log.read_text()
        assert "ended" in log
        assert "Traceback" not in log
        assert log.count("Application startup complete") == 3


def test_a_promotion_is_followed_and_the_old_snapshot_let_go(data_dir: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=data_dir)
    old = str(SnapshotRegistry(settings.snapshots_dir).current())
    with running(data_dir, tmp_path / "log", workers=2) as server:
        first, above = workers(server), forking(server)
        assert maps(above.pid, old)
        new = train_dataset(settings, random_dataset(seed=1))
        until(lambda: served(server) == {new})
        until(lambda: not any(maps(pid, old) for pid in {above.pid, *workers(server)}))
        assert workers(server) == first
        killed = first.pop()
        os.kill(killed, signal.SIGKILL)  # the next one finds what it was not forked with
        until(lambda: len(workers(server)) == 2 and killed not in workers(server))
        until(lambda: served(server) == {new})
        assert not maps(above.pid, new)
        before = workers(server)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(workers(server)) == 2 and not before & workers(server))
        assert served(server) == {new}
        assert maps(above.pid, new)
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("above", [False, True], ids=["who started it", "who forks"])
def test_no_worker_outlives_a_killed_server(data_dir: Path, tmp_path: Path, above: bool) -> None:
    with running(data_dir, tmp_path / "log", workers=2) as server:
        pids = workers(server) | {forking(server).pid}
        if above:
            forking(server).kill()
            assert server.process.wait(40) == 1
            assert "was ended by signal 9" in server.log.read_text()
        else:
            server.kill()
        until(lambda: gone(pids))


def test_workers_wait_for_a_first_snapshot(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", tmp_path / "log", workers=2)
    try:
        until(lambda: "Application startup complete" in server.log.read_text())
        until(lambda: httpx.get(server.url + "/ready", timeout=30).status_code == 503)
        new = train_dataset(server.settings, random_dataset())
        server.wait()
        until(lambda: {httpx.get(server.url + LIST, timeout=30).status_code for _ in range(12)} == {200})
        assert served(server) == {new}
        assert server.stop() == 0
    finally:
        server.end()


STOPPED_EARLY = """
import os, signal
from multiprocessing.context import SpawnProcess
begin = SpawnProcess.start
def start(self):
    begin(self)
    for pid in (self.pid, os.getpid()):  # neither has had time for anything
        os.kill(pid, signal.SIGTERM)
SpawnProcess.start = start
"""


def test_a_stop_at_the_very_start_is_a_clean_one(data_dir: Path, tmp_path: Path) -> None:
    server = Server(data_dir, tmp_path / "log", workers=2, first=STOPPED_EARLY)
    try:
        assert server.process.wait(60) == 0
        log = server.log.read_text()
        assert "ended" in log
        assert "Started server process" not in log
    finally:
        server.end()


WITH_A_THREAD = """
import threading
from matinee.api import forked_workers
from matinee.api.serve import config_of
from matinee.settings import Settings
supervisor = forked_workers.ForkingSupervisor(config_of(Settings(), service="encoder"), [], "encoder")
print(forked_workers._processes.get_subprocess is forked_workers.get_subprocess)
supervisor._prepare()
print(forked_workers._processes.get_subprocess is forked_workers.get_subprocess)
threading.Thread(target=threading.Event().wait, daemon=True).start()
supervisor._prepare()
print(forked_workers._processes.get_subprocess is forked_workers.get_subprocess, flush=True)
"""


def test_workers_are_started_afresh_where_a_thread_is_left() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITH_A_THREAD],
        env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["True", "False", "True"]
    assert "started afresh" in done.stderr
