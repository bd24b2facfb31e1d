"""Reciprocal rank fusion: one ranked list of movies from several that say nothing to each other by their scores.

Cormack, Clarke and Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matinee.engine.search.bm25 import WordIndex
from matinee.engine.search.title_index import WORD, TitleHit

DEPTH = 100
"""Movies that each list should bring, where it has so many: deeper ones changed nothing on development queries."""
MEANING_POPULARITY = 0.1
"""What a movie's popularity (0..1) adds to its cosine. People ask for movies they know, and cosines of the best
ten lie .1 apart; twice as much would push unknown movies out of their own keywords' results."""
MIN_COSINE = 0.2
"""Below it nothing is meant alike: the hundredth movie of a plot-like query lies there."""

ALIKE, ALIKE_UNKNOWN, ALIKE_KNOWN = 65.0, 50.0, 85.0
"""Least similarity (0..100) of a title to be what was meant: as a rule; of a text none of whose words are known from
descriptions; and of one whose words are all known, which may mean just what it says ("mafia family" is spelled 82 %
like "The Family Man"). Plot-like development queries are at most 61 % like any title and know 5 words of 8."""

PERHAPS, PERHAPS_PLACE = 70.0, 5
"""A title alike by so much has this place at least, whatever means much the same: a wrong letter can make another word
of a word ("Mad ad", "Ture tory"). Chosen on seeds 1 to 4, on which two such titles find hardly more."""

POSTERS = 0.05
"""Weight of what posters seem to show (see `encoders.conse`), beside 1 for each of titles that hold the text as a word,
meaning, and words. It moves movies by a few places: on development queries .05 does no harm, .2 does."""

_K = 60
_TOP_OF_REST = 0.85
"""Score of a movie that comes first by meaning and by words; titles that begin so have .86 and more."""


@dataclass(frozen=True, slots=True)
class Fused:
    """One movie found.

    Attributes:
        row: in the catalog.
        score: 0..1, falling from movie to movie.
        matched: "title", "meaning" (whatever else), "words" or "poster": what found it.
        how: why, in words.
        other: the original or alternate title that matched; None: the title did, or something else.
    """

    row: int
    score: float
    matched: str
    how: str
    other: str | None = None


def fuse(
    lists: Mapping[str, Sequence[tuple[int, float]]], weights: Mapping[str, float], n: int, k: int = _K
) -> list[tuple[int, float, tuple[str, ...]]]:
    """Σ over lists of weight / (k + rank), rank 1 first.

    Args:
        lists: by name: (row, score of any kind), best first; only the order counts. A row that comes twice in a list
            counts where it comes first.
        weights: by name; 1 where it is not named.
        n: maximum number of movies.
        k: large: all places of a list count much the same; 60 as in the paper.

    Returns:
        (row, score, the lists that brought it, the one that did most first), best first; ties by row.
    """
    shares: dict[int, dict[str, float]] = {}
    for name, hits in lists.items():
        weight = weights.get(name, 1.0)
        for rank, row in enumerate(dict.fromkeys(row for row, _ in hits), start=1):
            shares.setdefault(row, {})[name] = weight / (k + rank)
    totals = sorted((-sum(share.values()), row) for row, share in shares.items())
    return [
        (row, -negative, tuple(sorted(shares[row], key=lambda name: -shares[row][name])))
        for negative, row in totals[:n]
    ]


def meaning_hits(
    rows: NDArray[np.int64], cosines: NDArray[np.float32], weight: NDArray[np.float64], n: int = DEPTH
) -> list[tuple[int, float]]:
    """(row, cosine) of the nearest movies, popular ones lifted a little.

    Args:
        rows: what an index found, −1 where nothing: ask it for `DEPTH` or more.
        cosines: (len(rows),).
        weight: (n_items,) 0..1, popularity.
        n: maximum number of movies.
    """
    kept = (rows >= 0) & (cosines >= MIN_COSINE)
    rows, cosines = rows[kept], cosines[kept]
    order = np.lexsort((rows, -(cosines + MEANING_POPULARITY * weight[rows])))[:n]
    return [(int(rows[place]), float(cosines[place])) for place in order]


