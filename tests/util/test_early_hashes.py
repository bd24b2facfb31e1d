from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from matinee._util import early_hashes
from matinee._util.atomic_files import HASHED, file_hash


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 4095, HASHED - 1, HASHED, HASHED + 1])
def test_files_of_any_size_are_hashed_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(4096) * (size // 4096 + 1)
    (tmp_path / "f").write_bytes(content[:size])
    assert file_hash(tmp_path / "f") == sha(content[:size])


def test_an_early_hash_is_that_of_the_file(tmp_path: Path) -> None:
    paths = [tmp_path / str(n) for n in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    early_hashes.begin(paths)
    for path in reversed(paths):
        assert early_hashes.hash_of(path) == sha(path.name.encode() * 1000)


def test_a_file_that_changed_meanwhile_is_hashed_again_and_so_is_one_asked_for_twice(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"before")
    early_hashes.begin([path])
    early_hashes._begun[os.fspath(path)].done.wait(90)
    path.write_bytes(b"after!")
    assert early_hashes.hash_of(path) == sha(b"after!")
    early_hashes.begin([path])
    assert early_hashes.hash_of(path) == sha(b"after!")
    with path.open("rb+") as file:
        file.write(b"A")
    assert early_hashes.hash_of(path) == sha(b"After!")


def test_a_missing_file_is_told_to_whoever_asks(tmp_path: Path) -> None:
    early_hashes.begin([tmp_path / "none"])
    with pytest.raises(FileNotFoundError):
        early_hashes.hash_of(tmp_path / "none")
    early_hashes.begin([])
