"""Memory of a process that serves: what lives as long as it is left alone, the rest is handed back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
import weakref
from contextlib import suppress

ARENAS = 2
_M_ARENA_MAX = -8
"""Parameter of glibc's `mallopt`."""
PAUSES = (0.5, 2.0, 8.0, 30.0)
"""Seconds before each attempt to free something that may still be in use."""

_frozen = False
_releasing = threading.Lock()


def limit_arenas() -> None:
    """Let all threads of this process share two arenas of glibc; elsewhere, do nothing. MALLOC_ARENA_MAX goes first.

    By default each thread has its own, up to eight a processor, and each keeps the memory of its largest request. Call
    it before threads are started.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def freeze_heap() -> None:
    """Leave the objects made until now out of garbage collections: each would walk over the whole catalog."""
    global _frozen
    _frozen = True
    gc.collect()
    gc.freeze()


def unfreeze_heap() -> None:
    """Undo `freeze_heap`."""
    global _frozen
    _frozen = False
    gc.unfreeze()


def release(used: weakref.ref[object]) -> None:
    """Hand back the memory of something big when nothing uses it any more, from a thread; where the heap is frozen.

    What is frozen and holds itself in a circle, as a runtime and its views do, is never collected otherwise.
    """
    if _frozen:
        threading.Thread(target=_release, args=(used,), name="matinee-release", daemon=True).start()


def _release(used: weakref.ref[object]) -> None:
    for pause in PAUSES:
        time.sleep(pause)  # requests in progress use it
        with _releasing:
            if _frozen:
                gc.unfreeze()
                gc.collect()  # 0.07 s at ml-latest-small
                gc.freeze()
        if used() is None:
            break
    trim()


def trim() -> None:
    """Give free memory back to the system, which glibc does at the end of its heaps alone; elsewhere, do nothing."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
