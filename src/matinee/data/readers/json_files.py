"""Tables in JSON: a value a line (NDJSON), an array of objects, or an object with one; Python's way of writing, too."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from matinee.data.encodings import decode, wide_encoding
from matinee.data.readers.delimited import text_head
from matinee.data.readers.remarks import dropped_lines, remark


def json_columns(path: Path) -> list[str]:
    """The column names of a table in JSON.

    Raises:
        DataError: empty or binary.
        PolarsError: no JSON.
    """
    if _is_lines(path):
        try:
            return pl.scan_ndjson(path, infer_schema_length=1000).collect_schema().names()
        except pl.exceptions.PolarsError:
            if not text_head(path).lstrip().startswith(b"{"):
                raise
    return read_json(path).columns


def read_json(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Columns of a table in JSON.

    Raises:
        DataError: empty or binary.
        PolarsError: no JSON, or no table.
    """
    if _is_lines(path):
        try:
            table = pl.scan_ndjson(path, infer_schema_length=None)
            return (table if columns is None else table.select(columns)).collect()
        except pl.exceptions.ColumnNotFoundError:
            raise
        except pl.exceptions.PolarsError as error:
            rows = _rows(path, error)
    else:
        rows = _rows(path, pl.exceptions.ComputeError("no array of objects"))
    frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
    return frame if columns is None else frame.select(columns)


def _is_lines(path: Path) -> bool:
    head = text_head(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    with path.open("rb") as file:
        return not head.startswith(b"[") and wide_encoding(file.read(4096)) is None


def _rows(path: Path, error: Exception) -> list[dict[str, Any]]:
    """The objects of a file that Polars does not read.

    Raises:
        PolarsError: the given one, if it has none.
    """
    decoded = decode(path.read_bytes())
    if decoded.encoding != "utf-8":
        remark(f"{path.name} is not UTF-8: read as {decoded.name}.")
    text = decoded.data.decode()
    try:
        whole = json.loads(text)
    except ValueError:
        return _lines(path, text, error)
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        whole = lists[0] if len(lists) == 1 else [whole]
    rows = [row for row in whole if isinstance(row, dict)] if isinstance(whole, list) else []
    if not rows:
        raise error
    return rows


def _lines(path: Path, text: str, error: Exception) -> list[dict[str, Any]]:
    """Objects a line each, in JSON or as Python writes them; lines that are neither are counted."""
    rows: list[dict[str, Any]] = []
    bad: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().rstrip(",")
        if stripped in ("", "[", "]"):
            continue
        value: object = None
        try:
            value = json.loads(stripped)
        except ValueError:
            if stripped.startswith("{'"):
                try:
                    value = ast.literal_eval(stripped)
                except (ValueError, SyntaxError, MemoryError, RecursionError):
                    value = None
        if isinstance(value, dict):
            rows.append(value)
        else:
            bad.append(number)
    if len(bad) >= max(len(rows), 1):
        raise error
    dropped_lines(path, "line that is no JSON object", bad)
    return rows
