"""Spark for tests: a session in this process, and a standalone cluster of real processes (`make spark`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from matinee.errors import MatineeError
from service_support import free_port

SOURCES = Path(__file__).parents[1]
SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
WAIT = 120.0


def need_spark() -> None:
    """Skip the test where pyspark or a Java for it is missing."""
    if find_spec("pyspark") is None:
        pytest.skip("there is no pyspark: make spark runs these tests in an environment that has it")
    from matinee.spark.session import check_java

    try:
        check_java()
    except MatineeError as error:
        pytest.skip(str(error))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable


@dataclass
class Cluster:
    """A standalone master and its workers, on loopback."""

    url: str
    pages: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def alive(self) -> int:
        """Workers that the master knows."""
        with suppress(httpx.HTTPError, ValueError):
            return int(httpx.get(f"{self.pages}/json/", timeout=10).json()["aliveworkers"])
        return 0

    def executors(self) -> list[int]:
        """Process ids of the executors that have run tasks: children of workers, with a Python of their own."""
        found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        parents = {int(pid): int(parent) for pid, parent in (line.split() for line in found.splitlines())}
        workers, busy = {process.pid for process in self.processes[1:]}, set(parents.values())
        return [pid for pid, parent in parents.items() if parent in workers and pid in busy]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers of one core each; ended behind by their process ids."""
    import pyspark

    home = Path(pyspark.__file__).parent
    port, page = free_port(), free_port()
    environment = os.environ | {
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(SOURCES / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    started = Cluster(f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{page}")
    own = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
    words = [["org.apache.spark.deploy.master.Master", *own]]
    for number in range(workers):
        place = folder / f"worker-{number}"
        options = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", str(free_port())]
        words.append(["org.apache.spark.deploy.worker.Worker", *options, "--work-dir", str(place), started.url])
    try:
        for number, command in enumerate(words):
            with (folder / f"{number}.log").open("wb") as log:
                started.processes.append(
                    subprocess.Popen(
                        [str(home / "bin" / "spark-class"), *command],
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        until = time.monotonic() + WAIT
        while started.alive() < workers:
            assert time.monotonic() < until, (folder / "0.log").read_text()[-2000:]
            assert all(process.poll() is None for process in started.processes)
            time.sleep(0.2)
        yield started
    finally:
        for process in reversed(started.processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in started.processes:
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(90)
