"""Short forms that people type for films and series: the common ones, and initials of titles in the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable

COMMON = {
    "atla": "avatar the last airbender",
    "bttf": "back to the future",
    "esb": "star wars episode v the empire strikes back",
    "gotg": "guardians of the galaxy",
    "hp": "harry potter",
    "hsm": "high school musical",
    "ij": "indiana jones",
    "jp": "jurassic park",
    "lotr": "lord of the rings",
    "mi": "mission impossible",
    "mib": "men in black",
    "potc": "pirates of the caribbean",
    "rotj": "star wars episode vi return of the jedi",
    "st": "star trek",
    "sw": "star wars",
    "tdk": "dark knight",
    "tlotr": "lord of the rings",
    "tmnt": "teenage mutant ninja turtles",
}
"""What is typed, and the beginning of the titles that are meant; in the form of title keys."""

LEAST = 3
"""Least letters of initials: of two letters too many titles begin so."""

_JOINED = re.compile(r"([a-z]{1,5})(\d{1,2})")


def expanded(key: str) -> str | None:
    """A text in the form of title keys with its short forms written out ("hp3" → "harry potter 3"), or None."""
    words: list[str] = []
    for word in key.split():
        joined = _JOINED.fullmatch(word)
        if word in COMMON:
            words.append(COMMON[word])
        elif joined and joined[1] in COMMON:
            words += [COMMON[joined[1]], joined[2]]
        else:
            words.append(word)
    text = " ".join(words)
    return text if text != key else None


def initials(names: Iterable[str]) -> set[str]:
    """The initials that names may be called by: "the silence of the lambs" → "tsotl"; "terminator 2 …" → "t2".

    Args:
        names: in the form of title keys, with and without an article, numerals as digits.
    """
    found: set[str] = set()
    for name in names:
        words = name.split()
        short = "".join(word[0] for word in words)
        if len(words) >= LEAST and short.isalpha():
            found.add(short)
        for place, word in enumerate(words):
            if word.isdecimal() and len(word) <= 2 and place:
                begins = "".join(before[0] for before in words[:place])
                if begins.isalpha():
                    found.add(begins + word)
                break
    return found
