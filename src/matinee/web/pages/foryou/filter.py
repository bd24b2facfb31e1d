"""Conversion between the controls of "For you" and the filter language (docs/filters.md). Other clauses are preserved.

genre in ("Comedy", "Drama") and year between 1990 and 1999 and ratings < 64 and not tag = "gore"
└─────────────── genres ───┘     └──────────── years ─────┘     └ surprise ┘     └──── rest ────┘
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"""\s+|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[()]|[^\s()"']+|.""", re.DOTALL)
_VALUE = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s()"',]+)"""
_GENRES = re.compile(rf"genre\s+in\s*\(\s*({_VALUE}(?:\s*,\s*{_VALUE})*)\s*\)|genre\s*=\s*({_VALUE})", re.I)
_YEARS = re.compile(r"year\s+between\s+(\d{1,4})\s+and\s+(\d{1,4})|year\s*>=\s*(\d{1,4})|year\s*<=\s*(\d{1,4})", re.I)
_RATINGS = re.compile(r"ratings\s*<\s*(\d{1,9})", re.I)


@dataclass(frozen=True)
class Narrowing:
    """Values of the controls.

    Attributes:
        genres: any of these; () for all.
        year_from, year_to: first and last year of release; None if open.
        fewer_than: only movies with fewer ratings than this (surprise); None for all.
        rest: the part of the filter that has no control, or "".
    """

    genres: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    fewer_than: int | None = None
    rest: str = ""

    def text(self) -> str:
        """The filter as text."""
        clauses = []
        if len(self.genres) == 1:
            clauses.append(f"genre = {quoted(self.genres[0])}")
        elif self.genres:
            clauses.append(f"genre in ({', '.join(map(quoted, self.genres))})")
        if self.year_from is not None and self.year_to is not None:
            clauses.append(f"year between {self.year_from} and {self.year_to}")
        elif self.year_from is not None:
            clauses.append(f"year >= {self.year_from}")
        elif self.year_to is not None:
            clauses.append(f"year <= {self.year_to}")
        if self.fewer_than is not None:
            clauses.append(f"ratings < {self.fewer_than}")
        if self.rest:
            several = clauses and _split(self.rest) is None
            clauses.append(f"({self.rest})" if several else self.rest)
        return " and ".join(clauses)


def narrowing(text: str) -> Narrowing:
    """Parse a filter into values of the controls. Everything else, including invalid filters, becomes `rest`."""
    parts = _split(text)
    if parts is None:
        return Narrowing(rest=text.strip())
    values: dict[str, object] = {}
    rest = []
    for part in parts:
        if "genres" not in values and (match := _GENRES.fullmatch(part)):
            listed = re.findall(_VALUE, match[1]) if match[1] else [match[2]]
            values["genres"] = tuple(dict.fromkeys(map(_bare, listed)))
        elif not values.keys() & {"year_from", "year_to"} and (match := _YEARS.fullmatch(part)):
            first, last = match[1] or match[3], match[2] or match[4]
            values |= {"year_from": int(first)} if first else {}
            values |= {"year_to": int(last)} if last else {}
        elif "fewer_than" not in values and (match := _RATINGS.fullmatch(part)):
            values["fewer_than"] = int(match[1])
        elif part:
            rest.append(part)
    if len(rest) == 1 and (inner := _within(rest[0])) is not None:
        rest = [inner]  # `text` adds parentheses again if needed
    return Narrowing(rest=" and ".join(rest), **values)  # type: ignore[arg-type]


def _split(text: str) -> list[str] | None:
    """The clauses joined by `and` outside of parentheses; None if there is an `or`, or the filter is not valid."""
    parts, depth, between, start = [], 0, False, 0
    for token, position in _tokens(text):
        word = token.lower()
        if token in ("'", '"'):  # never closed
            return None
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0 or (depth == 0 and word == "or"):
            return None
        if depth == 0 and word == "between":
            between = True
        elif depth == 0 and word == "and":
            if between:
                between = False
            else:
                parts.append(text[start:position].strip())
                start = position + len(token)
    if depth:
        return None
    return [*parts, text[start:].strip()]


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    for match in _TOKEN.finditer(text):
        yield match[0], match.start()


def _within(part: str) -> str | None:
    """`a or b` of `(a or b)`; None if the outer parentheses do not match."""
    if not (part.startswith("(") and part.endswith(")")):
        return None
    inner = part[1:-1].strip()
    depth = 0
    for token, _ in _tokens(inner):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth < 0:
            return None
    return inner if _split(inner) is None and depth == 0 else None


def quoted(value: str) -> str:
    """A text of the filter language."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bare(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value[0] in "\"'" else value
