"""The two applications by their commands, and the demo with the web app: real processes, ports and signals."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from matinee.cli import apps, demo
from matinee.cli.addresses import reached_at, url_of
from service_support import free_port
from terminal_support import until_ctrl_c

PROGRAM = [sys.executable, "-m", "matinee"]
SECONDS = 60.0
posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


def until(what: Callable[[], object], process: subprocess.Popen[Any] | None = None) -> None:
    """A bounded wait for a condition."""
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, "the process has ended"
        time.sleep(0.05)


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=60, trust_env=False).is_success
    return False


class Started:
    """A command as a process; what it tells is in a file."""

    def __init__(self, log: Path, *words: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )

    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, sig: int = signal.SIGINT) -> int:
        self.process.send_signal(sig)
        return self.process.wait(SECONDS)


@contextlib.contextmanager
def started(log: Path, *words: str) -> Iterator[Started]:
    command = Started(log, *words)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


@contextlib.contextmanager
def whole_demo(log: Path, *words: str) -> Iterator[tuple[Started, str, str]]:
    """The demo once it says that the web app can be opened, with the addresses of the core and of the web app."""
    port, web_port = free_port(), free_port()
    with started(log, "demo", "--port", str(port), "--web-port", str(web_port), *words) as command:
        until(lambda: f"Open http://localhost:{web_port}" in command.told(), command.process)
        yield command, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{web_port}"


def ends(url: str) -> bool:
    """Whether nobody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 5):
        return False
    return True


@pytest.mark.extended
@posix
def test_a_web_app_that_dies_is_told_and_the_core_goes_on(home: Path, tmp_path: Path) -> None:
    with whole_demo(tmp_path / "log") as (command, core, _):
        assert f"Serving http://localhost:{core.rsplit(':', 1)[1]}" in command.told()
        assert "/docs" in command.told()
        [app] = [each for each in psutil.Process(command.process.pid).children() if "web" in each.cmdline()]
        app.kill()
        until(lambda: "The web app has ended (exit code -9)" in command.told(), command.process)
        assert answers(core + "/ready")
        assert command.stop(signal.SIGTERM) == 0
    assert command.told().count("has ended") == 1


@posix
def test_nothing_is_left_behind_by_a_demo_that_is_killed(home: Path, tmp_path: Path) -> None:
    with whole_demo(tmp_path / "log") as (command, core, web):
        command.process.kill()
        command.process.wait()
        until(lambda: ends(web))
        assert ends(core)


