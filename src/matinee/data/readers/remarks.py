"""What readers guessed, mended or dropped, told beside the tables that they return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

_SHOWN = 5
"""Line numbers that a remark names."""


@dataclass
class Remarks:
    """Remarks about the files read within `collecting()`.

    Attributes:
        notes: sentences for the cleaning report, each once.
        dropped: file → reason → lines that are not in its table.
    """

    notes: list[str] = field(default_factory=list)
    dropped: dict[Path, dict[str, int]] = field(default_factory=dict)

    def of(self, path: Path | None) -> dict[str, int]:
        """Lines dropped of a file, by reason."""
        return self.dropped.get(path, {}) if path is not None else {}


_CURRENT: ContextVar[Remarks | None] = ContextVar("remarks", default=None)


@contextmanager
def collecting() -> Iterator[Remarks]:
    """Within this, remarks of readers are collected, also for those who collect around it."""
    outer = _CURRENT.get()
    remarks = Remarks()
    token = _CURRENT.set(remarks)
    try:
        yield remarks
    finally:
        _CURRENT.reset(token)
        if outer is not None:
            outer.notes += [note for note in remarks.notes if note not in outer.notes]
            for path, reasons in remarks.dropped.items():
                outer.dropped.setdefault(path, {}).update(reasons)


def remark(text: str) -> None:
    """Tell something that was guessed or mended. Lost where nobody collects."""
    remarks = _CURRENT.get()
    if remarks is not None and text not in remarks.notes:
        remarks.notes.append(text)


def current_notes() -> list[str]:
    """What was remarked so far; nothing where nobody collects."""
    remarks = _CURRENT.get()
    return [] if remarks is None else remarks.notes


def dropped_rows(path: Path, reason: str, count: int) -> None:
    """Count rows of a file that were left out."""
    remarks = _CURRENT.get()
    if remarks is not None and count:
        remarks.dropped.setdefault(path, {})[reason] = count


def dropped_lines(path: Path, reason: str, lines: Sequence[int]) -> None:
    """Count lines of a file that were left out, and tell their numbers."""
    remarks = _CURRENT.get()
    if remarks is None or not lines:
        return
    reasons = remarks.dropped.setdefault(path, {})
    if reason not in reasons:  # a file may be looked at twice
        reasons[reason] = len(lines)
        remark(f"{path.name}: {reason}: {line_numbers(lines)}.")


def line_numbers(lines: Sequence[int]) -> str:
    """ "line 3", or "lines 3, 7 and 12 more"."""
    shown = ", ".join(f"{line:,}" for line in lines[:_SHOWN])
    more = f" and {len(lines) - _SHOWN:,} more" if len(lines) > _SHOWN else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
