"""One person's history, as other sites export it: files in, entries out, and the way back."""

from __future__ import annotations

from matinee.histories.entries import History, HistoryEntry, Scale
from matinee.histories.layouts import ALL
from matinee.histories.read import read_history
from matinee.histories.scales import converted
from matinee.histories.write import LAYOUTS, HistoryFile, write_history

READABLE = tuple(ALL)
"""Names of layouts that can be read."""
WRITABLE = tuple(LAYOUTS)
"""Names of layouts that can be written."""

__all__ = [
    "READABLE",
    "WRITABLE",
    "History",
    "HistoryEntry",
    "HistoryFile",
    "Scale",
    "converted",
    "read_history",
    "write_history",
]
