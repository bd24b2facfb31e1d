"""Small charts as SVG text: points with intervals, groups, and predicted against actual values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLORS = ("#2563a8", "#c2571a", "#2e7d4f", "#8a4fa0", "#a68a00", "#b03a5b", "#4b7f8c", "#6b6b6b")
"""Distinguishable side by side, also for most people who do not see all colors."""
_MARKS = ("circle", "square", "diamond", "triangle")
"""Forms go with colors, so that no series is told by its color alone."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 14, 52

Value = tuple[float, tuple[float, float] | None]
"""A figure and its interval."""


@dataclass(frozen=True)
class Axis:
    """A scale from values to pixels.

    Attributes:
        low, high: ends, in values (both positive where `log`).
        start, end: pixels at these ends.
    """

    label: str
    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def over(cls, label: str, values: Sequence[float], start: float, end: float, *, log: bool = False) -> Axis:
        """An axis that holds all values, with a margin."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        if log:
            floor = min((value for value in values if value > 0), default=0.01)
            low, high = max(low, floor), max(high, floor)
            return cls(label, low / 1.5, high * 1.5, start, end, log=True)
        margin = 0.06 * (high - low) or 0.05 * max(abs(high), 1e-3)
        return cls(label, low - margin if low != 0 else 0.0, high + margin, start, end)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """About five round values."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            steps = (1,) if self.high / self.low > 1000 else (1, 2, 5)
            return [v for power in powers for v in (10.0**power * s for s in steps) if self.low <= v <= self.high]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.3g}"


def _mark(series: int, x: float, y: float, title: str) -> str:
    color, form = COLORS[series % len(COLORS)], _MARKS[series % len(_MARKS)]
    r = 4.5
    shapes = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"',
        "square": f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"',
        "diamond": f'<path d="M{x:.1f} {y - 6:.1f}l6 6-6 6-6-6z"',
        "triangle": f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 10h-11z"',
    }
    return f'{shapes[form]} fill="{color}"><title>{escape(title)}</title>{_CLOSE[form]}'


_CLOSE = {"circle": "</circle>", "square": "</rect>", "diamond": "</path>", "triangle": "</path>"}


