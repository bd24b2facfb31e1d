"""A file that was replaced is durable, or it is said that it may not be."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from matinee._util.atomic_files import UnsyncedError, replacing, sync_folder
from matinee.errors import SnapshotError, StoreError
from matinee.posters.store import PosterStore
from matinee.snapshots.registry import Pointer, SnapshotRegistry
from poster_support import picture


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The error that an fsync of a folder meets; files are synced."""
    true, plan = os.fsync, {"errno": errno.EIO}

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(plan["errno"], os.strerror(plan["errno"]))
        true(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return plan


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_rename_that_the_disk_does_not_confirm_is_told(tmp_path: Path, failing: dict[str, int], number: int) -> None:
    failing["errno"] = number
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnsyncedError) as told, replacing(path) as file:
        file.write_text("new")
    assert (told.value.errno, told.value.filename) == (number, str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "new", "a reader sees it; it is the power cut that it may not survive"
    with replacing(path, durable=False) as file:
        file.write_text("newer")
    assert path.read_text() == "newer"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_file_systems_that_cannot_sync_folders_are_let_pass(
    tmp_path: Path, failing: dict[str, int], number: int
) -> None:
    failing["errno"] = number
    with replacing(tmp_path / "file") as file:
        file.write_text("new")
    sync_folder(tmp_path)


def test_a_poster_is_not_acknowledged(tmp_path: Path, failing: dict[str, int]) -> None:
    folder = tmp_path / "posters"
    folder.mkdir()
    store = PosterStore(folder)
    with pytest.raises(StoreError, match="Input/output error"):
        store.put("1", picture())


def test_what_is_served_is_told_as_unsure(tmp_path: Path, failing: dict[str, int]) -> None:
    registry = SnapshotRegistry(tmp_path)
    old, new = "20260101T000000Z-00000000", "20260102T000000Z-00000000"
    with pytest.raises(SnapshotError, match="does not confirm it: Input/output error") as told:
        registry._write(Pointer(current=new, previous=(old,)))
    assert f"{new} is served" in (told.value.hint or "")