def fuse_search(
    text: str,
    titles: Sequence[TitleHit],
    meaning: Sequence[tuple[int, float]] = (),
    words: Sequence[tuple[int, float]] = (),
    posters: Sequence[tuple[int, float]] = (),
    *,
    n: int,
    index: WordIndex | None = None,
    shows: Callable[[int], str] | None = None,
) -> list[Fused]:
    """What was found for a text in each way, as one list.

    Movies whose title is the text, or begins with it, or is spelled so much alike that it must be meant, come first, in
    the titles' own order. The others follow by reciprocal rank: what means much the same, has the words, and (weakly)
    what posters seem to show. The best of the titles less alike has
    the fifth place; others only fill up what is left.

    Args:
        titles: `TitleIndex.find`.
        meaning: `meaning_hits`.
        words: `WordIndex.find`.
        posters: (row, cosine), nearest first.
        n: maximum number of movies.
        index: the words it knows, and those that the text and a movie have in common.
        shows: what the poster of a row seems to show.
    """
    known = 0.5 if index is None else index.share_known(text)
    by_row = {hit.row: hit for hit in titles}
    found = [titled(hit, hit.score) for hit in titles if _is_sure(hit, text, known)][:n]
    taken = {hit.row for hit in found}
    perhaps = next((hit for hit in titles if PERHAPS <= hit.alike < ALIKE_KNOWN and hit.row not in taken), None)

    def place(hit: Fused) -> None:
        if hit.row not in taken and len(found) < n:
            taken.add(hit.row)
            found.append(replace(hit, score=min(hit.score, found[-1].score if found else 1.0)))

    def add(hit: Fused) -> None:
        if perhaps and perhaps.row not in taken and len(found) == PERHAPS_PLACE - 1:
            place(titled(perhaps, perhaps.score))
        place(hit)

    lists = {
        "title": [(hit.row, hit.score) for hit in titles if hit.how == WORD],
        "meaning": meaning,
        "words": words,
        "poster": posters,
    }
    top = min([_TOP_OF_REST, *(hit.score for hit in found)]) * (_K + 1) / (2 + POSTERS)
    for row, score, sources in fuse(lists, {"poster": POSTERS}, n + len(taken)):
        if "title" in sources:
            add(titled(by_row[row], score * top))
        else:
            add(Fused(row, score * top, *_why(sources, text, row, index, shows)))
    for hit in titles:
        add(titled(hit, hit.score))
    return found


def titled(hit: TitleHit, score: float) -> Fused:
    """A movie found by its title."""
    return Fused(hit.row, score, "title", hit.how, hit.other)


def _is_sure(hit: TitleHit, text: str, known: float) -> bool:
    """Whether a title match must be what was meant, whatever else is found."""
    if hit.how == WORD:  # a single word that descriptions know may mean the thing; several in a row mean the movie
        return known < 1 or len(text.split()) > 1
    alike = ALIKE_UNKNOWN if known == 0 else ALIKE if known < 1 else ALIKE_KNOWN
    return round(hit.alike) >= alike


def _why(
    sources: tuple[str, ...],
    text: str,
    row: int,
    index: WordIndex | None,
    shows: Callable[[int], str] | None,
) -> tuple[str, str]:
    """What found a movie besides its title, and how in words."""
    if sources == ("poster",):
        return "poster", f"its poster seems to show {'it' if shows is None else shows(row)}"
    common = ", ".join(index.in_common(text, row)) if index is not None else ""
    if "meaning" in sources:
        return "meaning", f"means much the same: {common}" if common else "means much the same"
    return "words", f"its description has the words: {common}" if common else "its description has the words"
