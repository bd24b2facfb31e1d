"""Movies that look like one movie and are about the like: likeness of posters fused with that of content."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matinee.engine.allowed import Allowed
from matinee.engine.posters import SAME
from matinee.engine.recommend import make_items
from matinee.engine.runtime import RequestView
from matinee.engine.space_search import in_space
from matinee.engine.types import Answer, SimilarBy

CONTENT, POSTER = "content", "poster"
LOOK: SimilarBy = "look"
DEPTH = 100
"""Movies of most similar posters that are ranked anew."""
CONTENT_WEIGHT = 0.8
"""Weight of the content's cosine beside that of posters; see `benchmarks/similar_look.py`."""


def similar_look(view: RequestView, row: int, n: int, allowed: Allowed, index: str) -> Answer | None:
    """The movies nearest by poster, ordered by (1 − w)·cos(posters) + w·cos(content); None where it has no poster.

    Those whose poster is the very same picture are left out. A movie without a vector of content counts with 0 there.
    """
    answer = in_space(view, row, POSTER, max(n, DEPTH), allowed, index)
    if answer is None or CONTENT not in view.spaces:
        return None if answer is None else replace(answer, items=answer.items[:n])
    rows = np.asarray([view.catalog.row(item.movie_id) for item in answer.items], dtype=np.int64)
    looks = np.asarray([item.score for item in answer.items], dtype=np.float32)
    rows, looks = rows[looks < SAME], looks[looks < SAME]
    among = np.zeros(len(view.catalog), dtype=np.bool_)
    among[rows] = True
    contents = np.zeros(len(view.catalog), dtype=np.float32)
    near = view.spaces[CONTENT].like(row, len(rows), among) if len(rows) else None
    if near is not None:
        contents[near[0]] = near[1]
    fused = fused_likeness(looks, contents[rows])
    order = np.lexsort((rows, -fused))[:n]
    items = make_items(view, rows[order], fused[order].astype(np.float32))
    return Answer(items, LOOK, view.snapshot.id, index=answer.index)


def fused_likeness(looks: np.ndarray, contents: np.ndarray, weight: float = CONTENT_WEIGHT) -> np.ndarray:
    """(1 − w)·look + w·content, elementwise."""
    return (1 - weight) * looks + weight * contents
