"""The words of the filter language: fields, the syntax tree, and its canonical text."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "in", "not in", "between"]
Kind = Literal["text", "id", "number", "flag"]
Value = str | float | bool


@dataclass(frozen=True)
class Field:
    """A field of a movie.

    Attributes:
        name: its name in the language.
        kind: which values and operators it takes.
        columns: the catalog's columns it reads; none for those that need `FilterStats`.
        help: one line for users.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    help: str


_FIELDS = (
    Field("genre", "text", ("genres",), "a genre"),
    Field("tag", "text", ("tags",), "a tag that users gave"),
    Field("year", "number", ("year",), "year of release"),
    Field("decade", "number", ("year",), "decade of release: 1990 or 1990s"),
    Field("title", "text", ("title",), "the title, without the year"),
    Field("director", "text", ("directors",), "a director"),
    Field("writer", "text", ("writers",), "a writer"),
    Field("cast", "text", ("cast",), "an actor"),
    Field("person", "text", ("directors", "writers", "cast"), "a director, writer or actor"),
    Field("country", "text", ("countries",), "a country of production"),
    Field("language", "text", ("languages",), "a language"),
    Field("keyword", "text", ("keywords",), "a keyword of the plot"),
    Field("movie_id", "id", ("movie_id",), "the film's id"),
    Field("imdb_id", "id", ("imdb_id",), "the id at IMDb: tt0114709 or 114709"),
    Field("tmdb_id", "id", ("tmdb_id",), "the id at TMDB"),
    Field("poster", "flag", ("poster",), "true where there is a poster"),
    Field("ratings", "number", (), "number of ratings"),
    Field("mean", "number", (), "mean stars; unknown without ratings"),
)
FIELDS: dict[str, Field] = {entry.name: entry for entry in _FIELDS}
"""Every field by its name."""

ALIASES = {
    "id": "movie_id",
    "actor": "cast",
    "actors": "cast",
    "people": "person",
    "imdb": "imdb_id",
    "tmdb": "tmdb_id",
    "genres": "genre",
    "tags": "tag",
    "directors": "director",
    "writers": "writer",
    "countries": "country",
    "languages": "language",
    "keywords": "keyword",
}

OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    "text": ("=", "!=", "~", "in", "not in"),
    "id": ("=", "!=", "in", "not in"),
    "number": ("=", "!=", "<", "<=", ">", ">=", "between", "in", "not in"),
    "flag": ("=", "!="),
}
"""Operators that a kind of field takes."""


@dataclass(frozen=True)
class Comparison:
    """One comparison of a field with values (one, except for `in`, `not in` and `between`)."""

    field: Field
    operator: Operator
    values: tuple[Value, ...]
    position: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    """Negation."""

    part: Node


@dataclass(frozen=True)
class Every:
    """Conjunction of two or more parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Some:
    """Disjunction of two or more parts."""

    parts: tuple[Node, ...]


Node = Comparison | Not | Every | Some


def value_text(value: Value) -> str:
    """A value as the language writes it; texts in double quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render(node: Node) -> str:
    """The canonical text of a tree: one spelling, no needless parentheses; parses to the same tree."""
    if isinstance(node, Comparison):
        values = [value_text(value) for value in node.values]
        right = f"({', '.join(values)})" if node.operator in ("in", "not in") else " and ".join(values)
        return f"{node.field.name} {node.operator} {right}"
    if isinstance(node, Not):
        inner = render(node.part)
        return f"not {inner}" if isinstance(node.part, Comparison) else f"not ({inner})"
    if isinstance(node, Every):
        return " and ".join(f"({render(part)})" if isinstance(part, Some) else render(part) for part in node.parts)
    return " or ".join(render(part) for part in node.parts)
