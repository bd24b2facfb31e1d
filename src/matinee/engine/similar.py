"""Films like one film: by a model's own similarity, or by the nearest vectors of a space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matinee.engine.fusion import fuse
from matinee.engine.recommend import allowed_rows, check_n, default_name, make_items
from matinee.engine.runtime import View
from matinee.engine.types import Answer, SimilarBy
from matinee.errors import InvalidInputError
from matinee.models.ranking import top_n
from matinee.settings import Settings

KINDS = ("exact", "faiss", "annoy", "hnsw")

_TASTE = ("edlae", "ease", "itemknn")
"""Models that know taste, in order of preference."""
_DEEPER = 5
"""The lists that are fused are this much longer than the answer."""

Allowed = NDArray[np.bool_]


def similar(view: View, settings: Settings, movie_id: str, *, by: SimilarBy, n: int, filter: str, index: str) -> Answer:
    """Films similar to one film, itself left out; where the film is not known by that likeness, content answers."""
    check_n(n, settings.max_n)
    if index not in KINDS:
        raise InvalidInputError(f"There is no index {index!r}.", f"Use one of: {', '.join(KINDS)}.")
    row = view.catalog.row(movie_id)
    allowed = allowed_rows(view, filter, settings.max_filter)
    allowed[row] = False
    if by == "poster" or index != "exact":
        found = by_spaces(view, row, spaces_of(by), n, allowed, index)
        if found is not None:
            return found
    return _by_models(view, settings, row, by, n, allowed)


def spaces_of(by: SimilarBy) -> tuple[str, ...]:
    """The spaces that stand for a kind of likeness."""
    return ("taste", "content") if by == "blend" else (by,)


def by_spaces(view: View, row: int, names: Sequence[str], n: int, allowed: Allowed, index: str) -> Answer | None:
    """The nearest films in a space, or in several, fused by rank; None where the film has no vector in any.

    Raises:
        InvalidInputError: the snapshot lacks the space or the index.
    """
    lists: list[tuple[str, NDArray[np.int64], NDArray[np.float32]]] = []
    for name in names:
        live = view.spaces[name]
        live.index(index)  # an index that is not there is told even where the film has no vector
        vector = live.vector(row)
        if vector is not None:
            lists.append((name, *live.nearest(vector, n if len(names) == 1 else _DEEPER * n, allowed, index)))
    if not lists:
        return None
    scores = np.full(len(view.catalog), np.nan, dtype=np.float32)
    if len(lists) == 1:
        name, rows, scores[lists[0][1]] = lists[0]
    else:  # reciprocal rank fusion: cosines of two spaces say nothing to each other
        ranked = {name: [(row, 0.0) for row in rows.tolist()] for name, rows, _ in lists}
        fused = fuse(ranked, {}, n)
        rows = np.array([row for row, _, _ in fused], dtype=np.int64)
        scores[rows] = [score for _, score, _ in fused]
    return Answer(make_items(view, rows, scores), "+".join(name for name, *_ in lists), view.snapshot.id, index=index)


def _by_models(view: View, settings: Settings, row: int, by: SimilarBy, n: int, allowed: Allowed) -> Answer:
    wanted = {
        "taste": [name for name in _TASTE if name in view.models],
        "content": ["content"],
        "blend": [default_name(view, settings), "blend"],
        "poster": [],
    }[by]
    for name in [*wanted, "content"]:
        model = view.models.get(name)
        found = model.similar([row]) if model is not None else None
        if found is not None and np.isfinite(found[0][allowed]).any():
            scores = np.where(allowed, found[0], np.float32(np.nan))
            fallback = "content" if name == "content" and by != "content" else None
            return Answer(make_items(view, top_n(scores, n), scores), name, view.snapshot.id, fallback)
    return Answer((), wanted[0] if wanted else by, view.snapshot.id)
