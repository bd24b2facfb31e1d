"""Search by words: movies whose description holds the words of the text, by BM25.

The sentence encoder knows what a text is about and forgets names and details; words are the other way round.
Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond".
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.packed import Table
from matinee.engine.catalog_cache import BackgroundPerCatalog
from matinee.engine.filters import fold
from matinee.models.content.words import words as proper_words

TEXTS = ("overview",)
LISTS = ("keywords", "tags", "genres", "directors", "writers", "cast")
"""Columns that are read. Titles have a search of their own."""

K1, B = 0.8, 0.4
"""How soon further occurrences of a word stop to count, and how much long descriptions are discounted: of nine pairs
the best on development queries (`benchmarks/search.py`)."""
POPULARITY = 1.5
"""What a movie's popularity (0..1) adds to its BM25, which is about 10 for two rare words."""

KNOWN = 3
"""Movies whose descriptions must hold a word for it to be known as one, and not a typing error."""

_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]+)*[.!?]*")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A lower-case word without the endings that only inflect it: "hunted", "hunting", "hunts" → "hunt".

    Light on purpose (Harman 1991, "How effective is suffixing?"); not always a word, but the same for all forms.
    """
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("s") and (word.endswith("ies") or word[-2] not in "sui"):
        word = word[:-1]
    word = re.sub(r"(?<=...)(?:ing|ed)$", "", word)
    word = re.sub(r"(?<=...)e$", "", word)
    word = re.sub(r"(?<=..)y$", "i", word)
    return re.sub(r"([b-df-hj-np-tv-z])\1$", r"\1", word)


class WordIndex:
    """The words of a catalog's descriptions, word by word."""

    def __init__(self, catalog: Catalog) -> None:
        self._n_items = len(catalog)
        stems: dict[str, int] = {}
        roots: dict[str, int | None] = {}
        found, rows, times = _counted(catalog.table, roots, stems)
        order = np.lexsort((rows, found))
        found, rows, times = found[order], rows[order], times[order].astype(np.float32)
        lengths = np.bincount(rows, times, minlength=self._n_items)
        self._described = max(int((lengths > 0).sum()), 1)
        usual = max(float(lengths.sum()) / self._described, 1.0)
        discount = (K1 * (1 - B + B * lengths / usual)).astype(np.float32)
        self._rows: NDArray[np.int32] = rows
        self._worth: NDArray[np.float32] = times * np.float32(K1 + 1) / (times + discount[rows])
        ends = np.searchsorted(found, np.arange(len(stems) + 1)).tolist()
        self._places = dict(zip(stems, pairwise(ends), strict=True))

    def find(
        self, text: str, allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int
    ) -> list[tuple[int, float]]:
        """(row, BM25) of up to n movies that hold one of the words, best first.

        Args:
            allowed: (n_items,) or longer, movies that may be returned.
            weight: (n_items,) or longer, 0..1, lifts popular movies a little.
            n: maximum number of movies.
        """
        scores = np.zeros(self._n_items)
        for start, end in self._known(text).values():
            scores[self._rows[start:end]] += self._worth[start:end] * self._rarity(end - start)
        found = np.flatnonzero((scores > 0) & allowed[: self._n_items])
        scores = scores[found] + POPULARITY * weight[found]
        best = np.lexsort((found, -scores))[:n]
        return [(int(found[place]), float(scores[place])) for place in best]

    def in_common(self, text: str, row: int, most: int = 5) -> list[str]:
        """Words of the text that a movie's description holds in some form, the rarest first, `most` at most."""
        held: list[tuple[int, str]] = []
        for word, (start, end) in self._known(text).items():
            place = start + int(np.searchsorted(self._rows[start:end], row))
            if place < end and self._rows[place] == row:
                held.append((end - start, word))
        return [word for _, word in sorted(held)[:most]]

    def share_known(self, text: str) -> float:
        """Share (0..1) of the text's words that several descriptions hold; 0 where it has none to tell by.

        Common words and single letters do not count.
        """
        asked = [word for word in proper_words(fold(text)) if len(word) > 1 or not word.isascii()]
        held = (self._places.get(stem(word), (0, 0)) for word in asked)
        return sum(end - start >= KNOWN for start, end in held) / len(asked) if asked else 0.0

    def holds(self, text: str) -> bool:
        """Whether a description has one of the text's words; common and very short ones do not count."""
        asked = (word for word in proper_words(fold(text)) if len(word) > 2 or not word.isascii())
        return any(stem(word) in self._places for word in asked)

    def lines(self, text: str) -> Callable[[str | None], str | None]:
        """What finds the sentence of an overview that has most of a text's words, the rare ones above all.

        It gives None where no sentence has any.
        """
        known = {stem(word): self._rarity(end - start) for word, (start, end) in self._known(text).items()}

        def line(overview: str | None) -> str | None:
            best, most = None, 0.0
            for sentence in _SENTENCE.findall(overview or "") if known else ():
                held = {stem(word) for word in _WORD.findall(_plain(sentence))}
                worth = sum(rarity for root, rarity in known.items() if root in held)
                if worth > most:
                    best, most = " ".join(sentence.split()), worth
            return best

        return line

    def _known(self, text: str) -> dict[str, tuple[int, int]]:
        """Words of a text, one of each stem, and where their postings lie."""
        found: dict[str, str] = {}
        for word in proper_words(fold(text)):
            if (root := stem(word)) in self._places:
                found.setdefault(root, word)
        return {word: self._places[root] for root, word in found.items()}

    def _rarity(self, films: int) -> float:
        return float(np.log(1 + (self._described - films + 0.5) / (films + 0.5)))


def _counted(table: Table, roots: dict[str, int | None], stems: dict[str, int]) -> tuple[NDArray[np.int32], ...]:
    """Numbers of stems, rows and counts, three arrays, of movies whose words are folded as queries are.

    Args:
        roots: word → number of its stem, None for common words; completed here.
        stems: stem → its number; completed here.
    """
    texts = [table.column(name) for name in TEXTS]
    lists = [table.column(name) for name in LISTS]
    kept, rows, times = array("i"), array("i"), array("i")
    for row in range(len(table)):
        parts = [text for column in texts if (text := column[row])]
        parts += [" ".join(column[row]) for column in lists]
        counts: dict[int, int] = {}
        for word in _WORD.findall(_plain(" ".join(parts))):
            try:
                root = roots[word]
            except KeyError:
                root = stems.setdefault(stem(word), len(stems)) if proper_words(word) else None
                roots[word] = root
            if root is not None:
                counts[root] = counts.get(root, 0) + 1
        kept.extend(counts)
        times.extend(counts.values())
        rows.extend([row] * len(counts))
    return tuple(np.array(part, dtype=np.int32) for part in (kept, rows, times))


def _plain(text: str) -> str:
    """A text without capitals and accents."""
    text = text.lower()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text)
    return _BEYOND_ASCII.sub(lambda found: "" if unicodedata.combining(found[0]) else found[0], text)


words_of = BackgroundPerCatalog(WordIndex)
"""The word index of the catalog in service, or of an earlier state of it; ratings leave it as it is."""
