"""Texts and numbers out of whatever a visitor types or a program sends; nothing raises."""

from __future__ import annotations

from typing import Any


def typed(value: object) -> str:
    """What somebody typed, or a program sent, as one line of text; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(str(value).encode("utf-8", "replace").decode().split())


def number(value: Any, default: float, low: float, high: float) -> float:
    """A number within bounds out of anything."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return default if found != found else min(max(found, low), high)


def whole(value: Any, least: int, most: int, otherwise: int) -> int:
    """A number that somebody has given, as a whole one within bounds; `otherwise` where it is none."""
    return round(number(value, otherwise, least, most))


def whole_js(name: str, least: int, most: int, otherwise: int) -> str:
    """JavaScript for `whole` of a variable."""
    return f"Math.min(Math.max(Math.round({name}) || {otherwise}, {least}), {most})"
