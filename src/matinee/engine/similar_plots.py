"""Movies with similar plots: by the words of their overviews (TF-IDF), or by the vectors of their texts."""

from __future__ import annotations

import threading
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee._util.topk import top_n
from matinee.engine.allowed import Allowed
from matinee.engine.catalog_cache import PerCatalog
from matinee.engine.recommend import make_items
from matinee.engine.runtime import RequestView
from matinee.engine.space_search import in_space
from matinee.engine.types import Answer, PlotMethod, SimilarBy
from matinee.errors import InvalidInputError
from matinee.indexes.base import frozen_mask
from matinee.models.base import Subset

TFIDF: PlotMethod = "tfidf"
EMBEDDING: PlotMethod = "embedding"
METHODS: tuple[PlotMethod, ...] = (EMBEDDING, TFIDF)
"""In the order in which they are tried where none is asked for: what plots mean is more than the words they share."""

PLOT: SimilarBy = "plot"
CONTENT, TEXT = "content", "text"
SHARED = 5
"""Words named as a reason, at most."""
_TRAIN = "and train again"


class _WithPlots:
    """Subsets of the movies of one catalog, without those that have no plot; thread-safe."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Subset, Subset] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, subset: Subset, plots: NDArray[np.bool_]) -> Subset:
        """The same object for the same subset."""
        with self._lock:
            made = self._made.get(subset)
            if made is None:
                made = self._made[subset] = Subset(frozen_mask(subset.mask & plots))
            return made


_subsets_of = PerCatalog(lambda _: _WithPlots())


def check_method(by: str, method: str | None) -> None:
    """Raise unless there is such a method, and it goes with `by`."""
    if method is None:
        return
    if method not in METHODS:
        raise InvalidInputError(f"There is no method {method[:40]!r}.", f"Use {TFIDF} or {EMBEDDING}.")
    if by != PLOT:
        raise InvalidInputError(f"A method goes with by=plot only, not with by={by}.", "Leave it out, or use by=plot.")


def similar_plots(
    view: RequestView, row: int, method: PlotMethod | None, n: int, allowed: Allowed, index: str
) -> Answer | None:
    """Movies whose plots are like a movie's; None where the movie has no plot, or nothing to compare it by.

    Args:
        method: None: the first of `METHODS` that knows the movie's plot.
        index: what searches the vectors of texts; TF-IDF has no index.

    Raises:
        InvalidInputError: no movie has a plot, or the snapshot lacks what the method or the index needs.
    """
    plots = view.catalog.table.filled("overview")
    if not (plots & view.catalog.active).any():
        raise InvalidInputError("No film here has a plot.", f"Give films an overview (docs/data.md) {_TRAIN}.")
    methods = [method] if method is not None else _available(view, index)
    for each in methods:
        _check(view, each, index)
    if not plots[row]:
        return None
    candidates = Allowed(_subsets_of(view.catalog).of(allowed.subset, plots), allowed.left_out)
    answers = ((_by_words if each == TFIDF else _by_vectors)(view, row, n, candidates, index) for each in methods)
    return next((answer for answer in answers if answer is not None), None)


def _available(view: RequestView, index: str) -> list[PlotMethod]:
    """Methods of this snapshot that can be asked with an index; TF-IDF where there is none, for its error."""
    methods: list[PlotMethod] = [EMBEDDING] if TEXT in view.spaces else []
    if index == "exact" and _has_words(view):
        methods.append(TFIDF)
    return methods or [TFIDF]


def _has_words(view: RequestView) -> bool:
    model = view.models.get(CONTENT)
    return model is not None and model.plot_words is not None


def _check(view: RequestView, method: PlotMethod, index: str) -> None:
    """Raise unless the snapshot has what a method needs."""
    if method == EMBEDDING:
        if TEXT not in view.spaces:
            raise InvalidInputError(
                "This snapshot has no vectors of texts to compare plots by.",
                f"Use method={TFIDF}, or set MATINEE_TEXT_ENCODER=minilm {_TRAIN}.",
            )
        return
    if not _has_words(view):
        raise InvalidInputError(
            "This snapshot has no words of plots: no film had one when it was trained, or it has no model content.",
            f"Train again{f', or use method={EMBEDDING}' if TEXT in view.spaces else ''}.",
        )
    if index != "exact":
        raise InvalidInputError(
            f"The words of plots (method={TFIDF}) have no {index} index.", f"Use index=exact or method={EMBEDDING}."
        )


def _by_words(view: RequestView, row: int, n: int, allowed: Allowed, index: str) -> Answer | None:
    del index  # checked: the exact one
    words = view.models[CONTENT].plot_words
    with stage("score"):
        cosines = None if words is None else words.cosines(row)
    if words is None or cosines is None:
        return None
    scores = np.where(allowed.mask, cosines, np.float32(np.nan))
    rows = top_n(scores, n)
    shared = words.shared(row, rows, SHARED)
    items = make_items(view, rows, scores[rows])
    reasoned = (
        replace(item, reason=f"shared words: {', '.join(each)}") for item, each in zip(items, shared, strict=True)
    )
    return Answer(tuple(reasoned), PLOT, view.snapshot.id, method=TFIDF)


def _by_vectors(view: RequestView, row: int, n: int, allowed: Allowed, index: str) -> Answer | None:
    answer = in_space(view, row, TEXT, n, allowed, index)
    return None if answer is None else replace(answer, model=PLOT, method=EMBEDDING)
