"""Plotly figures in one style, for light and dark mode: bars, lines, areas and dots.

Functions return a figure. `draw` shows it with a text for screen readers, a caption, and its data as a table. Names and
titles are untrusted and always shown as text.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from matinee.studio import grids
from matinee.studio.grids import Columns
from matinee.studio.style import SERIES, SERIES_DARK, plain, truncated

MAX_NAME, MAX_BAR_NAME = 56, 28
"""Maximum length of a name in a figure; longer ones are truncated. Width of a bar's name, which wraps."""
SCALE = ((0.0, "#2563eb"), (0.35, "#0d9488"), (0.7, "#d97706"), (1.0, "#dc2626"))
"""Color scale, low to high. Contrast is at least 3:1 on the light and the dark background."""
FADED = "#8a817c"
"""Color of secondary marks, on both backgrounds."""
BAR, HEIGHT = 26, 320
"""Height in pixels of a horizontal bar with its gap, and of other figures."""
CONFIG = {"displaylogo": False, "displayModeBar": False, "showTips": False}


def colors() -> tuple[str, ...]:
    """Eight colors of series for the visitor's theme, light or dark."""
    return SERIES_DARK if st.context.theme.type == "dark" else SERIES


def wrapped(text: object, width: int = MAX_BAR_NAME) -> str:
    """Untrusted text for the name of a bar: escaped, on as many lines as a name of `MAX_NAME` letters needs."""
    lines = textwrap.wrap(truncated(" ".join(str(text).split()), MAX_NAME), width)
    return "<br>".join(escape(line, quote=False) for line in lines)


def label(text: object, max_length: int = MAX_NAME) -> str:
    """Untrusted text for a figure: on one line, truncated and escaped, because Plotly supports some HTML."""
    return escape(truncated(" ".join(str(text).split()), max_length), quote=False)


def bars(
    names: Sequence[object],
    values: Sequence[float | None],
    *,
    x: str,
    y: str = "",
    horizontal: bool = False,
    percent: bool = False,
    strong: Sequence[bool] | None = None,
    hover: Sequence[str] | None = None,
) -> go.Figure:
    """Bars, the first on the left or on top.

    Args:
        names: names of the bars; numbers are shown on a numeric axis, unless bars are horizontal.
        x: title of the x axis.
        y: title of the y axis.
        percent: values are shares of 1.
        strong: highlighted bars; the others are faded.
        hover: a text for each bar, instead of its value.
    """
    numbers = not horizontal and all(isinstance(name, (int, float)) for name in names)
    labels: list[Any] = list(names) if numbers else [wrapped(name) for name in names]
    # The axis has positions with names as tick labels, so that two bars may have the same name.
    positions = labels if numbers else list(range(len(labels)))
    form = ".1%" if percent else ",.5~g"
    value = f"%{{{'x' if horizontal else 'y'}:{form}}}"
    texts = hover or [""] * len(names)
    marker = {} if strong is None else {"color": [colors()[0] if one else FADED for one in strong]}
    figure = go.Figure(
        go.Bar(
            x=list(values) if horizontal else positions,
            y=positions if horizontal else list(values),
            orientation="h" if horizontal else "v",
            customdata=[[label(one, 200), label(line, 200)] for one, line in zip(names, texts, strict=True)],
            hovertemplate="%{customdata[0]}<br>" + ("%{customdata[1]}" if hover else value) + "<extra></extra>",
            marker=marker,
        )
    )
    if not numbers:
        axis = figure.update_yaxes if horizontal else figure.update_xaxes
        axis(tickmode="array", tickvals=positions, ticktext=labels, autorange="reversed" if horizontal else None)
    (figure.update_xaxes if horizontal else figure.update_yaxes)(
        tickformat=".0%" if percent else None, rangemode="tozero"
    )
    height = max(140, BAR * len(labels) + 70) if horizontal else HEIGHT
    return _finish(figure, x, y, height)


def lines(
    x_values: Sequence[Any],
    series: Mapping[str, Sequence[float | None]],
    *,
    x: str,
    y: str,
    fill: bool = False,
    percent: bool = False,
    dots: bool = False,
) -> go.Figure:
    """One line per series; `percent`: both axes are shares of 1."""
    figure = go.Figure()
    value = "%{x:.1%}: %{y:.1%}" if percent else "%{x}: %{y:,.5~g}"
    for name, values in series.items():
        figure.add_scatter(
            x=list(x_values),
            y=list(values),
            name=label(name),
            mode="lines+markers" if dots else "lines",
            fill="tozeroy" if fill else None,
            hovertemplate=f"{value}<extra>{label(name) if len(series) > 1 else ''}</extra>",
        )
    if percent:
        figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(rangemode="tozero" if fill else None, tickformat=".0%" if percent else None)
    return _finish(figure, x, y, HEIGHT, legend=len(series) > 1)


