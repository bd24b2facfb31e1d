"""Threads share few arenas of the C library."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import weakref

import pytest

from matinee._util import allocator

ARENAS_OF_EIGHT_THREADS = """
import ctypes, sys, threading
if sys.argv[1] == "limited":
    from matinee._util.allocator import limit_arenas
    limit_arenas()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
together = threading.Barrier(8)
def work():
    together.wait()
    library.malloc(50_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library.fopen.restype = ctypes.c_void_p
file = library.fopen(b"/dev/stdout", b"w")
library.malloc_info(0, ctypes.c_void_p(file))
library.fflush(ctypes.c_void_p(file))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("how", "environment", "fewest", "most"),
    [("free", {}, 4, 99), ("limited", {}, 1, 2), ("limited", {"MALLOC_ARENA_MAX": "3"}, 3, 3)],
)
def test_threads_share_arenas(how: str, environment: dict[str, str], fewest: int, most: int) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "COVERAGE_"))}
    command = [sys.executable, "-c", ARENAS_OF_EIGHT_THREADS, how]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, check=True)
    assert fewest <= done.stdout.count("<heap nr=") <= most


class Circle:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.own = self


def released(used: weakref.ref[object]) -> bool:
    """Whether it is freed within some seconds."""
    end = time.monotonic() + 90
    while used() is not None and time.monotonic() < end:
        time.sleep(0.01)
    return used() is None


@pytest.mark.usefixtures("own_heap")
def test_what_was_frozen_is_freed_when_nothing_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "PAUSES", (0.01,) * 2000)
    circle = Circle()
    used: weakref.ref[object] = weakref.ref(circle)
    allocator.freeze_heap()
    try:
        allocator.release(used)
        time.sleep(0.05)
        assert used() is circle
        del circle
        assert released(used)
    finally:
        allocator.unfreeze_heap()
