"""Search: films by title and by meaning."""

from __future__ import annotations

import numpy as np

from matinee.engine.encoding import Encoders
from matinee.engine.recommend import allowed_rows, check_n
from matinee.engine.runtime import View
from matinee.engine.search import titles_of
from matinee.engine.types import Hit, SearchBy
from matinee.errors import InvalidInputError
from matinee.settings import Settings

MAX_QUERY = 500
"""Longest search text, in characters."""


def search(
    view: View, settings: Settings, encoders: Encoders, text: str, *, n: int, filter: str, by: SearchBy
) -> list[Hit]:
    """Films whose title matches or whose text means much the same, best first; see `Engine.search`."""
    del encoders, by
    check_n(n, settings.max_n)
    if len(text) > MAX_QUERY:
        raise InvalidInputError(f"The search text has {len(text)} characters.", f"Use {MAX_QUERY} at most.")
    counts = view.stats.counts
    weight = np.log1p(counts) / max(float(np.log1p(counts.max(initial=0))), 1.0)
    allowed = allowed_rows(view, filter, settings.max_filter)
    return [
        Hit(row, view.catalog.movie(row), round(score, 4), "title", how)
        for row, score, how in titles_of(view.catalog).find(text, allowed, weight, n)
    ]
