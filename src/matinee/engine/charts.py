"""Charts of all ratings, the same for everybody, and scores for users without a history."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.engine.runtime import RequestView
from matinee.models.charts import Chart, make_chart, years_of
from matinee.models.genre_cover import POOL, cover_genres


def chart_of(view: RequestView, by: Literal["counts", "liked", "top_rated"]) -> Chart:
    """The chart of all ratings, made once for each state of them."""
    stats = view.stats
    chart = stats.charts.get(by)
    if chart is None:
        years, scale = years_of(view.catalog), view.snapshot.dataset.scale
        chart = stats.charts[by] = make_chart(by, stats.counts, stats.sums, years, scale=scale)
    return chart


def newcomer_scores(view: RequestView, allowed: NDArray[np.bool_], n: int) -> NDArray[np.float32]:
    """Scores of movies for somebody of whom nothing is known, (n_items,) float32.

    Movies that many people liked come first, genres in proportion, measured best by `benchmarks/newcomers.py`; movies
    without ratings come last, newest first. Only the best of the allowed movies have scores, at least n of them where
    there are as many; NaN for the others.
    """
    if n > POOL or not np.array_equal(allowed, view.catalog.active):
        return _newcomer_scores(view, allowed, n)
    # Nothing filtered or left out, as nearly always: made once for each state of the ratings.
    scores = view.stats.newcomers
    if scores is None:
        scores = view.stats.newcomers = _newcomer_scores(view, allowed, n)
        scores.setflags(write=False)
    return scores


def _newcomer_scores(view: RequestView, allowed: NDArray[np.bool_], n: int) -> NDArray[np.float32]:
    chart, n = chart_of(view, "liked"), max(n, POOL)
    rows = chart.top(n, allowed)
    scores = np.full(len(allowed), np.nan, dtype=np.float32)
    unrated = np.flatnonzero(allowed & (view.stats.counts == 0)) if len(rows) < n else rows[:0]
    # Below every rated movie, by row: movies added last first.
    scores[unrated] = -1.0 + 0.5 * (unrated / max(len(scores), 1))
    rows, values = cover_genres(rows, chart.score[rows], view.catalog.column("genres"))
    scores[rows] = values
    return scores
