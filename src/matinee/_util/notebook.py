"""Tables as notebooks show them, and as data frames; all text is escaped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from matinee._util.extras import need
from matinee.errors import MatineeError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def html_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "", right: Collection[str] = ()
) -> str:
    """A table in HTML; cells are escaped unless they are `Html`, None is left empty.

    Args:
        caption: stands above it.
        right: columns of numbers.

    >>> html_table(["Title"], [["Tom & Jerry"]])
    '<table><thead><tr><th>Title</th></tr></thead><tbody><tr><td>Tom &amp; Jerry</td></tr></tbody></table>'
    """
    styles = [' style="text-align:right"' if name in right else "" for name in columns]
    head = "".join(f"<th{style}>{escape(name)}</th>" for name, style in zip(columns, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{style}>{_cell(value)}</td>' for value, style in zip(row, styles, strict=True))}</tr>"
        for row in rows
    )
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, Html) else escape(str(value))


def image(url: str, text: str) -> Html:
    """A small picture in a table, with the text for those who do not see it."""
    return Html(f'<img src="{escape(url)}" alt="{escape(text)}" height="72" loading="lazy">')


def shortened(parts: Sequence[str], most: int = 3) -> str:
    """The first few parts, and how many there are in all.

    >>> shortened(["a", "b", "c", "d"])
    'a, b, c … 4 in all'
    """
    return ", ".join(parts) if len(parts) <= most else f"{', '.join(parts[:most])} … {len(parts)} in all"


def polars_frame(columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> pl.DataFrame:
    """Columns as a Polars frame.

    Args:
        types: name of each column's Polars type, which an empty or unknown column has too.

    Raises:
        MissingExtraError: Polars is not installed.
    """
    need("polars", "to_polars()", "train")
    import polars as pl

    kinds = {"genres": pl.List(pl.String)}
    return pl.DataFrame(
        {name: list(values) for name, values in columns.items()},
        schema={name: kinds.get(name, getattr(pl, types[name])) for name in columns},
    )


def pandas_frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Columns as a pandas frame.

    Raises:
        MatineeError: pandas is not installed.
    """
    if find_spec("pandas") is None:
        raise MatineeError("to_pandas() needs pandas: pip install pandas.", "Or use to_polars().")
    import pandas as pd

    return pd.DataFrame({name: list(values) for name, values in columns.items()})
