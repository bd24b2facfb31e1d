"""Search by title: exact, prefix, then typo-tolerant."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matinee.data.catalog import Catalog
from matinee.engine.derived import PerCatalog
from matinee.engine.filters import fold

CUTOFF = 70.0
"""Least similarity (0..100, RapidFuzz's WRatio) of a fuzzy match; the classic title search used the same."""
CLEAR = 80.0
"""A title spelt this much alike makes the slower, looser comparison needless."""

_DROPPED = str.maketrans(dict.fromkeys('.,:;!?()[]{}-–—/\\&+*_"“”', " ") | dict.fromkeys("'`´’‘", ""))
_ARTICLES = {"the", "a", "an"}
_ALTERNATIVE = re.compile(r"\((?:a\.?k\.?a\.?:? )?([^()]*)\)", re.IGNORECASE)


def key_of(title: str) -> str:
    """A title as it is compared: no case, accents or punctuation, no leading article."""
    words = fold(title).translate(_DROPPED).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


def keys_of(title: str) -> Iterator[tuple[str, float]]:
    """The names that a title goes by, and how much each counts: itself, what stands before a colon or in brackets."""
    yield key_of(title), 1.0
    bare = _ALTERNATIVE.sub(" ", title)
    yield key_of(bare), 0.99
    for alternative in _ALTERNATIVE.findall(title):
        yield key_of(alternative), 0.98
    if ":" in bare:
        yield key_of(bare.split(":", 1)[0]), 0.97


class TitleIndex:
    """The folded titles of a catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self.years: list[int | None] = catalog.column("year")
        self.rows_by_key: dict[str, dict[int, float]] = {}
        for row, title in enumerate(catalog.column("title")):
            for key, worth in keys_of(title):
                if key:
                    self.rows_by_key.setdefault(key, {}).setdefault(row, worth)
        self._keys = list(self.rows_by_key)

    def find(
        self, text: str, allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int
    ) -> list[tuple[int, float, str]]:
        """(row, score 0..1, how) of up to n films, best first.

        A year at the end of the text ("Hamlet 1996", "Hamlet (1996)") prefers the films of that year.

        Args:
            allowed: (n_items,) films that may be returned.
            weight: (n_items,) 0..1, breaks ties between equal matches (popularity).
            n: films wanted.
        """
        found: dict[int, tuple[float, str]] = {}

        def add(key: str, score: float, how: str) -> None:
            for row, worth in self.rows_by_key[key].items():
                if allowed[row] and (row not in found or found[row][0] < score * worth):
                    found[row] = (score * worth, how)

        wanted, year = _split_year(text)
        for name in {wanted, key_of(text)} - {""}:
            if name in self.rows_by_key:
                add(name, 1.0, "the title itself")
            for key in self._keys:
                if key.startswith(name):
                    add(key, 0.95, "the title begins so")
                elif f" {name}" in key:
                    add(key, 0.9, "a word of the title begins so")
        if wanted and len(found) < n:
            for key, alike in self._alike(wanted):
                add(key, 0.0088 * alike, f"spelt {alike:.0f} % alike")

        def score(row: int) -> float:
            of_year = 0.04 if year is not None and self.years[row] == year else 0.0
            return (found[row][0] + of_year + 0.06 * float(weight[row])) / 1.1

        ranked = sorted((-score(row), -float(weight[row]), row) for row in found)
        return [(row, -negative, found[row][1]) for negative, _, row in ranked[:n]]

    def _alike(self, wanted: str) -> Iterator[tuple[str, float]]:
        best = 0.0
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio):
            for key, alike, _ in process.extract(wanted, self._keys, scorer=scorer, score_cutoff=60.0, limit=50):
                best = max(best, alike)
                yield key, alike
        if best < CLEAR:
            # WRatio also finds parts, and gives any title that is a part of the text 90: it only opens the door.
            # People type how a title begins, so a long title's beginning is looked at as well.
            found = process.extract(wanted, self._keys, scorer=fuzz.WRatio, score_cutoff=CUTOFF, limit=200)
            for key, loose, _ in found:
                begins = fuzz.ratio(wanted, key[: len(wanted) + 1]) if len(key) > len(wanted) > 3 else 0.0
                yield key, max(0.3 * loose + 0.7 * fuzz.ratio(wanted, key), 0.95 * begins)


titles_of = PerCatalog(TitleIndex)
"""The title index of a catalogue; ratings leave it as it is."""


def _split_year(text: str) -> tuple[str, int | None]:
    words = fold(text).translate(_DROPPED).split()
    if len(words) > 1 and re.fullmatch(r"(18[7-9]|19\d|2[01]\d)\d", words[-1]):
        return key_of(" ".join(words[:-1])), int(words[-1])
    return key_of(text), None
