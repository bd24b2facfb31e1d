"""Text layout for Pillow's built-in font. Characters that it lacks are transliterated or left out.

Aileron (CC0) is part of Pillow, so that cards look the same everywhere without a download. It has little more than
ASCII; missing characters would be drawn as boxes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

MAX_LETTERS = 200
"""Maximum number of letters of a title."""
_MEASURED = 100
"""Font size, in pixels, at which widths are measured."""
_HINTED = 1.03
"""Maximum factor by which hinting makes letters of small sizes wider."""

DRAWN = frozenset(map(chr, range(0x20, 0x7F))) | frozenset("©«°±´·»‘’“”…‹›⁄™")
"""Characters of the font that titles need."""

_LATIN = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "ng", "ə": "a", "Ə": "A",
    "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "′": "’", "″": "”", "„": "“", "‚": "‘", "`": "’", "×": "x",
    "¡": "", "¿": "", "·": "·", "•": "·", "・": " ", "。": ".", "、": ", ", "「": "“", "」": "”", "ー": "",
}  # fmt: skip


def _table(letters: str, sounds: str) -> dict[str, str]:
    return {letter: sound.strip("'") for letter, sound in zip(letters, sounds.split(), strict=True)}


_CYRILLIC = _table(
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўјљњђћџ",
    "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch ' y ' e yu ya i yi ye g u j lj nj dj c dz",
)
_GREEK = _table("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o")
_LETTERS = _CYRILLIC | _GREEK
_NAMED = ("HIRAGANA LETTER ", "KATAKANA LETTER ", "HANGUL SYLLABLE ")
"""Scripts whose Unicode names contain the sound of a letter."""
_SOUNDS = {"si": "shi", "ti": "chi", "tu": "tsu", "hu": "fu", "zi": "ji", "di": "ji", "du": "zu", "wo": "o"}
_SILENT = frozenset("ьъЬЪーっッ")
_JOINS = "\b"
"""Marks a small や, ゆ or よ, which replaces the vowel before it: き + ょ is "kyo"."""


@lru_cache(4096)
def _spell(char: str) -> str:
    if char in _LATIN:
        return _LATIN[char]
    if char in DRAWN:
        return char
    small = char.lower()
    if small in _LETTERS:
        return _LETTERS[small] if small == char else _LETTERS[small].capitalize()
    name = unicodedata.name(char, "")
    if name.startswith(_NAMED):
        return _sound(name.split(" ", 2)[2].lower())
    plain = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    if plain != char:  # é → e, ﬁ → fi, ½ → 1⁄2, ά → α
        return "".join(map(_spell, plain))
    return " " if char.isspace() else ""


def _sound(name: str) -> str:
    if name.startswith("small "):
        return "" if name == "small tu" else _JOINS + name[6:] if name[6:7] == "y" else name[6:]
    if name.startswith("c"):  # a Hangul syllable
        return "ch" + name[1:].removeprefix("h")
    return _SOUNDS.get(name, name)


def spell(text: str) -> str:
    """A text in characters of the font, with normalized white space: "Amélie" → "Amelie", "おと" → "Oto".

    Cyrillic and Greek letters, kana and hangul are transliterated. Others (Chinese, Arabic, emoji …) are left out.

    Returns:
        The text, or "" if more letters and digits were left out than remain.
    """
    spelled, n_lost, n_spelled = [], 0, 0
    for char in unicodedata.normalize("NFC", text):
        part = _spell(char)
        spelled.append(part)
        if char.isalnum() and char not in _SILENT:
            n_spelled, n_lost = n_spelled + bool(part), n_lost + (not part)
    joined = re.sub(f"(sh|ch|j)i{_JOINS}y", r"\1", "".join(spelled))
    words = re.sub(f"i?{_JOINS}", "", joined).split()
    if not n_spelled or n_lost > n_spelled:
        return ""
    plain = " ".join(word for word in words if any(c.isalnum() for c in word) or word in ("&", "-", "+", "/", "!", "?"))
    return plain[:1].upper() + plain[1:] if plain[:1].islower() and not text[:1].islower() else plain


@lru_cache(1024)
def _advance(char: str) -> float:
    """Width of a character in ems."""
    from PIL import ImageFont

    return float(ImageFont.load_default(_MEASURED).getlength(char)) / _MEASURED


def width_of(text: str, size: float) -> float:
    """Width of a text in pixels, without kerning, which only makes texts narrower."""
    return size * _HINTED * sum(map(_advance, text))


def break_word(word: str, size: int, width: float) -> list[str]:
    """Split a word into pieces that fit, with hyphens."""
    pieces = []
    while width_of(word, size) > width and len(word) > 1:
        room, cut = width - width_of("-", size), 0
        while cut < len(word) - 1 and (room := room - width_of(word[cut], size)) >= 0:
            cut += 1
        cut = max(cut, 1)
        pieces.append(word[:cut] + "-")
        word = word[cut:]
    return [*pieces, word]


def wrap(text: str, size: int, width: float, *, cut_words: bool = False) -> list[str] | None:
    """Break a text into lines of at most `width` pixels.

    Returns:
        The lines; None if a word does not fit and must not be split.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if width_of(joined, size) <= width:
            line = joined
            continue
        if width_of(word, size) > width:
            if not cut_words:
                return None
            *whole, word = break_word(word, size, width)
            lines += [part for part in (line, *whole) if part]
        elif line:
            lines.append(line)
        line = word
    return [*lines, line] if line else lines


def fit(
    text: str, width: float, height: float, sizes: Sequence[int], *, leading: float = 1.12
) -> tuple[list[str], int]:
    """Lines and font size, in pixels, that fit a text into a box.

    Tries the larger half of the sizes without splitting words, then with splitting; then the smaller half in the same
    way. If nothing fits, the text is truncated with "…" at the smallest size.

    Args:
        sizes: font sizes, largest first.
    """
    if len(text) > MAX_LETTERS:
        text = text[:MAX_LETTERS].rsplit(" ", 1)[0].rstrip(",;:-") + "…"
    half = (len(sizes) + 1) // 2
    for candidates in (sizes[:half], sizes[half:]):
        for cut_words in (False, True):
            for size in candidates:
                lines = wrap(text, size, width, cut_words=cut_words)
                if lines is not None and len(lines) * size * leading <= height:
                    return lines, size
    size = sizes[-1]
    lines = (wrap(text, size, width, cut_words=True) or [""])[: max(1, int(height // (size * leading)))]
    last = lines[-1].rstrip("…-") + "…"
    while len(last) > 1 and width_of(last, size) > width:
        last = last[:-2].rstrip() + "…"
    return [*lines[:-1], last], size