def dots(
    x_values: Sequence[float | None],
    y_values: Sequence[float | None],
    names: Sequence[object],
    *,
    x: str,
    y: str,
    log_x: bool = False,
    strong: Sequence[bool] | None = None,
    hover: Sequence[str] | None = None,
) -> go.Figure:
    """A few named dots; `log_x`: the x axis is logarithmic, and values ≤ 0 are left out."""
    series = colors()
    size = 12
    figure = go.Figure(
        go.Scatter(
            x=[value if not log_x or (value or 0) > 0 else None for value in x_values],
            y=list(y_values),
            mode="markers+text",
            text=[label(name) for name in names],
            textposition=_sides(x_values, y_values, names, log_x),
            cliponaxis=False,
            customdata=[[label(line, 200)] for line in (hover or [""] * len(names))],
            hovertemplate="%{text}<br>%{customdata[0]}<extra></extra>" if hover else "%{text}<extra></extra>",
            marker={
                "size": size,
                "color": [series[0] if one else series[3] for one in (strong or [False] * len(names))],
            },
        )
    )
    figure.update_xaxes(type="log" if log_x else "linear", dtick=1 if log_x else None, range=_padded(x_values, log_x))
    return _finish(figure, x, y, 380)


def ranks(
    names: Sequence[object],
    values: Sequence[int],
    *,
    x: str,
    strong: Sequence[bool] | None = None,
    hover: Sequence[str] | None = None,
) -> go.Figure:
    """A row for each name with a dot at its rank, 1 on the left, on a logarithmic axis."""
    series, n = colors(), len(names)
    texts = hover or [f"rank {rank:,}" for rank in values]
    figure = go.Figure(
        go.Scatter(
            x=list(values),
            y=list(range(n)),
            mode="markers",
            customdata=[[label(name, 200), label(line, 200)] for name, line in zip(names, texts, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            marker={"size": 12, "color": [series[0] if one else series[3] for one in (strong or [False] * n)]},
        )
    )
    _name_rows(figure, names)
    highest = math.log10(max([*values, 10]))
    figure.update_xaxes(type="log", range=[-0.05 * highest, 1.05 * highest], dtick=1, tickformat=",d")
    return _finish(figure, x, "", max(140, BAR * n + 70))


def stacked(names: Sequence[object], parts: Mapping[str, Sequence[int]], *, x: str) -> go.Figure:
    """A horizontal bar for each name, made of the parts, the first name on top."""
    rows = list(range(len(names)))
    figure = go.Figure()
    for part, values in parts.items():
        figure.add_bar(
            x=list(values),
            y=rows,
            orientation="h",
            name=label(part),
            customdata=[[label(name, 200)] for name in names],
            hovertemplate=f"%{{customdata[0]}}<br>{label(part)}: %{{x}}<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    _name_rows(figure, names)
    return _finish(figure, x, "", max(160, BAR * len(rows) + 90), legend=True)


@dataclass(frozen=True)
class Measured:
    """A value with the ends of its interval, None if there is none."""

    value: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        ends = self.interval
        return f"{self.value:.4f}" + (f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else "")


def intervals(
    names: Sequence[object], series: Mapping[str, Sequence[Measured | None]], *, x: str, zero: bool = False
) -> go.Figure:
    """A row for each name with a dot and its interval for each series; `zero`: with a line at 0."""
    figure, many = go.Figure(), len(series)
    for number, (name, values) in enumerate(series.items()):
        shift = 0.7 / many * (number - (many - 1) / 2)
        having = [(row, one) for row, one in enumerate(values) if one is not None]
        figure.add_scatter(
            x=[one.value for _, one in having],
            y=[row + shift for row, _ in having],
            mode="markers",
            name=label(name),
            marker={"size": 10},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [one.interval[1] - one.value if one.interval else 0 for _, one in having],
                "arrayminus": [one.value - one.interval[0] if one.interval else 0 for _, one in having],
                "thickness": 2,
            },
            customdata=[[label(names[row], 200), str(one)] for row, one in having],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}" + f"<extra>{label(name) if many > 1 else ''}</extra>",
        )
    if zero:
        figure.add_vline(0, line={"color": FADED, "dash": "dot"})
    _name_rows(figure, names)
    row_height = max(BAR, 18 * many)
    return _finish(figure, x, "", max(160, row_height * len(names) + 90), legend=many > 1)


def calibration(series: Mapping[str, Sequence[tuple[float, float]]]) -> go.Figure:
    """A line of (predicted, actual) for each series, and the diagonal on which the two agree."""
    figure = go.Figure()
    for name, points in series.items():
        figure.add_scatter(
            x=[predicted for predicted, _ in points],
            y=[actual for _, actual in points],
            mode="lines+markers",
            name=label(name),
            hovertemplate=f"predicted %{{x:.2f}}, actual %{{y:.2f}}<extra>{label(name)}</extra>",
        )
    ends = [value for points in series.values() for point in points for value in point]
    if ends:
        low, high = min(ends), max(ends)
        figure.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, line={"color": FADED, "dash": "dot"})
    return _finish(figure, "Predicted stars", "Actual stars", HEIGHT, legend=len(series) > 1)


