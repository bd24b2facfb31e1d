"""Search: movies by title, by meaning and by words, fused."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.encoders import conse
from matinee.engine.encoder_pool import Encoders
from matinee.engine.recommend import check_n
from matinee.engine.runtime import RequestView
from matinee.engine.search.bm25 import words_of
from matinee.engine.search.rank_fusion import DEPTH, Fused, fuse_search, meaning_hits
from matinee.engine.search.title_index import TitleHit, titles_of
from matinee.engine.types import Hit, SearchBy
from matinee.errors import EncoderError, FetchError, InvalidInputError

log = logging.getLogger("matinee.engine")

MAX_QUERY = 500
"""Longest search text, in characters."""
MEANT = 3
"""Texts of fewer letters and digits mean nothing yet: they are the beginning of a title."""

Ranked = list[tuple[int, float]]
TEXT, POSTER, MEANING = "text", "poster", "meaning"


def search(view: RequestView, encoders: Encoders, text: str, *, n: int, filter: str, by: SearchBy) -> list[Hit]:
    """Movies whose title matches or whose text means much the same, best first; see `Engine.search`."""
    check_n(n, view.settings.max_n)
    if len(text) > MAX_QUERY:
        raise InvalidInputError(f"The search text has {len(text)} characters.", f"Use {MAX_QUERY} at most.")
    allowed = view.allowed(filter)
    weight = popularity(view)
    if by == "meaning":
        hits = [
            Fused(row, (1 + cosine) / 2, "meaning", "means much the same")
            for row, cosine in _meant(view, encoders, text, allowed, weight, n)
        ]
    else:
        depth = n if by == "title" else max(n, DEPTH)
        with stage("retrieve"):
            titles = titles_of(view.catalog).find(text, allowed, weight, depth)
        hits = [Fused(hit.row, hit.score, "title", hit.how, hit.other) for hit in titles[:n]]
        if by == "both" and sum(letter.isalnum() for letter in text) >= MEANT:
            hits = _fused(view, encoders, text, titles, allowed, weight, n) or hits
    return [
        Hit(hit.row, view.catalog.movie(hit.row), round(hit.score, 4), hit.matched, hit.how, hit.other) for hit in hits
    ]


def popularity(view: RequestView) -> NDArray[np.float64]:
    """(n_items,) 0..1: the logarithm of each movie's number of ratings."""
    counts = np.log1p(view.stats.counts)
    share: NDArray[np.float64] = counts / max(float(counts.max(initial=0)), 1.0)
    return share


def _fused(
    view: RequestView,
    encoders: Encoders,
    text: str,
    titles: list[TitleHit],
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    n: int,
) -> list[Fused]:
    """Titles, meaning, words and posters as one list; what cannot be asked is left out."""
    meaning: Ranked = []
    posters: Ranked = []
    if TEXT in view.spaces:
        try:
            meaning = _meant(view, encoders, text, allowed, weight, max(n, DEPTH))
            posters = _shown(view, encoders, text, allowed)
        except (EncoderError, FetchError) as error:
            log.warning("A search is done without meaning: %s", error)
    # Made of an earlier catalog, it misses the newest movies for a second: their titles and meaning are found at once.
    index = words_of(view.catalog, view.snapshot.catalog)
    with stage("retrieve"):
        words = index.find(text, allowed, weight, max(n, DEPTH))
    return fuse_search(text, titles, meaning, words, posters, n=n, index=index)


def _meant(
    view: RequestView, encoders: Encoders, text: str, allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int
) -> Ranked:
    """Movies that mean much the same, and their cosines.

    Raises:
        InvalidInputError: the snapshot has no text vectors, or the text holds nothing to encode.
        EncoderError, FetchError: the encoder cannot be had.
    """
    live = view.spaces[TEXT]
    projection = live.space.projection
    if projection is None or not text.strip():
        raise InvalidInputError("There is nothing to search by meaning.", "Give some words.")
    vector = projection.apply(encoders.query(text, live.space)[None, :])[0]
    if not vector.any():
        return []
    rows, cosines = live.nearest(vector, max(n, DEPTH), allowed)
    return meaning_hits(rows, cosines, weight, n)


def _shown(view: RequestView, encoders: Encoders, text: str, allowed: NDArray[np.bool_]) -> Ranked:
    """Movies whose posters seem to show what the text says (ConSE), and their cosines; a weak signal."""
    poster, live = view.spaces.get(POSTER), view.spaces[TEXT]
    meanings = None if poster is None else poster.space.extra.get(MEANING)
    if not view.settings.poster_meaning or poster is None or meanings is None:
        return []
    cosines = np.where(
        allowed[poster.space.rows], conse.text_similarity(meanings, encoders.query(text, live.space)), -np.inf
    )
    best = np.argpartition(-cosines, min(DEPTH, len(cosines) - 1))[:DEPTH]
    best = best[np.lexsort((best, -cosines[best]))]
    return [(int(poster.space.rows[i]), float(cosines[i])) for i in best if np.isfinite(cosines[i])]
