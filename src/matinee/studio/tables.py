"""Tables of the page Data, used for charts, tables and downloads."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Columns = dict[str, list[Any]]
"""A table: heading → cells, all columns of equal length."""
Rows = Sequence[Mapping[str, Any]]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters that start a formula, or that spreadsheets strip before one."""


def tables(statistics: Mapping[str, Any]) -> dict[str, Columns]:
    """The answer of `calls.statistics` as tables by file name. Periods without ratings are included, with 0."""
    return {
        "totals": {name: [value] for name, value in statistics["totals"].items()},
        "stars": _columns(statistics["stars"], stars="Stars", count="Ratings"),
        "months": _columns(_whole(statistics["months"], "month"), month="Month", **TIMED),
        "years": _columns(_whole(statistics["years"], "year"), year="Year", **TIMED),
        "released": _columns(statistics["released"], year="Year of release", **GROUPED),
        "decades": _columns(statistics["decades"], decade="Decade", **GROUPED),
        **{
            name: _columns(statistics[name], name=heading, **GROUPED)
            for name, heading in (
                ("genres", "Genre"),
                ("directors", "Director"),
                ("countries", "Country"),
                ("tags", "Tag"),
            )
        },
        "per_user": _bins(statistics["per_user"]["bins"], "Users"),
        "per_film": _bins(statistics["per_film"]["bins"], "Films"),
        "long_tail": _columns(statistics["long_tail"], films="Share of films", ratings="Share of ratings"),
        "top_films": _columns(
            statistics["top_films"],
            movie_id="Film id",
            title="Title",
            year="Year",
            ratings="Ratings",
            mean="Mean stars",
        ),
        "top_users": _columns(statistics["top_users"], user_id="User", ratings="Ratings", mean="Mean stars"),
    }


TIMED = {"ratings": "Ratings", "mean": "Mean stars"}
GROUPED = {"films": "Films"} | TIMED


def cleaning(report: Mapping[str, Any]) -> dict[str, Columns]:
    """The answer of `calls.report` as two tables: rows by table, and reasons."""
    rows_by_table = report["tables"]
    kinds = (("dropped", "dropped"), ("changed", "changed"), ("noticed", "kept, but worth knowing"))
    reasons = [
        {"table": table["name"], "fate": what, "reason": row["reason"], "count": row["count"]}
        for table in rows_by_table
        for kind, what in kinds
        for row in table[kind]
    ]
    return {
        "cleaning": {
            "Table": [table["name"] for table in rows_by_table],
            "Rows in": [table["rows_in"] for table in rows_by_table],
            "Rows out": [table["rows_out"] for table in rows_by_table],
            "Dropped": [table["rows_in"] - table["rows_out"] for table in rows_by_table],
        },
        "cleaning_reasons": _columns(reasons, table="Table", fate="Rows", reason="Reason", count="Count"),
        "joins": _columns(report["joins"], name="Source", share="Share of films"),
    }


def to_csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """A table as CSV (RFC 4180, UTF-8); unknown cells are empty.

    Text that a spreadsheet would treat as a formula is prefixed with ', because titles and user names are untrusted.
    Numbers are unchanged.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(map(_harmless, row) for row in zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def to_zip(all_tables: Mapping[str, Mapping[str, Sequence[Any]]]) -> bytes:
    """Tables as one archive of CSV files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, columns in all_tables.items():
            bundle.writestr(f"{name}.csv", to_csv(columns))
    return out.getvalue()


def day(seconds: float | None) -> str | None:
    """A timestamp (seconds since 1970) as a date in UTC; None if it is unknown or out of range."""
    try:
        return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return None


def _columns(rows: Rows, **headings: str) -> Columns:
    return {heading: [row[name] for row in rows] for name, heading in headings.items()}


def _bins(rows: Rows, what: str) -> Columns:
    return {
        "Ratings": [
            f"{row['from']:,}" if row["from"] == row["to"] else f"{row['from']:,}–{row['to']:,}" for row in rows
        ],
        what: [row["count"] for row in rows],
    }


def _whole(rows: Rows, unit: str) -> list[Mapping[str, Any]]:
    """Rows of all months or years between the first and the last."""
    by_unit = {row[unit]: row for row in rows}
    if not by_unit:
        return []
    return [
        by_unit.get(when, {unit: when, "ratings": 0, "mean": None}) for when in _between(min(by_unit), max(by_unit))
    ]


def _between(first: Any, last: Any) -> Iterator[Any]:
    if isinstance(first, int):
        yield from range(first, last + 1)
        return
    (year, month), end = (int(part) for part in first.split("-")), last
    while (when := f"{year:04d}-{month:02d}") <= end:
        yield when
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