def _name_rows(figure: go.Figure, names: Sequence[object]) -> None:
    rows = list(range(len(names)))
    labels = [wrapped(name) for name in names]
    figure.update_yaxes(tickmode="array", tickvals=rows, ticktext=labels, range=[len(rows) - 0.5, -0.5], showgrid=True)


SIDES = {"top center": (0.0, 1.0), "bottom center": (0.0, -1.0), "middle left": (-1.0, 0.0), "middle right": (1.0, 0.0)}
LETTER, LINE, ROOM = 0.025, 0.055, 0.25
"""Width of a letter, height of a line, and margin left and right of all dots, as shares of the dots' extent."""


def _sides(
    x_values: Sequence[float | None], y_values: Sequence[float | None], names: Sequence[object], log_x: bool
) -> list[str]:
    """The position of each dot's name: the side with the fewest overlaps."""
    across, up = _parts([math.log10(x) if log_x and x else x for x in x_values]), _parts(y_values)
    taken = [(x, y, LETTER, LINE / 2) for x, y in zip(across, up, strict=True)]  # middle, half width, half height
    sides = []
    for x, y, name in zip(across, up, names, strict=True):
        half = LETTER * len(label(name)) / 2
        options: list[tuple[int, int, str, tuple[float, float, float, float]]] = []
        for side, (right, above) in SIDES.items():
            box = (x + right * (half + LETTER), y + above * LINE, half, LINE / 2)
            hits = sum(
                abs(box[0] - other[0]) < box[2] + other[2] and abs(box[1] - other[1]) < box[3] + other[3] - 1e-9
                for other in taken
                if other[:2] != (x, y)
            )
            options.append((hits, len(options), side, box))
        best = min(options)
        sides.append(best[2])
        taken.append(best[3])
    return sides


def _padded(values: Sequence[float | None], log: bool) -> list[float] | None:
    """The range of an axis with room for the names of the outermost dots, in Plotly's units."""
    finite = [math.log10(value) if log else value for value in values if value is not None and (value > 0 or not log)]
    if not finite:
        return None
    room = ROOM * (max(finite) - min(finite)) or 1.0
    return [min(finite) - room, max(finite) + room]


def _parts(values: Sequence[float | None]) -> list[float]:
    finite = [value for value in values if value is not None]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return [0.0 if value is None else (value - low) / ((high - low) or 1) for value in values]


def _finish(figure: go.Figure, x: str, y: str, height: int, *, legend: bool = False) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28 if legend else 8, "b": 8},
        colorway=list(colors()),
        dragmode=False,  # scrolling by touch must not zoom
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        hoverlabel={"align": "left", "namelength": -1},
        bargap=0.25,
    )
    figure.update_xaxes(title_text=x or None, automargin=True, fixedrange=True)
    figure.update_yaxes(title_text=y or None, automargin=True, fixedrange=True)
    return figure


def draw(
    figure: go.Figure,
    *,
    key: str,
    alt: str,
    caption: str = "",
    table: Columns | Callable[[], Columns] | None = None,
    config: Mapping[str, Any] | None = None,
    on_select: Callable[[], None] | None = None,
) -> None:
    """Show a figure.

    Args:
        key: key of the chart; that of its table is `key-table`.
        alt: description for screen readers.
        caption: one sentence below the figure, as plain text.
        table: its data, or a function that returns them, shown on request.
        config: Plotly options that override `CONFIG`.
        on_select: called when a point is selected; the selection is in `st.session_state[key]`.
    """
    st.plotly_chart(
        figure,
        key=key,
        alt=alt,
        config=CONFIG | dict(config or {}),
        on_select=on_select or "ignore",
        selection_mode="points",
    )
    if caption:
        st.caption(plain(caption))
    if table is not None and st.toggle("Show as a table", key=f"{key}-table"):
        grids.grid(table() if callable(table) else table, alt=alt, key=f"{key}-rows")
