"""Recursive descent parser of the filter language, with bounded length and depth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import process

from matinee.engine.filters.evaluate import Filter
from matinee.engine.filters.syntax import (
    ALIASES,
    FIELDS,
    OPERATORS,
    Comparison,
    Every,
    Field,
    Node,
    Not,
    Operator,
    Some,
    Value,
)
from matinee.errors import FilterError

MAX_DEPTH = 50
"""Deepest nesting of parentheses."""

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_RESERVED = frozenset({"and", "or", "not", "in", "between"})
_SLIPS = {"&&": "and", "&": "and", "||": "or", "|": "or"}


_OPERATORS = {"==": "=", "<>": "!=", "=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "~": "~"}
_TOKEN = re.compile(
    r"""\s*(?:(?P<operator><>|[=!<>]=|[=<>~])|(?P<mark>[(),])|(?P<quote>["'])|(?P<word>[^\s()=!<>~,"']+))"""
)
_STRING = {quote: re.compile(rf"((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "\"'"}


@dataclass(frozen=True)
class Token:
    """A piece of filter text; `text` is unescaped for strings and normal for operators."""

    kind: Literal["operator", "mark", "string", "word", "end"]
    text: str
    position: int

    def is_word(self, word: str) -> bool:
        """True for this bare word, in any case."""
        return self.kind == "word" and self.text.lower() == word

    def is_mark(self, mark: str) -> bool:
        """True for this parenthesis or comma."""
        return self.kind == "mark" and self.text == mark


def tokenize(text: str) -> list[Token]:
    """Split filter text into tokens, the last of kind "end".

    Raises:
        FilterError: a character that begins nothing, or a string without its end.
    """
    tokens: list[Token] = []
    place, stop = 0, len(text.rstrip())
    while place < stop:
        match = _TOKEN.match(text, place)
        if match is None:
            fault = place + len(text[place:]) - len(text[place:].lstrip())
            raise FilterError(
                f"{text[fault]!r} means nothing here.", fault, 'Write "!=" for unequal and "not" to negate.'
            )
        kind = str(match.lastgroup)
        start = match.start(kind)
        if kind == "quote":
            string = _STRING[match[kind]].match(text, match.end())
            if string is None:
                raise FilterError(
                    "A quoted text has no end.", start, f"Close it with {match[kind]} (within a text: \\{match[kind]})."
                )
            tokens.append(Token("string", re.sub(r"\\(.)", r"\1", string[1], flags=re.DOTALL), start))
            place = string.end()
        else:
            shown = _OPERATORS[match[kind]] if kind == "operator" else match[kind]
            tokens.append(Token(kind, shown, start))  # type: ignore[arg-type]
            place = match.end()
    return [*tokens, Token("end", "", stop)]


@lru_cache(maxsize=1024)
def _parse(text: str) -> Filter:
    if not text.strip():
        return Filter(None)
    return Filter(_Parser(tokenize(text)).whole())


def parse(text: str, max_length: int = 2000) -> Filter:
    """Parse filter text; the empty text gives the filter that allows every movie.

    Raises:
        FilterError: with the 0-based position of the fault and what to do about it.
    """
    if len(text) > max_length:
        raise FilterError(
            f"The filter has {len(text):,} characters, more than the {max_length:,} allowed.",
            max_length,
            "Shorten it; a list of values is shorter as `in (A, B)`.",
        )
    try:
        return _parse(text)
    except FilterError as error:
        error.text = text
        raise


class _Parser:
    """One pass over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.place, self.depth = tokens, 0, 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def take(self) -> Token:
        token = self.token
        self.place += 1
        return token

    def whole(self) -> Node:
        node = self.disjunction()
        if self.token.kind != "end":
            raise self.after_comparison()
        return node

    def after_comparison(self) -> FilterError:
        token = self.token
        if token.text in _SLIPS:
            hint = f'Write "{_SLIPS[token.text]}" instead of "{token.text}".'
        elif token.text == ")":
            hint = 'Take this ")" away or open it before.'
        else:
            hint = 'Join comparisons by "and" or "or"; put values of several words in quotes.'
        return FilterError(f"{_shown(token)} was not expected here.", token.position, hint)

    def joined(self, word: str, part: Callable[[], Node]) -> list[Node]:
        parts = [part()]
        while self.token.is_word(word):
            self.take()
            parts.append(part())
        return parts

    def disjunction(self) -> Node:
        parts: list[Node] = []
        for node in self.joined("or", self.conjunction):
            parts.extend(node.parts if isinstance(node, Some) else (node,))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def conjunction(self) -> Node:
        parts: list[Node] = []
        for node in self.joined("and", self.negation):
            parts.extend(node.parts if isinstance(node, Every) else (node,))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def negation(self) -> Node:
        negated = False
        while self.token.is_word("not"):
            self.take()
            negated = not negated
        node = self.primary()
        if not negated:
            return node
        return node.part if isinstance(node, Not) else Not(node)

    def primary(self) -> Node:
        if not self.token.is_mark("("):
            return self.comparison()
        opening = self.take()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FilterError(
                f"Parentheses are nested more than {MAX_DEPTH} deep.", opening.position, "Write the filter flatter."
            )
        node = self.disjunction()
        if self.token.kind == "end":
            raise FilterError('A "(" has no end.', opening.position, 'Close it with ")".')
        if not self.token.is_mark(")"):
            raise self.after_comparison()
        self.take()
        self.depth -= 1
        return node

    def comparison(self) -> Comparison:
        name = self.take()
        if name.kind == "end":
            raise FilterError("The filter ends where a comparison should be.", name.position, _example())
        if name.kind != "word" or name.text.lower() in _RESERVED:
            raise FilterError(f"{_shown(name)} is not the name of a field.", name.position, _example())
        field = _field(name)
        operator = self.operator(field)
        if operator in ("in", "not in"):
            values = self.values(field)
        elif operator == "between":
            low = self.value(field)
            if not self.token.is_word("and"):
                raise FilterError(
                    '"between" needs two values.', self.token.position, f"Write: {field.name} between 1990 and 1999."
                )
            self.take()
            values = (low, self.value(field))
        else:
            values = (self.value(field),)
        return Comparison(field, operator, values, name.position)

    def operator(self, field: Field) -> Operator:
        token = self.take()
        text = token.text.lower()
        if token.is_word("not") and self.token.is_word("in"):
            self.take()
            text = "not in"
        allowed = OPERATORS[field.kind]
        if token.kind not in ("operator", "word") or text not in (*OPERATORS["number"], "~"):
            raise FilterError(
                f"{_shown(token)} is not a comparison.",
                token.position,
                f"After {field.name} write one of: {', '.join(allowed)}.",
            )
        for operator in allowed:
            if operator == text:
                return operator
        raise FilterError(
            f"{field.name} cannot be compared by {text}.", token.position, f"It takes: {', '.join(allowed)}."
        )

    def values(self, field: Field) -> tuple[Value, ...]:
        opening = self.take()
        if not opening.is_mark("("):
            raise FilterError(
                "A list of values stands in parentheses.", opening.position, f'Write: {field.name} in ("A", "B").'
            )
        values = [self.value(field)]
        while self.token.is_mark(","):
            self.take()
            values.append(self.value(field))
        closing = self.take()
        if not closing.is_mark(")"):
            raise FilterError(
                f"{_shown(closing)} was not expected in a list of values.",
                closing.position,
                'Separate values by "," and end the list with ")"; put values of several words in quotes.',
            )
        return tuple(values)

    def value(self, field: Field) -> Value:
        token = self.take()
        word = token.kind == "word" and token.text.lower() not in _RESERVED
        if not word and token.kind != "string":
            hint = "Put a value there, in quotes where it has several words or is a word of the language."
            raise FilterError(f"{_shown(token)} is not a value for {field.name}.", token.position, hint)
        if field.kind == "number":
            text = token.text.strip()
            text = text[:-1] if field.name == "decade" and text[-1:] in ("s", "S") else text
            number = float(text) if _NUMBER.fullmatch(text) else math.nan
            if not math.isfinite(number):
                raise FilterError(f"{_shown(token)} is not a number.", token.position, f"{field.name} takes numbers.")
            return number + 0.0  # −0 becomes 0
        if field.kind == "flag":
            if token.text.lower() not in ("true", "false"):
                raise FilterError(f"{_shown(token)} is neither true nor false.", token.position, "Write true or false.")
            return token.text.lower() == "true"
        return token.text


def _shown(token: Token) -> str:
    if token.kind == "end":
        return "The end of the filter"
    text = token.text if len(token.text) <= 40 else token.text[:40] + "…"
    return f'"{text}"'


def _example() -> str:
    return f'Write for example: genre = "Comedy" and year >= 1990. Fields: {", ".join(FIELDS)}.'


def _field(token: Token) -> Field:
    name = token.text.lower()
    name = ALIASES.get(name, name)
    if name not in FIELDS:
        near = process.extractOne(name[:40], [*FIELDS, *ALIASES], score_cutoff=60)
        hint = f'Did you mean "{near[0]}"? ' if near else ""
        raise FilterError(f"There is no field {_shown(token)}.", token.position, f"{hint}Fields: {', '.join(FIELDS)}.")
    return FIELDS[name]
