"""The C library's memory allocator, told to hand memory back rather than keep some for every thread."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

ARENAS = 2
_M_ARENA_MAX = -8
"""Parameter of glibc's `mallopt`."""


def limit_arenas() -> None:
    """Let all threads of this process share two arenas of glibc; elsewhere, do nothing. MALLOC_ARENA_MAX goes first.

    By default each thread has its own, up to eight a processor, and each keeps the memory of its largest request. Call
    it before threads are started.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
