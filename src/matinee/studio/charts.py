"""Plotly figures of one look, light and dark: bars, lines, areas, dots and clouds of films.

Makers return a figure; `draw` puts it on the page with a name for screen readers, a caption, and its data as a table.
Names and titles may hold anything: they are shown as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from matinee.studio.style import SERIES, SERIES_DARK, cut, plain

Columns = Mapping[str, Sequence[Any]]
"""A table: heading → cells, all columns of one length."""

LONGEST, MAX_BESIDE = 44, 28
"""Characters of a name within a figure, and beside a bar; the rest is left out."""
SCALE = ((0.0, "#2563eb"), (0.35, "#0d9488"), (0.7, "#d97706"), (1.0, "#dc2626"))
"""Colors of numbers, low to high: each 3:1 or more on the light and on the dark ground."""
FADED = "#8a817c"
"""Color of what stands behind, on both grounds."""
BAR, HEIGHT = 26, 320
"""Pixels of a horizontal bar, its gap with it, and of other figures' height."""
CONFIG = {"displaylogo": False, "displayModeBar": False, "showTips": False}


def colors() -> tuple[str, ...]:
    """Eight colors of series on the visitor's ground, light or dark."""
    return SERIES_DARK if st.context.theme.type == "dark" else SERIES


def label(text: object, longest: int = LONGEST) -> str:
    """Text of others for a figure: on one line, shortened, its `<` no markup (Plotly knows a little HTML)."""
    return escape(cut(" ".join(str(text).split()), longest), quote=False)


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
        names: of the bars; numbers stay numbers on their axis, unless bars are horizontal.
        x: title of the axis below.
        y: title of the axis on the left.
        percent: values are shares of 1.
        strong: bars to be seen first; the others are faded.
        hover: a line for each bar, in place of its value.
    """
    numbers = not horizontal and all(isinstance(name, (int, float)) for name in names)
    shown: list[Any] = list(names) if numbers else [label(name, MAX_BESIDE) for name in names]
    # Two bars of one name are two bars: the axis counts places, and names are written to them.
    places = shown if numbers else list(range(len(shown)))
    form = ".1%" if percent else ",.5~g"
    value = f"%{{{'x' if horizontal else 'y'}:{form}}}"
    said = hover or [""] * len(names)
    marker = {} if strong is None else {"color": [colors()[0] if one else FADED for one in strong]}
    figure = go.Figure(
        go.Bar(
            x=list(values) if horizontal else places,
            y=places if horizontal else list(values),
            orientation="h" if horizontal else "v",
            customdata=[[label(one, 200), label(line, 200)] for one, line in zip(names, said, strict=True)],
            hovertemplate="%{customdata[0]}<br>" + ("%{customdata[1]}" if hover else value) + "<extra></extra>",
            marker=marker,
        )
    )
    if not numbers:
        axis = figure.update_yaxes if horizontal else figure.update_xaxes
        axis(tickmode="array", tickvals=places, ticktext=shown, autorange="reversed" if horizontal else None)
    (figure.update_xaxes if horizontal else figure.update_yaxes)(
        tickformat=".0%" if percent else None, rangemode="tozero"
    )
    height = max(140, BAR * len(shown) + 70) if horizontal else HEIGHT
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
    """Lines over one axis, one for each series; percent: both axes are shares of 1."""
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
    """Few named dots; log_x: the axis below is logarithmic, and places of 0 and less are left out."""
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
    places: Sequence[int],
    *,
    x: str,
    strong: Sequence[bool] | None = None,
    hover: Sequence[str] | None = None,
) -> go.Figure:
    """A row for each name with a dot at its rank, 1 on the left; the axis is logarithmic."""
    series, n = colors(), len(names)
    said = hover or [f"rank {place:,}" for place in places]
    figure = go.Figure(
        go.Scatter(
            x=list(places),
            y=list(range(n)),
            mode="markers",
            customdata=[[label(name, 200), label(line, 200)] for name, line in zip(names, said, strict=True)],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            marker={"size": 12, "color": [series[0] if one else series[3] for one in (strong or [False] * n)]},
        )
    )
    shown = [label(name, MAX_BESIDE) for name in names]
    figure.update_yaxes(tickmode="array", tickvals=list(range(n)), ticktext=shown, range=[n - 0.5, -0.5], showgrid=True)
    most = math.log10(max([*places, 10]))
    figure.update_xaxes(type="log", range=[-0.05 * most, 1.05 * most], dtick=1, tickformat=",d")
    return _finish(figure, x, "", max(140, BAR * n + 70))


SIDES = {"top center": (0.0, 1.0), "bottom center": (0.0, -1.0), "middle left": (-1.0, 0.0), "middle right": (1.0, 0.0)}
LETTER, LINE, ROOM = 0.025, 0.055, 0.18
"""Width of a letter, height of a line, and room left and right of all dots, as parts of what lies between the dots."""


def _sides(
    x_values: Sequence[float | None], y_values: Sequence[float | None], names: Sequence[object], log_x: bool
) -> list[str]:
    """Where each dot's name stands, so that names do not cover one another: the first side with room."""
    across, up = _parts([math.log10(x) if log_x and x else x for x in x_values]), _parts(y_values)
    taken = [(x, y, LETTER, LINE / 2) for x, y in zip(across, up, strict=True)]  # middle, half width, half height
    sides = []
    for x, y, name in zip(across, up, names, strict=True):
        half = LETTER * len(label(name)) / 2
        found: list[tuple[int, int, str, tuple[float, float, float, float]]] = []
        for side, (right, above) in SIDES.items():
            box = (x + right * (half + LETTER), y + above * LINE, half, LINE / 2)
            hits = sum(
                abs(box[0] - other[0]) < box[2] + other[2] and abs(box[1] - other[1]) < box[3] + other[3] - 1e-9
                for other in taken
                if other[:2] != (x, y)
            )
            found.append((hits, len(found), side, box))
        best = min(found)
        sides.append(best[2])
        taken.append(best[3])
    return sides


def _padded(values: Sequence[float | None], log: bool) -> list[float] | None:
    """Ends of an axis that leave room for names beside the outermost dots, as Plotly counts them."""
    known = [math.log10(value) if log else value for value in values if value is not None and (value > 0 or not log)]
    if not known:
        return None
    room = ROOM * (max(known) - min(known)) or 1.0
    return [min(known) - room, max(known) + room]


def _parts(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return [0.0 if value is None else (value - low) / ((high - low) or 1) for value in values]


def _finish(figure: go.Figure, x: str, y: str, height: int, *, legend: bool = False) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28 if legend else 8, "b": 8},
        colorway=list(colors()),
        dragmode=False,  # a finger that scrolls the page is no zoom
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
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
    """Put a figure on the page.

    Args:
        key: of the chart; its table has `key-table`.
        alt: what it shows, for those who do not see it.
        caption: one sentence below, plain text.
        table: its data, or what makes them, shown where the visitor asks for them.
        config: Plotly's options over `CONFIG`.
        on_select: runs when a point is chosen; the choice is in `st.session_state[key]`.
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
        columns = table() if callable(table) else table
        st.dataframe(
            {name: list(cells) for name, cells in columns.items()}, hide_index=True, alt=alt, key=f"{key}-rows"
        )
