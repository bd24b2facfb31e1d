"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it done (0..1)."""


def silent(what: str, share: float) -> None:
    """Tell nobody."""
    del what, share
