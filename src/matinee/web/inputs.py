"""Conversion of untrusted inputs to texts and numbers. Nothing raises."""

from __future__ import annotations

from typing import Any


def typed(value: object) -> str:
    """Text input as a single line; "" for other types."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(str(value).encode("utf-8", "replace").decode().split())


def number(value: Any, default: float, low: float, high: float) -> float:
    """A number clamped to bounds; the default if it is not valid."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return default if result != result else min(max(result, low), high)


def whole(value: Any, low: int, high: int, default: int) -> int:
    """An integer clamped to bounds; the default if it is not valid."""
    return round(number(value, default, low, high))


def whole_js(name: str, low: int, high: int, default: int) -> str:
    """JavaScript equivalent of `whole` for a variable."""
    return f"Math.min(Math.max(Math.round({name}) || {default}, {low}), {high})"
