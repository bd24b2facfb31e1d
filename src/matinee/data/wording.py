"""Texts as sources write them: entities of HTML, escapes, line breaks; and lists in one cell, however written."""

from __future__ import annotations

import html
import re

import polars as pl

_ODD = (
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});|</?[a-zA-Z][^<>]{0,60}>|\\u[0-9a-fA-F]{4}|"
    r"[\n\r\t\x0b\x0c\u2028\u2029]"
)
"""What is no part of a text, in Polars' and Python's notation."""
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|li)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:i|b|em|strong|u|span|a|font|small|sup|sub|q|cite|ul|ol|h\d)\b[^<>]*>", re.IGNORECASE)
_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")

_NAMED = r"""['"]name['"]\s*:\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_PEOPLE = ("directors", "writers", "cast")
_SUFFIX = r",\s+(Jr|Sr|II|III|IV|Esq|PhD|M\.?D)\b"


def has_markup(column: pl.Expr) -> pl.Expr:
    """Mask of texts with entities, tags, escapes, or line breaks."""
    return column.str.contains(_ODD)


def plain_text(text: str) -> str:
    """`"Q&amp;A"` → `"Q&A"`, `"A<br>B"` → `"A B"`, `"\\\\u00c9t\\\\u00e9"` → `"Été"`; line breaks become blanks."""
    text = _ESCAPE.sub(_unescape, text)
    text = html.unescape(html.unescape(text)) if "&" in text else text
    text = _TAG.sub("", _BREAK.sub(" ", text))
    return re.sub(r"\s*[\n\r\t\x0b\x0c\u2028\u2029]\s*", " ", text).strip()


def _unescape(match: re.Match[str]) -> str:
    units = [int(unit, 16) for unit in match[0].split("\\u")[1:]]
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", errors="replace")


def plain_column(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, int]:
    """A frame with a column of texts, or of lists of them, without markup; and how many rows that changed."""
    is_list = isinstance(frame.schema[name], pl.List)
    if is_list:
        odd = frame.select(pl.col(name).list.eval(has_markup(pl.element())).list.any()).to_series().fill_null(False)
    else:
        odd = frame.select(has_markup(pl.col(name))).to_series().fill_null(False)
    count = int(odd.sum())
    if not count:
        return frame, 0
    made = [
        value if not wrong or value is None else [plain_text(word) for word in value] if is_list else plain_text(value)
        for value, wrong in zip(frame[name].to_list(), odd.to_list(), strict=True)
    ]
    return frame.with_columns(pl.Series(name, made, dtype=frame.schema[name])), count


def list_style(frame: pl.DataFrame, name: str, separator: str = "|") -> str:
    """How a column of text writes lists: "objects", "quoted" (literals of Python or JSON), or the separator.

    A separator that stands nowhere in the column is replaced by "|", ";" or "," if one of them does. People are
    separated by commas only where some cell has three of them: "Mann, Michael" is one.
    """
    column = pl.col(name).cast(pl.String).str.strip_chars()
    commas = column.str.replace_all(_SUFFIX, "").str.count_matches(",", literal=True)
    seen = frame.select(
        objects=(column.str.starts_with("[{") | column.str.starts_with("[ {") | column.str.starts_with("{")).any(),
        quoted=(column.str.contains(r"^\[\s*['\"]") | (column == "[]")).any(),
        own=column.str.contains(separator, literal=True).any(),
        pipe=column.str.contains("|", literal=True).any(),
        semicolon=column.str.contains(r"\S;\s*\S").any(),
        comma=(commas >= (2 if name in _PEOPLE else 1)).any(),
    ).row(0, named=True)
    if seen["objects"]:
        return "objects"
    if seen["quoted"]:
        return "quoted"
    if seen["own"] and separator != " ":
        return separator
    if seen["pipe"] or name == "alternate_titles":  # titles have commas and semicolons
        return "|"
    if separator == " ":
        return "," if seen["comma"] else " "
    return ";" if seen["semicolon"] else "," if seen["comma"] else separator


def words_of(name: str, style: str, separator: str = "|") -> pl.Expr:
    """A column of text as lists of words, which it writes in a style of `list_style`."""
    column = pl.col(name).cast(pl.String)
    if style == "objects":
        return names_of(column)
    if style == "quoted":
        inner = column.str.extract_all(_QUOTED).list.eval(unquoted(pl.element()))
        plain = ~column.str.contains(r"^\s*\[")
        return pl.when(plain).then(column.str.split(separator if separator != " " else ",")).otherwise(inner)
    if style == "," and name in _PEOPLE:
        column = column.str.replace_all(_SUFFIX, " ${1}")
    return column.str.split(style)


def names_of(column: pl.Expr) -> pl.Expr:
    """The `name` of each object of a list in JSON, or as Python writes it."""
    found = column.str.extract_all(_NAMED)
    return found.list.eval(unquoted(pl.element().str.replace(r"""^['"]name['"]\s*:\s*""", "")))


def unquoted(text: pl.Expr) -> pl.Expr:
    """A quoted text without its quotation marks and escapes."""
    inner = text.str.slice(1, text.str.len_chars() - 2)
    return inner.str.replace_all(r"""\\(["'\\/])""", "${1}").str.replace_all(r"\\[nrt]", " ")
