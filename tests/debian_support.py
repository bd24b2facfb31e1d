"""Programs of Debian packages, unpacked without being installed: no service starts, nothing of the machine changes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from matinee._util.atomic_files import locked
from matinee.errors import MatineeError

SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d/debian.sources"))
CACHE = Path(__file__).parents[1] / ".cache" / "debian"
"""Not in git; kept from run to run."""
LIMIT = 180
"""Seconds that apt may take for one step."""


def unpacked(package: str, program: str, suite: str = "") -> Path:
    """The path of a program: the machine's own, or that of a package, which is fetched by apt and unpacked.

    Args:
        program: path within the package, like "usr/sbin/nginx".
        suite: of Debian; empty for the machine's own.

    Raises:
        pytest.skip.Exception: it cannot be had; the message says why.
    """
    own = shutil.which(Path(program).name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if own:
        return Path(own)
    folder = CACHE / (suite or "own") / package
    if not (folder / program).is_file():
        if not shutil.which("apt-get"):
            pytest.skip(f"{program} is not installed, and there is no apt to fetch the package {package} with")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / f"{package}.lock", 2 * LIMIT, MatineeError(f"Another process fetches {package}.")):
            if not (folder / program).is_file():
                _fetch(package, suite, folder)
    assert (folder / program).is_file(), f"{package} has no {program}"
    return folder / program


def _fetch(package: str, suite: str, folder: Path) -> None:
    with _options(suite) as options:
        download = ["apt-get", *options, "download", package]
        folder.mkdir(exist_ok=True)
        done = _apt(download, folder)
        if done.returncode:
            _apt(["apt-get", *options, "update"], folder)
            done = _apt(download, folder)
        if done.returncode:
            pytest.skip(f"apt cannot fetch {package}: {done.stderr.strip().splitlines()[-1]}")
    for file in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", file, folder], check=True, timeout=LIMIT)
        file.unlink()


def _apt(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, cwd=folder, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{' '.join(words)} took longer than {LIMIT} seconds")


@contextmanager
def _options(suite: str) -> Iterator[list[str]]:
    """Options of apt for another suite of the mirror that this machine is set to; it keeps lists of its own."""
    if not suite:
        yield []
        return
    state = CACHE / suite / "apt"
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text(f"deb {signed_by()}{mirror()} {suite} main\n", encoding="utf-8")
    yield [
        *("-o", f"Dir::Etc::sourcelist={state / 'sources.list'}"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={state / 'lists'}"),
        *("-o", f"Dir::Cache={state}"),
    ]


def mirror() -> str:
    """The address of the mirror of Debian that this machine is set to."""
    for path in SOURCES:
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            words = line.split()
            if words[:1] in (["deb"], ["URIs:"]):
                return next(word for word in words if "://" in word)
    pytest.skip("this machine has no mirror of Debian")


def signed_by() -> str:
    """The option that names the key of the mirror, as the machine's own sources do."""
    key = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    return f"[signed-by={key}] " if key.is_file() else ""