@posix
def test_the_demo_serves_core_and_web_app_in_a_browser_until_one_ctrl_c(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, script = tmp_path / "seen", tmp_path / "browser"
    script.write_text(f"#!/bin/sh\necho \"$1\" >'{seen}'\n", encoding="utf-8")
    script.chmod(0o755)
    for name in ("CI", "SSH_CONNECTION", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", f"{script} %s")
    port, web_port = free_port(), free_port()
    core, web = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{web_port}"

    def opened(_: bytes) -> bool:
        if not (seen.exists() and seen.read_text(encoding="utf-8").strip()):
            return False
        assert answers(core + "/ready")
        page = httpx.get(web, timeout=90, trust_env=False)
        assert page.status_code == 200
        assert "Matinee" in page.text
        poster = httpx.get(web + "/media/posters/1", timeout=90, trust_env=False)
        assert poster.headers["content-type"].startswith("image/"), "it asks the demo's own core"
        return True

    code, told = until_ctrl_c([*PROGRAM, "demo", "--port", str(port), "--web-port", str(web_port)], opened)
    assert code == 0, told
    assert seen.read_text(encoding="utf-8").strip() == f"http://localhost:{web_port}"
    assert told.count("Stopped.") == 1
    assert "has ended" not in told
    assert "Traceback" not in told
    assert ends(core)
    assert ends(web)


@pytest.mark.parametrize("missing", ["DISPLAY", "terminal", "CI", "SSH_CONNECTION", None])
def test_where_a_browser_is_opened(missing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("CI", "SSH_CONNECTION", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: missing != "terminal")
    if missing == "DISPLAY":
        monkeypatch.delenv("DISPLAY")
    elif missing in ("CI", "SSH_CONNECTION"):
        monkeypatch.setenv(missing, "1")
    assert demo.has_screen() == (missing is None)


def test_a_taken_port_of_the_web_app_is_told_before_training(folder: Path, run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for words, flag in (
            (("demo", "--data", str(folder), "--port", "0", "--web-port", port), "--web-port 9001"),
            (("web", "--port", port), "--port 9000, MATINEE_WEB_PORT=9000"),
            (("studio", "--port", port), "--port 9000, MATINEE_STUDIO_PORT=9000"),
        ):
            done = run(*words)
            assert done.code == 1
            assert f"Cannot listen on 127.0.0.1:{port}" in done.err
            assert flag in done.err
            assert "Training" not in done.err
    port = str(free_port())
    done = run("demo", "--data", str(folder), "--port", port, "--web-port", port)
    assert done.code == 1
    assert f"cannot both listen on port {port}" in done.err
    done = run("demo", "--data", str(folder), "--port", "0", "--host", "no.such.host.invalid", "--insecure")
    assert done.code == 1
    assert "Cannot listen on no.such.host.invalid" in done.err


@pytest.mark.parametrize(("app", "package"), [("web", "gradio"), ("studio", "streamlit")])
def test_an_app_that_is_not_installed_says_how_to_get_it(
    app: str, package: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = run(app, "--port", "0")
    assert (done.code, done.out) == (1, "")
    assert "is not installed" in done.err
    assert f'pip install "matinee[{app}]"' in done.err


@pytest.mark.extended
@posix
def test_the_demo_without_the_web_extra_serves_the_core_alone(home: Path) -> None:
    port = free_port()
    code = "import sys; sys.modules['gradio'] = None; from matinee.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "demo", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/ready"), process)
        url = f"http://127.0.0.1:{port}/v1/users/42/recommendations"
        answer = httpx.get(url, params={"n": 3}, timeout=90, trust_env=False)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, told
    assert len(answer.json()["items"]) == 3
    assert f"http://localhost:{port}" in told
    assert "/docs" in told
    assert "Traceback" not in told
    assert 'pip install "matinee[web]"' in told
    assert "Open http" not in told


@posix
@pytest.mark.parametrize(
    ("app", "ready", "sig", "any_port"),
    [
        ("web", "/health", signal.SIGINT, True),
        ("studio", "/_stcore/health", signal.SIGTERM, False),
        pytest.param("web", "/health", signal.SIGTERM, False, marks=pytest.mark.extended),
        pytest.param("studio", "/_stcore/health", signal.SIGINT, True, marks=pytest.mark.extended),
    ],
)
def test_an_app_starts_without_a_core_says_where_and_stops_cleanly(
    app: str, ready: str, sig: int, any_port: bool, tmp_path: Path
) -> None:
    port, core = 0 if any_port else free_port(), f"http://127.0.0.1:{free_port()}"

    def where() -> re.Match[str] | None:
        return re.search(r"Serving http://localhost:(\d+)\b", command.told())

    with started(tmp_path / "log", app, "--port", str(port), "--core-url", core) as command:
        until(where, command.process)
        found = where()
        assert found is not None
        assert int(found[1]) == port or any_port
        url = f"http://127.0.0.1:{found[1]}"
        until(lambda: answers(url + ready), command.process)
        assert answers(url + "/")
        assert command.stop(sig) == 0, command.told()
    told = command.told()
    assert core in told
    assert "Traceback" not in told
    assert told.rstrip().endswith("Stopped.")


def test_an_address_that_is_none_is_told(run: Any) -> None:
    for app in ("web", "studio"):
        for url in ("localhost:8000", "http://", "http://films:port", "http://films:99999", "http://[::1"):
            done = run(app, "--port", "0", "--core-url", url)
            assert done.code == 1
            assert f"'{url}' is not a valid address" in done.err


def test_addresses_of_this_machine() -> None:
    assert [url_of(host, 1) for host in ("0.0.0.0", "::", "127.0.0.1", "fe80::1", "films.example")] == [
        *["http://localhost:1"] * 3,
        "http://[fe80::1]:1",
        "http://films.example:1",
    ]
    assert [reached_at(host, 1) for host in ("0.0.0.0", "::", "127.0.0.1", "films.example")] == [
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://127.0.0.1:1",
        "http://films.example:1",
    ]
    assert apps.installed("web")
    assert apps.installed("studio")
