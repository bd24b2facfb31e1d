"""Handling of SIGINT and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM stop a uvicorn server without ending the process. Main thread only.

    After a clean shutdown uvicorn raises the signal again, which would skip the caller's cleanup.
    """
    before = {sig: signal.signal(sig, lambda *_: None) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
