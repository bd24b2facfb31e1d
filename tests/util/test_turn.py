"""A lock that its holders hand on."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from matinee._util.file_lock import Turn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")


def soon() -> float:
    return time.monotonic() + 90


def test_whoever_has_just_had_it_comes_after_one_who_waits(tmp_path: Path) -> None:
    path, queue = tmp_path / "turn", tmp_path / "next"
    first, second = Turn(path, queue), Turn(path, queue)
    assert first.acquire(soon())
    assert not second.acquire(time.monotonic())
    waiting = threading.Thread(target=second.acquire, args=(soon(),))
    waiting.start()
    end = soon()
    while queue.read_bytes() != b"w" and time.monotonic() < end:
        time.sleep(0.001)
    first.release()
    assert not first.acquire(time.monotonic())
    waiting.join()
    second.release()
    assert queue.read_bytes() == b"-"
    assert first.acquire(time.monotonic())
    first.close()
    assert second.acquire(time.monotonic())
    second.close()


def test_one_who_was_killed_while_waiting_holds_nobody_up(tmp_path: Path) -> None:
    path, queue = tmp_path / "turn", tmp_path / "next"
    queue.write_bytes(b"w")
    turn = Turn(path, queue)
    assert turn.acquire(time.monotonic())
    assert queue.read_bytes() == b"-"
    turn.close()
    turn.close()
