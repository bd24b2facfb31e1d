"""The forms in which names of movies are compared: strict, loose, and parts of a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from matinee.data.numerals import ROMAN, TEN_WORDS, UNIT_WORDS
from matinee.data.titles import ARTICLES

__all__ = ["Keys", "keys_of", "plain_words"]

_ENGLISH = frozenset({"the", "a", "an"})
_IDLE = _ENGLISH | {"and"}
_LEADING = frozenset(ARTICLES.lower().split("|")) - {"i", "o", "as", "os", "et", "da"} | {"l", "d"}
"""Articles left out at the begin of a name; not those that are words of English titles, too ("I, Robot")."""
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_FRACTION = re.compile(r"([¼-¾⅐-⅞])")
_ELIDED = re.compile(r"\b([ld])['’´`](?=\w)")
_SILENT = re.compile(r"['’‘´`ʻ.·*•]")
_PLUS = re.compile(r"(?<=\s)\+(?=\s)")
_WORD = re.compile(r"[^\W_]+")
_CUT = re.compile(r",?\s+or:\s+|,\s+or,?\s+|\s*[:/]\s+|\s+[-–—~]+\s+|:", re.IGNORECASE)
_MAY_CUT = re.compile(r"[:/–—~]|\s-|, or", re.IGNORECASE)
_PARTS = frozenset({"part", "pt", "episode", "chapter", "vol", "volume"})
_SAME = {"vs": "versus", "mr": "mister", "dr": "doctor", "st": "saint", "mrs": "missus"}
_NUMBERS = {word: str(number) for word, number in (ROMAN | UNIT_WORDS | TEN_WORDS).items()}
_TEN_DIGITS = frozenset(map(str, TEN_WORDS.values()))


class Keys(NamedTuple):
    """The forms of a name; each may be empty.

    Attributes:
        exact: without case, accents and punctuation.
        strict: besides, without a leading English article.
        loose: besides, numerals as digits, no articles, no "and", no "part" before a number.
    """

    exact: frozenset[str]
    strict: frozenset[str]
    loose: frozenset[str]


def _folded(text: str) -> str:
    text = text.casefold().replace("&", " and ")
    if text.isascii():
        return text
    text = _FRACTION.sub(r" \1", text)
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return text.translate(_LETTERS).casefold()


def plain_words(name: str) -> list[str]:
    """The words of a name, without case, accents and punctuation; "&" and "+" are "and"."""
    text = _folded(name)
    if text.isascii() and text.isalnum():
        return [text]
    if "+" in text:
        text = _PLUS.sub("and", text)
    return _WORD.findall(_SILENT.sub("", _ELIDED.sub(r"\1 ", text)))


def _joined(words: list[str]) -> str:
    """Words without blanks ("spider-man" is "spiderman"), numbers apart from each other."""
    text = "".join(words)
    if text.isalpha():
        return text
    text = ""
    for word in words:
        text += " " + word if text[-1:].isdigit() and word[0].isdigit() else word
    return text


def _strict(words: list[str]) -> str:
    return _joined(words[1:] if len(words) > 1 and words[0] in _ENGLISH else words)


def _loose(words: list[str]) -> str:
    """The words with numerals as digits, without articles and "and"."""
    if len(words) > 1 and words[0] in _LEADING:
        words = words[1:]
    numbered: list[str] = []
    for word in words:
        if word in _IDLE and len(words) > 1:
            continue
        number = _NUMBERS.get(word, word) if len(words) > 1 or len(word) > 1 else word  # "X" is no ten
        if number.isdecimal():
            if numbered and numbered[-1] in _PARTS:
                numbered.pop()
            if numbered and numbered[-1] in _TEN_DIGITS and word in UNIT_WORDS and int(number) < 10:
                number = str(int(numbered.pop()) + int(number))  # twenty one
            numbered.append(number.lstrip("0") or "0")
        else:
            numbered.append(_SAME.get(word, word))
    return _joined(numbered)


def keys_of(name: str) -> Keys:
    """The forms of one name, as a catalog or another site writes it."""
    spellings = {name}
    if not name.isascii():
        spellings.add(unicodedata.normalize("NFC", name.casefold()).translate(_UMLAUTS))
    exact: set[str] = set()
    strict: set[str] = set()
    loose: set[str] = set()
    for spelling in spellings:
        words = plain_words(spelling)
        if words:
            exact.add(_joined(words))
            strict.add(_strict(words))
            loose.add(_loose(words))
            if "v" in words[1:-1]:  # five, or versus
                loose.add(_loose(["versus" if word == "v" else word for word in words]))
        elif spelling.strip():
            exact.add(spelling.strip().casefold())
    return Keys(frozenset(exact), frozenset(strict - {""}), frozenset(loose - {""}))


def segments(name: str) -> list[str]:
    """The parts of a name between colons and dashes, without those that only count ("Episode IV")."""
    parts = [part.strip() for part in _CUT.split(name) if part.strip()]
    return [part for i, part in enumerate(parts) if i == 0 or not _only_counts(plain_words(part))] if parts else [name]


def _only_counts(words: list[str]) -> bool:
    return len(words) == 2 and words[0] in _PARTS and _NUMBERS.get(words[1], words[1]).isdigit()


def parts_of(name: str) -> Iterator[tuple[str, bool]]:
    """Names that a movie goes by in part, and whether that part is the begin of its name.

    "Star Wars: Episode V - The Empire Strikes Back" → "Star Wars: The Empire Strikes Back", "Star Wars", "The Empire
    Strikes Back"; "Star Trek II: The Wrath of Khan" → "Star Trek II", "Star Trek: The Wrath of Khan", …
    """
    if not _MAY_CUT.search(name):
        return
    parts = segments(name)
    if len(parts) < 2:
        return
    yield ": ".join(parts), False
    head, rest = parts[0], " ".join(parts[1:])
    words = plain_words(head)
    if len(words) > 1 and _NUMBERS.get(words[-1], words[-1]).isdigit():
        yield " ".join(words[:-1]) + ": " + rest, False
    if len(plain_words(rest)) > 1:
        yield head, True
    if len([word for word in plain_words(rest) if word not in _ENGLISH]) > 1:
        yield rest, False
