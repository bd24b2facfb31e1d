"""Progress callbacks of long-running work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the name of the step and the share of it that is done (0..1)."""


def silent(what: str, share: float) -> None:
    """The no-op progress callback."""
    del what, share
