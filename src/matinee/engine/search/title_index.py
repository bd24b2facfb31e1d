"""Search by title: exact, prefix, then typo-tolerant."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matinee.data.catalog import Catalog
from matinee.engine.catalog_cache import PerCatalog
from matinee.engine.filters import fold

CUTOFF = 70.0
"""Least similarity (0..100, RapidFuzz's WRatio) of a fuzzy match; the classic title search used the same."""
CLEAR = 80.0
"""A title spelled this much alike makes the slower, looser comparison needless."""
MIN_SIMILARITY, MIN_SIMILARITY_SHORT = 60.0, 50.0
"""Least similarity (0..100, RapidFuzz's ratio) of a whole title, and of one of at most `SHORT` characters."""
SHORT = 6
LONGEST_LOOSE = 40
"""Texts of more characters are compared with whole titles only: they describe plots, and comparing parts takes long."""

EXACT, PREFIX, WORD = "the title itself", "the title begins so", "a word of the title begins so"
"""How a title matched, in words; the fourth way is "spelt 92 % alike"."""

_DROPPED = str.maketrans(dict.fromkeys('.,:;!?()[]{}-–—/\\&+*_"“”', " ") | dict.fromkeys("'`´’‘", ""))
_ARTICLES = {"the", "a", "an"}
_ALTERNATIVE = re.compile(r"\((?:a\.?k\.?a\.?:? )?([^()]*)\)", re.IGNORECASE)


def key_of(title: str) -> str:
    """A title as it is compared: no case, accents or punctuation, no leading article."""
    words = fold(title).translate(_DROPPED).split()
    return " ".join(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


class Key(NamedTuple):
    """A name that a movie goes by, as it is compared; how much it counts; and, if it is not the title, as written."""

    text: str
    worth: float
    other: str | None = None


class TitleHit(NamedTuple):
    """A movie found by title.

    Attributes:
        row: in the catalog.
        score: 0..1.
        how: why, in words.
        other: the original or alternate title that matched; None: the title did.
    """

    row: int
    score: float
    how: str
    other: str | None = None


def keys_of(title: str, others: Iterable[str] = ()) -> Iterator[Key]:
    """The names that a movie goes by: its title, what stands before a colon or in brackets, its other titles.

    >>> [key.text for key in keys_of("Alien³ (a.k.a. Alien 3)")]
    ['alien3 aka alien 3', 'alien3', 'alien 3']
    """
    yield Key(key_of(title), 1.0)
    bare = _ALTERNATIVE.sub(" ", title)
    yield Key(key_of(bare), 0.99)
    for alternative in _ALTERNATIVE.findall(title):
        yield Key(key_of(alternative), 0.98, alternative)
    for other in others:
        yield Key(key_of(other), 0.98, other)
    if ":" in bare:
        yield Key(key_of(bare.split(":", 1)[0]), 0.97)


class TitleIndex:
    """The folded titles of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.years: list[int | None] = catalog.column("year")
        self.rows_by_key: dict[str, dict[int, Key]] = {}
        spellings: dict[str, str] = {}
        others = catalog.other_titles()
        for row, title in enumerate(catalog.column("title")):
            for key in keys_of(title, others[row]):
                if key.text:
                    self.rows_by_key.setdefault(key.text, {}).setdefault(row, key)
                    spellings.setdefault(key.text, key.text)
            # A typo in an article leaves it in the text: such titles are compared with their article as well.
            for name in (_ALTERNATIVE.sub(" ", title), *others[row]):
                whole = _folded(name)
                if (text := key_of(whole)) in self.rows_by_key:
                    spellings.setdefault(whole, text)
        self._keys = list(self.rows_by_key)
        self._spellings, self._key_of_spelling = list(spellings), list(spellings.values())
        self._sorted = [_sorted(key) for key in self._keys]
        # All keys in one text, each on a line: its beginnings and its words are hits by one search in C.
        self._text = "\n" + "\n".join(self._keys)
        self._starts = np.cumsum([0, *(len(key) + 1 for key in self._keys)]).tolist()

    def find(self, text: str, allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int) -> list[TitleHit]:
        """Up to n movies, best first.

        A year at the end of the text ("Hamlet 1996", "Hamlet (1996)") prefers the movies of that year.

        Args:
            allowed: (n_items,) movies that may be returned.
            weight: (n_items,) 0..1, breaks ties between equal matches (popularity).
            n: maximum number of movies.
        """
        hits: dict[int, TitleHit] = {}

        def add(text: str, score: float, how: str) -> None:
            for row, key in self.rows_by_key[text].items():
                if allowed[row] and (row not in hits or hits[row].score < score * key.worth):
                    hits[row] = TitleHit(row, score * key.worth, how, key.other)

        name, year = _split_year(text)
        for candidate in {name, key_of(text)} - {""}:
            if candidate in self.rows_by_key:
                add(candidate, 1.0, EXACT)
            for key in self._having(f"\n{candidate}"):
                add(key, 0.95, PREFIX)
            for key in self._having(f" {candidate}"):
                add(key, 0.9, WORD)
        if name and len(hits) < n:
            whole = _folded(text) if year is None else name
            begun = any(hit.how in (EXACT, PREFIX) for hit in hits.values())
            for key, alike in self._alike(name, whole, loosely=not begun):
                add(key, 0.0088 * alike, f"spelt {alike:.0f} % alike")

        def score(row: int) -> float:
            of_year = 0.04 if year is not None and self.years[row] == year else 0.0
            return (hits[row].score + of_year + 0.06 * float(weight[row])) / 1.1

        ranked = sorted((-score(row), -float(weight[row]), row) for row in hits)
        return [hits[row]._replace(score=-negative) for negative, _, row in ranked[:n]]

    def _having(self, part: str) -> Iterator[str]:
        """Keys with a part, which begins with a line break (where the key begins) or a space (where a word does)."""
        position = self._text.find(part)
        while position >= 0:
            number = bisect_right(self._starts, position) - 1
            yield self._keys[number]
            position = self._text.find(part, self._starts[number + 1])

    def _alike(self, key: str, whole: str, *, loosely: bool) -> Iterator[tuple[str, float]]:
        """Keys spelled alike, and how much (0..100); a key may come several times.

        Args:
            key: the text in the form of the keys, without an article.
            whole: the text with its article.
            loosely: where nothing is spelled much alike, look for parts of titles too.
        """
        best = 0.0
        least = MIN_SIMILARITY_SHORT if len(key) <= SHORT else MIN_SIMILARITY
        for text in dict.fromkeys((key, whole)):
            for _, alike, position in process.extract(
                text, self._spellings, scorer=fuzz.ratio, score_cutoff=least, limit=50
            ):
                best = max(best, alike)
                yield self._key_of_spelling[position], alike
        for _, alike, position in process.extract(
            _sorted(key), self._sorted, scorer=fuzz.ratio, score_cutoff=MIN_SIMILARITY, limit=50
        ):
            best = max(best, alike)
            yield self._keys[position], alike
        if loosely and best < CLEAR and len(key) <= LONGEST_LOOSE:
            # WRatio also finds parts, and gives any title that is a part of the text 90: it only opens the door.
            # People type how a title begins, so a long title's beginning is looked at as well.
            candidates = process.extract(key, self._keys, scorer=fuzz.WRatio, score_cutoff=CUTOFF, limit=200)
            for title, loose, _ in candidates:
                begins = fuzz.ratio(key, title[: len(key) + 1]) if len(title) > len(key) > 3 else 0.0
                yield title, max(0.3 * loose + 0.7 * fuzz.ratio(key, title), 0.95 * begins)


titles_of = PerCatalog(TitleIndex)
"""The title index of a catalog; ratings leave it as it is."""


def _folded(text: str) -> str:
    """A text as keys are, its article kept."""
    return " ".join(fold(text).translate(_DROPPED).split())


def _sorted(key: str) -> str:
    """The words of a key in the order of the alphabet: people mix words up."""
    return " ".join(sorted(key.split()))


def _split_year(text: str) -> tuple[str, int | None]:
    words = _folded(text).split()
    if len(words) > 1 and re.fullmatch(r"(18[7-9]|19\d|2[01]\d)\d", words[-1]):
        return key_of(" ".join(words[:-1])), int(words[-1])
    return key_of(text), None
