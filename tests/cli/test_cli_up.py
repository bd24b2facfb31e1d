"""`matinee up`: services start one after the other, end together, and none is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from apps_support import train_small
from service_support import free_port


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of services over the small folder with posters."""
    return train_small(tmp_path_factory.mktemp("up"))


class Up:
    """A running `matinee up`."""

    def __init__(self, process: subprocess.Popen[bytes], ports: dict[str, int], log: Path) -> None:
        self.process, self.ports, self.log = process, ports, log

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 90
        while not happened():
            assert time.monotonic() < end, self.told()
            time.sleep(0.05)

    def children(self) -> dict[str, psutil.Process]:
        """Processes of the services by a word of their command line."""
        found = psutil.Process(self.process.pid).children()
        names = ("vectors", "core", "web")
        return {name: child for child in found for name in names if name in child.cmdline()}


def settings_of(ports: dict[str, int]) -> dict[str, str]:
    variables = {"vectors": "MATINEE_VECTORS_PORT", "core": "MATINEE_PORT", "web": "MATINEE_WEB_PORT"}
    return {variables[name]: str(port) for name, port in ports.items()}


@contextmanager
def up(environment: dict[str, str], log: Path, *words: str) -> Iterator[Up]:
    ports = {name: free_port() for name in ("vectors", "core", "web")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "matinee", "up", *words],
            env=os.environ | environment | settings_of(ports),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield Up(process, ports, log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_three_services_start_in_order_find_each_other_and_stop(trained: dict[str, str], tmp_path: Path) -> None:
    with up(trained, tmp_path / "log") as started:
        started.wait_for(lambda: "web is ready." in started.told() or started.process.poll() is not None)
        ready = [started.told().find(f"{name} is ready.") for name in ("vectors", "core", "web")]
        assert ready == sorted(ready)
        assert min(ready) >= 0
        assert httpx.get(started.url("web") + "/health", trust_env=False).is_success
        poster = httpx.get(started.url("core") + "/v1/movies/3/poster", trust_env=False).content
        found = httpx.post(
            started.url("core") + "/v1/posters/search",
            content=poster,
            headers={"content-type": "image/jpeg"},
            trust_env=False,
            timeout=30,
        )
        assert found.json()["items"][0]["movie_id"] == "3"
        counted = httpx.get(started.url("vectors") + "/metrics", trust_env=False).text
        assert 'route="/search",status="200"' in counted  # the core has asked the vector service
        children = list(started.children().values())
        assert len(children) == 3
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(60) == 0
        assert started.told().rstrip().endswith("Stopped.")
        assert not any(child.is_running() for child in children)
        assert all(map(closed, started.ports.values()))


def test_a_service_that_dies_ends_the_others(trained: dict[str, str], tmp_path: Path) -> None:
    with up(trained, tmp_path / "log", "core", "vectors") as started:
        started.wait_for(lambda: "vectors is ready." in started.told())
        children = started.children()
        children["core"].kill()
        assert started.process.wait(60) == 1
        assert "core has ended (exit code -9): the others are stopped as well." in started.told()
        assert not children["vectors"].is_running()


@pytest.mark.extended
def test_one_that_is_not_ready_in_time_says_what_it_answers(trained: dict[str, str], tmp_path: Path) -> None:
    environment = trained | {"MATINEE_DATA_DIR": str(tmp_path / "empty")}
    with up(environment, tmp_path / "log", "core", "--patience", "10") as started:
        assert started.process.wait(90) == 1
        _, found, answer = started.told().partition("core was not ready within 10 seconds: all are stopped.")
        assert found
        assert "It answers" not in answer or "There is no snapshot" in answer  # a slow machine may not have got so far
        assert closed(started.ports["core"])


def test_data_that_were_learnt_from_are_not_learnt_from_again(trained: dict[str, str], tmp_path: Path) -> None:
    with up(trained, tmp_path / "log", "--data", trained["MATINEE_DATA"], "core") as started:
        started.wait_for(lambda: "core is ready." in started.told() or started.process.poll() is not None)
        assert started.process.poll() is None, started.told()
        assert "Using the snapshot" in started.told()
        started.process.send_signal(signal.SIGINT)
        assert started.process.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "ports", "told"),
    [
        (("core", "core"), {}, "named twice"),
        (("core", "web"), {"MATINEE_PORT": "7999", "MATINEE_WEB_PORT": "7999"}, "cannot both listen on port 7999"),
        (("core",), {"MATINEE_PORT": "0"}, "MATINEE_PORT is 0"),
    ],
)
def test_mistakes_are_a_sentence(
    words: tuple[str, ...], ports: dict[str, str], told: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ports.items():
        monkeypatch.setenv(name, value)
    result = run("up", *words)
    assert result.code == 1
    assert told in result.err


def test_a_port_in_use_is_said_before_anything_starts(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        monkeypatch.setenv("MATINEE_PORT", str(busy.getsockname()[1]))
        result = run("up", "core")
    assert result.code == 1
    assert "Cannot listen on" in result.err
    assert "MATINEE_PORT" in result.err
