"""Filter text → tokens with their positions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from matinee.errors import FilterError

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
