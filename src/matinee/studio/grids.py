"""Tables on pages: unknown cells are "–", numbers have thousands separators, and texts are never cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.studio.style import plain

UNKNOWN = "–"
MAX_TALL = 20
"""Maximum number of rows of a grid that is shown at its full height."""
Columns = Mapping[str, Sequence[Any]]
"""A table: heading → cells, all columns of equal length."""


def grid(columns: Columns, *, key: str, alt: str, config: Mapping[str, Any] | None = None) -> None:
    """Show numbers and short texts; a click on a heading sorts.

    Args:
        alt: description for screen readers.
        config: Streamlit's configuration of columns, by heading; others follow from the cells.
    """
    frame = {name: list(cells) for name, cells in columns.items()}
    rows = max((len(cells) for cells in frame.values()), default=0)
    st.dataframe(
        frame,
        column_config=_numeric(frame) | dict(config or {}),
        hide_index=True,
        placeholder=UNKNOWN,
        height="content" if rows <= MAX_TALL else "auto",
        alt=alt,
        key=key,
    )


def numbers(names: Iterable[str], digits: int, *, sign: bool = False, help: str | None = None) -> dict[str, Any]:
    """Columns of numbers with this many decimals."""
    form = f"%{'+' if sign else ''}.{digits}f"
    return {name: st.column_config.NumberColumn(format=form, help=help) for name in names}


def text_table(columns: Columns, *, alt: str) -> None:
    """Show sentences, which wrap; cells are untrusted."""
    st.table(
        {name: [UNKNOWN if cell in (None, "") else plain(cell) for cell in cells] for name, cells in columns.items()},
        hide_index=True,
        alt=alt,
    )


def _numeric(columns: Columns) -> dict[str, Any]:
    """Formats of the columns of numbers."""
    config = {}
    for name, cells in columns.items():
        known = [cell for cell in cells if cell is not None]
        if not known or any(isinstance(cell, bool) or not isinstance(cell, (int, float)) for cell in known):
            continue
        if all(isinstance(cell, int) for cell in known):
            form = "%d" if "year" in name.casefold() or name == "Decade" else "localized"
        else:
            form = "percent" if name.startswith("Share") else "%.3f"
        config[name] = st.column_config.NumberColumn(format=form)
    return config