def _frame(x: Axis | None, y: Axis, width: int, height: int) -> list[str]:
    """Axes with ticks and labels; x without ticks where it is None."""
    bottom, right = height - _BOTTOM, width - _RIGHT
    parts = []
    for tick in y.ticks:
        pixel = y.at(tick)
        parts.append(f'<path d="M{_LEFT} {pixel:.1f}H{right}" stroke="currentColor" stroke-opacity=".15"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{pixel + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    if x is not None:
        for tick in x.ticks:
            pixel = x.at(tick)
            parts.append(f'<text x="{pixel:.1f}" y="{bottom + 16}" text-anchor="middle">{_number(tick)}</text>')
        middle = (_LEFT + right) / 2
        parts.append(f'<text x="{middle:.1f}" y="{bottom + 36}" text-anchor="middle">{escape(x.label)}</text>')
    center = (_TOP + bottom) / 2
    parts.append(
        f'<text transform="translate(14 {center:.1f}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>'
    )
    parts.append(f'<path fill="none" stroke="currentColor" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    return parts


def _svg(parts: Sequence[str], width: int, height: int, title: str) -> str:
    inside = "".join(parts)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" fill="currentColor" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )


def _whisker(x: float, ends: tuple[float, float], y: Axis, series: int) -> str:
    color = COLORS[series % len(COLORS)]
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y.at(ends[0]):.1f}" y2="{y.at(ends[1]):.1f}" stroke="{color}" stroke-width="1.6"/>'  # noqa: E501


def _all(values: Sequence[Value]) -> list[float]:
    return [number for value, ends in values for number in (value, *(ends or ()))]


def scatter(
    points: Mapping[str, tuple[float, Value]], x_label: str, y_label: str, title: str, *, log: bool = True
) -> str:
    """One named point each: x (a cost), and a figure with its interval.

    Args:
        log: the x axis in powers of ten.
    """
    width, height = 520, 340
    y = Axis.over(y_label, _all([value for _, value in points.values()]), height - _BOTTOM, _TOP)
    x = Axis.over(x_label, [cost for cost, _ in points.values()], _LEFT, width - _RIGHT - 80, log=log)
    parts = _frame(x, y, width, height)
    # Names hide neither one another nor a mark.
    labels = [(x.at(cost) - 6, y.at(value) + 4, 12.0) for cost, (value, _) in points.values()]
    for number, (name, (cost, (value, ends))) in enumerate(points.items()):
        px, py = x.at(cost), y.at(value)
        if ends:
            parts.append(_whisker(px, ends, y, number))
        parts.append(_mark(number, px, py, f"{name}: {_number(value)} at {_number(cost)}"))
        level = _free_level(labels, px + 8, py + 4, 7.2 * len(name))
        parts.append(f'<text x="{px + 8:.1f}" y="{level:.1f}">{escape(name)}</text>')
    return _svg(parts, width, height, title)


def _free_level(labels: list[tuple[float, float, float]], x: float, y: float, width: float) -> float:
    """The level nearest to y at which a text hides no earlier one; it is added to these as (x, level, width)."""
    shifts = [0.0, *(sign * 13.0 * step for step in range(1, 8) for sign in (1, -1))]
    for shift in shifts:
        if all(abs(y + shift - b) >= 12 or x > a + w or a > x + width for a, b, w in labels):
            break
    labels.append((x, y + shift, width))
    return y + shift


def by_group(groups: Sequence[str], series: Mapping[str, Sequence[Value | None]], y_label: str, title: str) -> str:
    """Figures with intervals of several series (models) for each group; None: the series has none there."""
    widest = max((len(group) for group in groups), default=0)
    width = max(360, 120 + max(74, 10 + math.ceil(6.6 * widest)) * len(groups))
    height = 300 + 20 * (1 + len(series) // 6)
    known = [value for values in series.values() for value in values if value is not None]
    legend = 20 * (1 + len(series) // 6)
    y = Axis.over(y_label, _all(known), height - _BOTTOM, _TOP + legend)
    parts = _frame(None, y, width, height)
    slot = (width - _LEFT - _RIGHT) / max(len(groups), 1)
    for place, group in enumerate(groups):
        middle = _LEFT + slot * (place + 0.5)
        parts.append(f'<text x="{middle:.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{escape(group)}</text>')
        step = min(16.0, 0.8 * slot / max(len(series), 1))
        for number, (name, values) in enumerate(series.items()):
            found = values[place]
            if found is None:
                continue
            value, ends = found
            px = middle + step * (number - (len(series) - 1) / 2)
            if ends:
                parts.append(_whisker(px, ends, y, number))
            parts.append(_mark(number, px, y.at(value), f"{name}, {group}: {_number(value)}"))
    return _svg([*parts, *_legend(list(series), width)], width, height, title)


def _legend(names: Sequence[str], width: int) -> list[str]:
    parts, x, y = [], float(_LEFT + 8), float(_TOP)
    for number, name in enumerate(names):
        needed = 22 + 7.2 * len(name)
        if x + needed > width and x > _LEFT + 8:
            x, y = float(_LEFT + 8), y + 18
        parts.append(_mark(number, x, y, name))
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}">{escape(name)}</text>')
        x += needed
    return parts


def diagonal(series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str, title: str) -> str:
    """Predicted (x) against actual (y) values of several series, with the line of perfect calibration."""
    width, height = 440, 420
    values = [number for points in series.values() for point in points for number in point]
    x = Axis.over(x_label, values, _LEFT, width - _RIGHT)
    y = Axis(y_label, x.low, x.high, height - _BOTTOM, _TOP + 20)
    parts = _frame(x, y, width, height)
    parts.append(
        f'<path d="M{x.at(x.low):.1f} {y.at(x.low):.1f}L{x.at(x.high):.1f} {y.at(x.high):.1f}" '
        f'stroke="currentColor" stroke-opacity=".5" stroke-dasharray="4 4"/>'
    )
    for number, (name, points) in enumerate(series.items()):
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[number % len(COLORS)]}"/>')
        parts += [_mark(number, x.at(a), y.at(b), f"{name}: {_number(a)} → {_number(b)}") for a, b in points]
    return _svg([*parts, *_legend(list(series), width)], width, height, title)
