"""The documents tell the truth: the quickstart's blocks run, the pages' links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from matinee.cli import main
from matinee.models import MODELS
from small_folder import write_folder

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, *languages: str) -> list[str]:
    """Code blocks of some languages, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for language, code in BLOCK.findall(text) if language in languages]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a reader who has just begun: small data, nothing trained, `matinee` on the path."""
    home = tmp_path_factory.mktemp("reader")
    folder = write_folder(home / "small")
    return {
        **os.environ,
        "MATINEE_DATA": str(folder),
        "MATINEE_DATA_DIR": str(home / "data"),
        "MATINEE_CACHE_DIR": str(home / "cache"),
        "MATINEE_CONFIG": str(home / "none.toml"),
        "MATINEE_OFFLINE": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def shell(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-euc", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def served(place: dict[str, str]) -> Iterator[str]:
    """The address of `matinee serve`, as the reader starts it."""
    shell("matinee demo --no-serve", place)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "matinee", "serve", "--port", str(port)],
        env=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=90)


def test_quickstart_shell_blocks_run(
    place: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    lines = [line for code in blocks("docs/quickstart.md", "sh") for line in code.splitlines()]
    assert len(lines) >= 9
    for line in lines:  # in this process: nine starts of Python would take most of this test's time
        program, *words = shlex.split(line)
        assert (program, main(words)) == ("matinee", 0), line
    told = capsys.readouterr().out
    for part in ("Ten films for user 42", "Why", "Similar to Toy Story (1995)", '"items"', "4.5 stars"):
        assert part in told


def test_quickstart_python_blocks_run(place: dict[str, str], served: str) -> None:
    found = [*blocks("docs/quickstart.md", "python"), *blocks("README.md", "python")]
    assert len(found) >= 3
    for code in found:
        done = subprocess.run(
            [sys.executable, "-c", code], env=place, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        assert done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_http_blocks_answer(place: dict[str, str], served: str) -> None:
    found = [*blocks("docs/quickstart.md", "http"), *blocks("README.md", "http")]
    assert len(found) >= 4
    for code in found:
        shell(code.replace("curl ", "curl --fail --max-time 30 ").replace("localhost:8000", served), place)


def test_every_model_has_a_page_with_its_settings() -> None:
    spec = spec_from_file_location("model_pages", ROOT / "tools" / "model_pages.py")
    assert spec is not None
    assert spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert not tool.changed(), "run python tools/model_pages.py"
    for kind in MODELS:
        text = tool.page_of(kind).read_text(encoding="utf-8")
        assert re.findall("^## (.*)$", text, re.MULTILINE) == list(tool.SECTIONS), kind


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_page_about_adding_a_model_holds(tmp_path: Path) -> None:
    """The model printed there fits, scores, and comes back from its state."""
    import numpy as np

    from matinee.models.base import Query
    from support import random_dataset

    names: dict[str, object] = {"__name__": "page"}
    exec(compile(blocks("docs/add-a-model.md", "python")[0], "add-a-model.md", "exec", dont_inherit=True), names)
    dataset = random_dataset()
    kind: type = names["CoRated"]  # type: ignore[assignment]
    model = kind().fit(dataset)
    query = Query.of(dataset.ratings, 0)
    scores = model.score([query, Query()])
    assert scores.shape == (2, len(dataset.catalog))
    assert np.isnan(scores[1]).all()
    rows = range(len(dataset.catalog))
    np.testing.assert_allclose(model.contributions(query, rows).sum(axis=1), np.nan_to_num(scores[0]), rtol=1e-4)
    again = kind.from_state(model.config, model.state(), dataset.catalog)
    np.testing.assert_array_equal(again.score([query])[0], scores[0])


def test_every_route_of_the_guide_exists() -> None:
    from matinee.api import create_app

    paths = set(create_app().openapi()["paths"])
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    for path in re.findall(r"(/v1/[a-z_{}/]+)", text):
        assert path.replace("{id}", "{snapshot_id}") in paths, path


def test_every_command_of_the_guide_exists() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for command in re.findall(r"^\| `(\w+)", text, re.MULTILINE):
        assert main([command, "--help"]) == 0
