"""The scale of a file's stars, and its conversion: linear, nothing clipped, and refused as a whole when unclear."""

from __future__ import annotations

import re
from collections.abc import Iterable

from matinee.errors import InvalidInputError, UnknownScaleError
from matinee.histories.entries import Scale

_STATED = re.compile(r"\s*(\d+(?:\.\d+)?)(?:\s*(?:-|–|to|\.\.+)\s*(\d+(?:\.\d+)?))?\s*", re.IGNORECASE)
_CHOICE = 'State it: --scale 0.5-5, 1-10 or 0-100 (over HTTP, "scale").'
TEN, HUNDRED, FIVE = Scale(1, 10), Scale(10, 100), Scale(0.5, 5)


def stated_scale(text: str) -> Scale:
    """A scale in words: "1-10", "0.5-5", "0..100", "10" (from one), "5" (from a half), "100" (from ten).

    Raises:
        InvalidInputError: it is none.
    """
    found = _STATED.fullmatch(text)
    if found is not None:
        low, high = (float(found[1]), float(found[2])) if found[2] else (_lowest(float(found[1])), float(found[1]))
        if low < high <= 1000:
            return Scale(low, high)
    raise InvalidInputError(
        f"{text[:50]!r} is not a scale.", "Write its lowest and highest rating: 0.5-5, 1-10, 0-100."
    )


def _lowest(high: float) -> float:
    return 0.5 if high == 5 else high / 10


def scale_of(stars: Iterable[float]) -> Scale:
    """The scale that all ratings of a file show.

    Raises:
        UnknownScaleError: it cannot be told.
    """
    values = list(stars)
    low, high = min(values), max(values)
    if low <= 0 or high <= 1 or high > 100:
        raise UnknownScaleError(
            f"The scale of these ratings, {low:g} to {high:g}, cannot be told; nothing was stored.", _CHOICE
        )
    if high <= 5:
        if low < 0.5:
            raise UnknownScaleError(
                f"The scale of these ratings, {low:g} to {high:g}, cannot be told; nothing was stored.", _CHOICE
            )
        return FIVE
    if high <= 10:
        return TEN if low >= 1 else Scale(low, 10)
    return HUNDRED if low >= 10 else Scale(0, 100)


def check_within(stars: Iterable[tuple[float, int]], scale: Scale) -> None:
    """Raise UnknownScaleError where (stars, line) is off the scale: then the scale is another one."""
    for value, line in stars:
        if not scale.low <= value <= scale.high:
            raise UnknownScaleError(f"Line {line}: {value:g} is not on the scale {scale}; nothing was stored.", _CHOICE)


def converted(stars: float, scale: Scale, to: tuple[float, float]) -> float:
    """Stars on another scale: as they are where both end alike and nothing lies below, else linear."""
    low, high = to
    if scale.high == high and scale.low >= low:
        return stars
    return round(low + (stars - scale.low) / (scale.high - scale.low) * (high - low), 4)
