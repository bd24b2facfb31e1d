from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from matinee.cli import main
from small_folder import write_folder


@dataclass
class Result:
    """What a command left: exit code, answer, remarks."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MovieLens-like folder."""
    return write_folder(tmp_path_factory.mktemp("films") / "small")


@pytest.fixture(scope="session")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one snapshot of the small folder; copy it before writing."""
    home = tmp_path_factory.mktemp("trained")
    given = {"MATINEE_DATA_DIR": str(home), "MATINEE_DATA": str(folder), "MATINEE_OFFLINE": "1"}
    given |= {"MATINEE_CONFIG": str(home / "none.toml"), "MATINEE_CACHE_DIR": str(home / "cache")}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        assert main(["train", "--no-measure"]) == 0
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return home


@pytest.fixture
def home(trained: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own copy of the trained folder, in force."""
    own = tmp_path / "home"
    shutil.copytree(trained, own)
    monkeypatch.setenv("MATINEE_DATA_DIR", str(own))
    monkeypatch.setenv("MATINEE_DATA", str(folder))
    monkeypatch.setenv("MATINEE_CACHE_DIR", str(own / "cache"))
    monkeypatch.setenv("MATINEE_OFFLINE", "1")
    return own


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def command(*words: str) -> Result:
        capsys.readouterr()
        code = main(list(words))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command
