"""Numerals of titles in one form: "Rocky III", "Rocky Three" and "Rocky 3"; "8½" and "8 1/2"; "12" and "Twelve"."""

from __future__ import annotations

from matinee.data.numerals import ROMAN, TEN_WORDS, UNIT_WORDS

_ROMAN = {word: number for word, number in ROMAN.items() if 2 <= number <= 20}
_SPELLED = {word: number for word, number in (UNIT_WORDS | TEN_WORDS).items() if 1 <= number <= 20}
_DIGITS = {word: str(number) for word, number in (_ROMAN | _SPELLED).items()}
_LETTERS = {"x"}
"""Numerals that are rather letters ("Malcolm X")."""
_COUNTED = {"part", "episode", "vol", "volume", "chapter", "pt", "no", "nr"}
"""Words that say that a number counts: "The Godfather Part II" is "godfather 2"."""

_FRACTIONS = str.maketrans({"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "²": " 2", "³": " 3", "⁴": " 4"})


def spread(text: str) -> str:
    """A text whose fractions and raised digits are words of their own: "8½" → "8 1/2", "Alien³" → "Alien 3"."""
    return text if text.isascii() else text.translate(_FRACTIONS)


def in_digits(key: str) -> str:
    """A title key with its numerals as digits.

    >>> in_digits("star wars episode iv a new hope"), in_digits("twelve angry men"), in_digits("malcolm x")
    ('star wars 4 a new hope', '12 angry men', 'malcolm x')
    """
    words = key.split()
    result: list[str] = []
    for place, word in enumerate(words):
        counted = place > 0 and words[place - 1] in _COUNTED
        roman = word in _ROMAN
        digits = _DIGITS.get(word, word if word.isdecimal() else None)
        if digits is None or (word in _LETTERS and not counted) or (roman and place == 0):
            result.append(word)
            continue
        if counted and place > 1:
            result.pop()
        result.append(digits)
    return " ".join(result)
