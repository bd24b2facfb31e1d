"""Commands that run: the real program as a process, the demo, a terminal, signals."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from rich.console import Console

from matinee import __version__
from matinee.cli import console, demo, queries
from small_folder import write_folder
from terminal_support import until_ctrl_c

PROGRAM = [sys.executable, "-m", "matinee"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, process: subprocess.Popen[str], seconds: float = 60) -> Any:
    """Ask until the server answers; a bounded wait for a process to come up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not answer in {seconds} s")


def test_version_and_help(run: Any) -> None:
    assert run("--version").out == f"matinee {__version__}\n"
    shown = run("--help")
    assert shown.code == 0
    for command in ("recommend", "similar", "popular", "import", "export", "train", "evaluate", "serve", "demo"):
        assert command in shown.out
    assert run().code == 2
    assert run("nonsense").code == 2
    assert run("data").code == 2


def test_settings_print_no_password(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_STORE_PASSWORD", "secret-1")
    monkeypatch.setenv("MATINEE_STORE_URL", "postgresql://ann:se@cret-2@host/films?password=secret-3&sslmode=require")
    for words in (("settings",), ("settings", "--json")):
        done = run(*words)
        assert done.code == 0
        assert "cret-" not in done.out + done.err
    listed = {item["name"]: item["value"] for item in json.loads(done.out)["items"]}
    assert listed["store_url"] == "postgresql://ann:********@host/films?password=********&sslmode=require"
    assert listed["store_password"] == "********"


def test_settings_tell_where_a_value_comes_from(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("seed = 7\nport = 1234\n", encoding="utf-8")
    monkeypatch.setenv("MATINEE_CONFIG", str(config))
    monkeypatch.setenv("MATINEE_PORT", "9000")
    items = {item["name"]: item for item in json.loads(run("settings", "--json").out)["items"]}
    assert (items["port"]["value"], items["port"]["source"]) == (9000, "MATINEE_PORT")
    assert (items["seed"]["value"], items["seed"]["source"]) == (7, str(config))
    assert items["workers"]["source"] == "default"
    assert "MATINEE_MAX_BODY" in run("settings").out


@pytest.mark.parametrize("text", ["port = 'x'", "colour = 1", "port = ", "[["])
def test_a_bad_configuration_file_is_told(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("MATINEE_CONFIG", str(tmp_path / "own.toml"))
    done = run("settings")
    assert done.code == 1
    assert done.err.startswith("Error: ")


def test_bad_environment_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_PORT", "a lot")
    done = run("snapshots", "list")
    assert done.code == 1
    assert "MATINEE_PORT" in done.err


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, silent = io.StringIO(), io.StringIO()
    for terminal, file in ((True, drawn), (False, silent)):
        screen = Console(file=file, force_terminal=terminal, width=100)
        monkeypatch.setattr(console, "notes", lambda screen=screen: screen)
        with console.progress_bar() as report:
            report("Reading [all]", 0.0)
            report("Reading [all]", 7.0)
            report("Fitting", 0.5)
    assert "Reading [all]" in drawn.getvalue()
    assert "Fitting" in drawn.getvalue()
    assert silent.getvalue() == ""


def test_json_takes_all_that_answers_hold() -> None:
    value = {"path": Path("a"), 1: np.float32(0.5), "set": frozenset({"x"}), "pair": (1, None), "text": "t"}
    assert console.plain(value) == {"path": "a", "1": 0.5, "set": ["x"], "pair": [1, None], "text": "t"}


def test_a_time_beyond_the_calendar_is_a_dash() -> None:
    assert [queries.day(time) for time in (None, 10**18, 0)] == ["–", "–", "1970-01-01"]


def test_debug_shows_the_traceback(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from matinee.errors import SnapshotError

    monkeypatch.setenv("MATINEE_DEBUG", "1")
    with pytest.raises(SnapshotError):
        run("popular")


@pytest.mark.parametrize("buffered", [True, False])
def test_a_broken_pipe_is_no_error(buffered: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [*PROGRAM, "settings", "--json"],
        env=environment if buffered else {**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert "Traceback" not in told
    assert "BrokenPipe" not in told


def test_narrow_encodings_do_not_raise(home: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*PROGRAM, "similar", "Toy Story"], env=environment, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_taken_port_is_told_before_training(folder: Path, run: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for words in (("demo", "--data", str(folder)), ("serve",)):
            done = run(*words, "--port", port)
            assert done.code == 1
            assert f"127.0.0.1:{port}" in done.err
            assert "choose another" in done.err
            assert "Training" not in done.err
    done = run("serve", "--host", "no.such.host.invalid")
    assert done.code == 1
    assert done.err.startswith("Error: ")


@pytest.mark.parametrize("service", ["core", "recommender", "encoder", "vectors"])
def test_each_service_tells_of_a_taken_port(run: Any, service: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run("serve", service, "--port", port)
    assert done.code == 1
    assert f"127.0.0.1:{port}" in done.err
    variable = "MATINEE_PORT" if service == "core" else f"MATINEE_{service.upper()}_PORT"
    assert f"{variable}=9000" in done.err
    assert "Traceback" not in done.err


def test_an_unknown_service_is_told_with_those_there_are(run: Any) -> None:
    done = run("serve", "nonsense")
    assert done.code == 2
    told = " ".join(done.err.split())
    for word in ("nonsense", "core", "recommender", "encoder", "vectors"):
        assert word in told
    assert "Traceback" not in told


def test_demo_trains_once_and_anew_for_other_data(home: Path, folder: Path, run: Any) -> None:
    done = run("demo", "--no-serve")
    assert done.code == 0, done.err
    assert "Using the snapshot" in done.err, "the fixture has trained"
    assert "Ten films for user 42" in done.out
    assert "Why" in done.out
    assert "User 42 gave most stars to" in done.out
    assert "Ten films for user 7" in run("demo", "--no-serve", "--user", "7").out
    assert "Ten films for user nobody" in run("demo", "--no-serve", "--user", "nobody").out
    path = folder.parent / "other"
    path.mkdir(exist_ok=True)
    (path / "ratings.csv").write_text(
        "user,item,stars\n"
        + "".join(f"u{u},m{i},{(u * i) % 5 + 1}\n" for u in range(9) for i in range(12) if (u + i) % 3),
        encoding="utf-8",
    )
    other = run("demo", "--no-serve", "--data", str(path))
    assert other.code == 0, other.err
    assert "Training on" in other.err
    assert "Ten films for user u" in other.out
    assert "Using the snapshot" in run("demo", "--no-serve", "--data", str(path)).err


@posix
def test_a_new_demo_serves_the_first_models_while_the_others_are_trained(tmp_path: Path) -> None:
    folder, port = write_folder(tmp_path / "films"), free_port()
    environment = {**os.environ, "MATINEE_DATA_DIR": str(tmp_path / "home"), "MATINEE_OFFLINE": "1"}
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--no-web", "--data", str(folder), "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}/v1/models"
    end = time.monotonic() + 120
    try:
        named = [{item["name"] for item in get(address, process)["items"]}]
        while "blend" not in named[-1] and time.monotonic() < end:
            named.append({item["name"] for item in get(address, process)["items"]})
            time.sleep(0.1)
        assert {"popular", "edlae", "content"} <= named[0]
        assert "blend" in named[-1], "the whole line-up takes over by itself"
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=90)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0, told
    assert told.index("Ten films for user") < told.index("in the background") < told.index("Serving")


@posix
def test_a_demo_that_ends_takes_its_training_with_it_and_the_next_one_finishes_it(home: Path, run: Any) -> None:
    quick = run("train", "--quick", "--json")
    assert quick.code == 0, quick.err
    assert json.loads(quick.out)["metrics"] == {}
    settings = console.load_settings()
    assert demo.only_quick(settings)
    with demo.training_beside(settings):
        children = [child for child in psutil.Process().children() if "train" in child.cmdline()]
        assert len(children) == 1
    assert not children[0].is_running()
    assert demo.only_quick(settings), "what was served stays"
    done = run("demo", "--no-serve")
    assert "Training on" in done.err
    assert not demo.only_quick(settings)


@pytest.mark.extended
@posix
def test_make_on_a_terminal_ends_well_after_ctrl_c(home: Path, tmp_path: Path) -> None:
    port = free_port()
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"demo:\n\t@'{sys.executable}' -m matinee demo --no-web --port {port}\n", encoding="utf-8")
    code, told = until_ctrl_c(["make", "-f", str(makefile), "demo"], lambda told: b"Uvicorn running" in told)
    assert code == 0, told
    assert "Interrupt" not in told


@posix
def test_ctrl_c_in_the_middle_of_work_exits_130(folder: Path, tmp_path: Path) -> None:
    program = "import os, signal, sys; from matinee import cli; from matinee.training import pipeline\n" + (
        "def interrupted(*_, **__): os.kill(os.getpid(), signal.SIGINT); signal.pause()\n"
        "pipeline.train = interrupted\nsys.exit(cli.main(['train', '--data', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 130, done.stderr
    assert "Interrupted." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.extended
@posix
def test_ctrl_c_while_the_demo_trains_stops_both_processes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "larger", n_users=3000)
    environment = {**os.environ, "MATINEE_DATA_DIR": str(tmp_path / "home"), "MATINEE_OFFLINE": "1"}
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--no-web", "--data", str(folder), "--port", str(free_port())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        while "Training" not in (line := process.stdout.readline()):
            assert line, "the demo has ended"
        process.send_signal(signal.SIGINT)
        told = process.stdout.read()
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
    # Told to stop by the demo, or done a moment before; either way nothing is served.
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT), told
    assert "Serving" not in told


def test_a_failing_child_ends_the_demo_with_its_code(run: Any, tmp_path: Path) -> None:
    done = run("demo", "--no-web", "--data", str(tmp_path), "--port", str(free_port()))
    assert done.code == 1
    assert "Serving" not in done.out
    assert run("serve", "--data", str(tmp_path), "--port", str(free_port())).code == 1


@posix
def test_make_passes_its_variables_on() -> None:
    root = Path(__file__).parents[2]
    words = ["make", "-n", "demo", "DATA=my films", "PORT=9000", "WEB_PORT=9001", "USER_ID=7"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "matinee demo --data 'my films' --port '9000' --web-port '9001' --user '7'" in done.stdout
    words = ["make", "-n", "studio", "PORT=9000", "STUDIO_PORT=9002"]
    shown = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "matinee studio --core-url 'http://127.0.0.1:9000' --port '9002'" in shown
    words = ["make", "-n", "demo", "DATA=director's cut"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert r"matinee demo --data 'director'\''s cut'" in done.stdout
    shown = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout
    for target in ("demo", "studio", "test", "check", "docs", "bench", "lock", "clean"):
        assert f"make {target} " in shown
