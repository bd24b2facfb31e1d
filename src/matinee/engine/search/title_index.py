"""Search by title: exact, prefix, then typo-tolerant."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from matinee.data.catalog import Catalog
from matinee.data.titles import without_parentheses
from matinee.engine.catalog_cache import PerCatalog
from matinee.engine.filters import fold
from matinee.engine.search.abbreviations import expanded, initials
from matinee.engine.search.numerals import in_digits, spread

CUTOFF = 70.0
"""Least similarity (0..100, RapidFuzz's WRatio) of a fuzzy match; the classic title search used the same."""
CLEAR = 80.0
"""A title spelled this much alike makes the slower, looser comparison needless."""
MIN_SIMILARITY, MIN_SIMILARITY_SHORT = 60.0, 50.0
"""Least similarity (0..100, RapidFuzz's ratio) of a whole title, and of one of at most `SHORT` characters."""
SHORT = 6
SHORT_TYPED, SLIP = 8, 60.0
"""Longest texts whose typing errors are counted one by one, and how much likeness an error costs, over the length."""
LONGEST_LOOSE = 40
"""Texts of more characters are compared with whole titles only: they describe plots, and comparing parts takes long."""

LONGEST_SERIES, FIRST_TO_SECOND = 12, 12
"""Places in a series that are looked for, and the most years between a first film and its sequel."""
MOST_BY_INITIALS = 5
WHOLLY_ALIKE = 100.0
"""Likeness of a title that is the text, or has it as a beginning, a word or a short form."""
TOO_SHORT = 3
"""Texts of so many letters are titles that are being typed: whatever is near is found."""
MOST_EDITS = 2
"""Letters that may be wrong in a text of up to `SHORT` letters none of whose words is known. Likeness cannot tell such
a title from nonsense: of seeds 1 to 8 this loses 0.1 % of titles with two typos, and 73 % of nonsense found comes to
20 %. How probable the letters are after each other, and how many titles are near, hardly tell more."""
LEAST_ALIKE = ((8, 76.0),)
LEAST_ALIKE_LONG = 72.0
"""Least likeness of a title where no word of the text is known: of texts of up to so many letters, and of longer ones.
Below it are most nonsense texts, and hardly a title with two typos (seeds 1 to 4)."""

EXACT, PREFIX, WORD = "the title itself", "the title begins so", "a word of the title begins so"
"""How a title matched, in words; the fourth way is "spelt 92 % alike"."""

_DROPPED = str.maketrans(dict.fromkeys('.,:;!?()[]{}-–—/\\&+*_"“”', " ") | dict.fromkeys("'`´’‘", ""))
_ARTICLES = {"the", "a", "an"}


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
        alike: how much it is spelled alike, 0..100.
    """

    row: int
    score: float
    how: str
    other: str | None = None
    alike: float = WHOLLY_ALIKE


def keys_of(title: str, others: Iterable[str] = ()) -> Iterator[Key]:
    """The names that a movie goes by: its title, what stands before a colon or in brackets, its other titles.

    >>> [key.text for key in keys_of("Alien³ (a.k.a. Alien 3)")]
    ['alien3 a k a alien 3', 'alien3', 'alien 3', 'alien 3']
    """
    yield Key(key_of(title), 1.0)
    bare, alternatives = without_parentheses(title)
    yield Key(key_of(bare), 0.99)
    for alternative in alternatives:
        yield Key(key_of(alternative), 0.98, alternative)
    for other in others:
        yield Key(key_of(other), 0.98, other)
    if ":" in bare:
        yield Key(key_of(bare.split(":", 1)[0]), 0.97)
    digits = in_digits(key_of(spread(bare)))
    if digits != key_of(bare):
        yield Key(digits, 0.98)


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
            for name in (without_parentheses(title)[0], *others[row]):
                whole = _folded(name)
                if (text := key_of(whole)) in self.rows_by_key:
                    spellings.setdefault(whole, text)
        self._by_initials: dict[str, list[int]] = {}
        for row, title in enumerate(catalog.column("title")):
            for short in initials(_spoken(title)):
                self._by_initials.setdefault(short, []).append(row)
        self._words = Counter(word for key in self.rows_by_key for word in set(key.split()) if len(word) > 2)
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

        def add(text: str, score: float, how: str, alike: float = WHOLLY_ALIKE) -> None:
            for row, key in self.rows_by_key[text].items():
                if allowed[row] and (row not in hits or hits[row].score < score * key.worth):
                    hits[row] = TitleHit(row, score * key.worth, how, key.other, alike)

        name, year = _split_year(text)
        self._add_short_forms(key_of(spread(text)), allowed, weight, hits, add)
        for candidate in {name, key_of(text)} - {""}:
            if candidate in self.rows_by_key:
                add(candidate, 1.0, EXACT)
            for key in self._having(f"\n{candidate}"):
                add(key, 0.95, PREFIX)
            for key in self._having(f" {candidate}"):
                add(key, 0.9, WORD)
        if not hits:
            self._add_nth_of_series(key_of(spread(text)), allowed, hits)
        if name and len(hits) < n:
            whole = _folded(text) if year is None else name
            begun = any(hit.how in (EXACT, PREFIX) for hit in hits.values())
            for key, alike in self._alike(name, whole, loosely=not begun):
                add(key, 0.0088 * alike, f"spelt {alike:.0f} % alike", alike)

        def score(row: int) -> float:
            of_year = 0.04 if year is not None and self.years[row] == year else 0.0
            return (hits[row].score + of_year + 0.06 * float(weight[row])) / 1.1

        ranked = sorted((-score(row), -float(weight[row]), row) for row in hits)
        return [hits[row]._replace(score=-negative) for negative, _, row in ranked[:n]]

    def credible(self, hits: Sequence[TitleHit], text: str) -> list[TitleHit]:
        """The hits that a text of unknown words may mean; of nonsense none.

        Args:
            hits: of `find`, for the text.
        """
        letters = len(key_of(text))
        if letters > SHORT:
            least = next((least for most, least in LEAST_ALIKE if letters <= most), LEAST_ALIKE_LONG)
            return [hit for hit in hits if hit.alike >= least]
        if any(hit.alike == WHOLLY_ALIKE for hit in hits) or letters <= TOO_SHORT or self._is_nearly_title(text):
            return list(hits)
        return []

    def _is_nearly_title(self, text: str) -> bool:
        """Whether a text differs from the name of a movie, with its article or without, by a few letters."""
        return any(
            process.extractOne(spelled, self._spellings, scorer=OSA.distance, score_cutoff=MOST_EDITS)
            for spelled in dict.fromkeys((key_of(text), _folded(text)))
        )

    def knows_word(self, text: str) -> bool:
        """Whether a title has one of the words of a text, of three letters or more."""
        return any(word in self._words for word in key_of(text).split())

    def titles_with(self, word: str) -> int:
        """Number of titles that have a word, of three letters or more."""
        return self._words[word]

    def _add_short_forms(
        self,
        key: str,
        allowed: NDArray[np.bool_],
        weight: NDArray[np.float64],
        hits: dict[int, TitleHit],
        add: Callable[[str, float, str], None],
    ) -> None:
        """Hits by numerals of another kind, abbreviations and initials.

        Args:
            key: the text in the form of the keys.
            hits: by row; completed here, as by `add`.
        """
        long = expanded(key)
        digits = in_digits(long or key)
        how = f"short for {long}" if long else EXACT
        if digits != key:
            if digits in self.rows_by_key:
                add(digits, 0.99, how)
            for found in self._having(f"\n{digits} ") if long or " " in digits else ():
                add(found, 0.97, how if long else PREFIX)
        rows = [row for row in self._by_initials.get(key.replace(" ", ""), ()) if allowed[row]]
        for row in sorted(rows, key=lambda row: (-weight[row], row))[:MOST_BY_INITIALS]:
            if row not in hits:
                hits[row] = TitleHit(row, 0.96, f"its initials are {key}")

    def _add_nth_of_series(self, key: str, allowed: NDArray[np.bool_], hits: dict[int, TitleHit]) -> None:
        """The movie at a place in a series whose titles have no numbers: "harry potter 3"."""
        stem, _, place = in_digits(expanded(key) or key).rpartition(" ")
        if stem and place.isdecimal() and 0 < int(place) <= LONGEST_SERIES:
            rows = self._series(stem)
            if int(place) <= len(rows) and allowed[row := rows[int(place) - 1]]:
                hits[row] = TitleHit(row, 0.97, f"number {place} of the films called so, by year")

    def _series(self, stem: str) -> list[int]:
        """Rows of the movies whose titles begin with a stem, by year, and of one named so alone."""
        named = {row for key in self._having(f"\n{stem} ") for row in self.rows_by_key[key]}
        dated = sorted((year, row) for row in named if (year := self.years[row]) is not None)
        bare = [(year, row) for row in self.rows_by_key.get(stem, ()) if (year := self.years[row]) is not None]
        if dated:
            bare = [(year, row) for year, row in bare if 0 < dated[0][0] - year <= FIRST_TO_SECOND]
        return [row for _, row in [*sorted(bare)[-1:], *dated]] if len(dated) > 1 else []

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
        if loosely and 3 <= len(key) <= SHORT_TYPED:
            # RapidFuzz's ratio counts letters that were swapped or replaced twice, which is much in a short title.
            most = 1 if len(key) <= 3 else 2
            for _, distance, position in process.extract(
                key, self._spellings, scorer=OSA.distance, score_cutoff=most, limit=60
            ):
                alike = 100.0 - SLIP * distance / max(len(key), len(self._spellings[position]))
                best = max(best, alike)
                yield self._key_of_spelling[position], alike
        if loosely and best < CLEAR and len(key) <= LONGEST_LOOSE:
            # WRatio also finds parts, and gives any title that is a part of the text 90: it only opens the door.
            # People type how a title begins, so a long title's beginning is looked at as well.
            candidates = process.extract(key, self._keys, scorer=fuzz.WRatio, score_cutoff=CUTOFF, limit=200)
            for title, loose, _ in candidates:
                begins = fuzz.ratio(key, title[: len(key) + 1]) if len(title) > len(key) > 3 else 0.0
                yield title, max(0.3 * loose + 0.7 * fuzz.ratio(key, title), 0.95 * begins)


titles_of = PerCatalog(TitleIndex)
"""The title index of a catalog; ratings leave it as it is."""


def _spoken(title: str) -> set[str]:
    """The names whose initials people may say: the title with and without its article, and its parts at a colon."""
    bare = spread(without_parentheses(title)[0])
    parts = [bare, *re.split(r":| - ", bare)] if re.search(r":| - ", bare) else [bare]
    return {name for part in parts for name in (_folded(part), in_digits(key_of(part))) if name}


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
