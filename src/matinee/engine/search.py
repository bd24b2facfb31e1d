"""Search by title: exact, prefix, then typo-tolerant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matinee.data.catalog import Catalog
from matinee.engine.filters import fold

CUTOFF = 70.0
"""Least WRatio (0..100) of a fuzzy match (the classic title search used the same)."""

_DROPPED = str.maketrans(dict.fromkeys("\"'`´’‘“”.,:;!?()[]{}-–—/\\&+*_", " "))
_ARTICLES = {"the", "a", "an"}


def key_of(title: str) -> str:
    """A title as it is compared: no case, accents or punctuation, no leading article."""
    words = fold(title).translate(_DROPPED).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


class TitleIndex:
    """The folded titles of a catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        years = catalog.column("year")
        self.keys = [key_of(title) for title in catalog.column("title")]
        self.years: list[int | None] = years
        self.rows_by_key: dict[str, list[int]] = {}
        for row, key in enumerate(self.keys):
            self.rows_by_key.setdefault(key, []).append(row)
        self._distinct = list(self.rows_by_key)

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
        wanted, year = _split_year(text)
        found: dict[int, tuple[float, str]] = {}

        def add(key: str, score: float, how: str) -> None:
            for row in self.rows_by_key[key]:
                if allowed[row] and (row not in found or found[row][0] < score):
                    found[row] = (score, how)

        for key in {wanted, key_of(text)} - {""}:
            if key in self.rows_by_key:
                add(key, 1.0, "the title itself")
            for title in self._distinct:
                if title.startswith(key):
                    add(title, 0.95, "the title begins so")
                elif f" {key}" in title:
                    add(title, 0.9, "a word of the title begins so")
        if wanted and len(found) < n:
            # token_set inside WRatio gives long titles that hold one of the words 90 or more; a second look by
            # plain ratio puts the title that is spelt most alike first.
            for title, score, _ in process.extract(
                wanted, self._distinct, scorer=fuzz.WRatio, score_cutoff=CUTOFF, limit=max(50, 5 * n)
            ):
                like = 0.5 * score + 0.5 * fuzz.ratio(wanted, title)
                add(title, 0.88 * like / 100.0, f"spelt {score:.0f} % alike")

        def rank(row: int) -> tuple[float, float, int]:
            score = found[row][0] + (0.04 if year is not None and self.years[row] == year else 0.0)
            return -score - 0.03 * float(weight[row]), -float(weight[row]), row

        return [(row, min(found[row][0], 1.0), found[row][1]) for row in sorted(found, key=rank)[:n]]


def _split_year(text: str) -> tuple[str, int | None]:
    words = fold(text).translate(_DROPPED).split()
    if len(words) > 1 and len(words[-1]) == 4 and words[-1].isdigit() and 1870 <= int(words[-1]) <= 2200:
        return key_of(" ".join(words[:-1])), int(words[-1])
    return key_of(text), None
