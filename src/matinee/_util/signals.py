"""Signals that ask a process to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_signals() -> Iterator[None]:
    """Make SIGINT and SIGTERM end a uvicorn server and nothing else; for the main thread.

    uvicorn raises the signal again after its clean stop, which would end the process before the caller's clean-up.
    """
    before = {sig: signal.signal(sig, lambda *_: None) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
