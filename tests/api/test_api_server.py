"""The service as it runs: real processes, real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from matinee.api.serve import as_environment
from matinee.settings import Settings
from server_support import running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX")


def test_two_workers_read_each_others_writes(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log", workers=2) as server:
        url = f"{server.url}/v1/users/u1/recommendations?n=40"
        rated: set[str] = set()
        with httpx.Client() as writer:
            for _ in range(8):
                film = writer.get(url).json()["items"][0]["movie_id"]
                assert writer.put(f"{server.url}/v1/users/u1/ratings/{film}", json={"rating": 4}).status_code == 204
                rated.add(film)
                for _ in range(6):  # a connection each: the kernel deals them out to both workers
                    shown = {item["movie_id"] for item in httpx.get(url).json()["items"]}
                    assert not rated & shown
        pids = worker_pids(server.process.pid)
        assert len(pids) == 2
        # Whichever worker is asked, the numbers are those of all.
        total = count_of(httpx.get(server.url + "/metrics").text, "matinee_requests_total")
        assert total >= 64
        snapshot = httpx.get(url).json()["snapshot"]
        assert httpx.post(f"{server.url}/v1/snapshots/{snapshot}/promote").status_code == 200
        assert server.stop(signal.SIGINT) == 0
        assert "ended" in server.log.read_text()
        for pid in pids:
            assert not Path(f"/proc/{pid}").exists() or not Path("/proc/self").exists()


def worker_pids(parent: int) -> list[int]:
    """Processes that are workers of this one (Linux)."""
    import psutil

    found = [child for child in psutil.Process(parent).children(recursive=True) if "spawn_main" in str(child.cmdline())]
    above = {child.ppid() for child in found}
    return [child.pid for child in found if child.pid not in above]  # what forks them is none


def count_of(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{"))


TELLS_THREADS = """
import atexit, os
from threadpoolctl import threadpool_info
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.pop(name, None)  # which the tests set
atexit.register(lambda: print("threads of BLAS:", {pool["num_threads"] for pool in threadpool_info()}, flush=True))
"""


def test_one_worker_stops_gracefully_and_meets_rubbish(data_dir: Path, tmp_path: Path) -> None:
    with running(data_dir, tmp_path / "log", first=TELLS_THREADS) as server:
        good = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        assert server.exchange(good).startswith(b"HTTP/1.1 200")
        for rubbish in (
            b"\x00\xff\x16\x03\x01" * 50,
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST /v1/ratings HTTP/1.1\r\nhost: localhost\r\ncontent-length: nine\r\n\r\n123456789",
            b"POST /v1/ratings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" + b"\xde\xad\xbe\xef" * 20,
            b"A" * 100_000,
        ):
            received = server.exchange(rubbish)
            assert b"HTTP/1.1 5" not in received
        # A body that ends early: the client is gone, nothing is stored, the server goes on.
        server.exchange(
            b"POST /v1/ratings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 99\r\n\r\n["
        )
        with httpx.Client(base_url=server.url) as client:
            for _ in range(3):  # on one connection
                assert client.get("/v1/users/u1/recommendations").status_code == 200
            assert client.get("/v1/users/u1/recommendations").headers.get("server") is None
            big = client.post("/v1/ratings", content=b"x" * (9 << 20), headers={"content-type": "application/json"})
            assert big.status_code == 413
            assert client.get("/health").status_code == 200

        # A stop lets requests in progress finish: writers get an answer or no connection, never half an answer.
        answers: list[int] = []
        faults: list[str] = []

        def write(number: int) -> None:
            for film in range(200):
                try:
                    url = f"{server.url}/v1/users/w{number}/ratings/m{film % 40}"
                    answers.append(httpx.put(url, json={"rating": 4}, timeout=90).status_code)
                except (httpx.ConnectError, httpx.ReadError):
                    return
                except httpx.RemoteProtocolError as error:
                    if "without sending" not in str(error):
                        faults.append(repr(error))
                    return

        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for writer in writers:
            writer.start()
        while len(answers) < 20:
            assert server.process.poll() is None
            time.sleep(0.01)
        assert server.stop(signal.SIGTERM) == 0
        for writer in writers:
            writer.join(60)
        assert not faults
        assert set(answers) == {204}
        log = server.log.read_text()
        assert "ended" in log
        assert "threads of BLAS: {1}" in log
        assert "Traceback" not in log


def test_a_taken_port_is_an_error_of_the_start(data_dir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(data_dir=data_dir, port=taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", "from matinee.api import serve; serve()"],
            env=os.environ | as_environment(settings),
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode not in (0, -signal.SIGTERM)
    assert b"address already in use" in done.stderr.lower()
