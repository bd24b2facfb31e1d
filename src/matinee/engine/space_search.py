"""The movies nearest to one movie in a vector space, as an answer."""

from __future__ import annotations

from matinee.engine.allowed import Allowed
from matinee.engine.recommend import make_items
from matinee.engine.runtime import RequestView
from matinee.engine.types import Answer


def in_space(view: RequestView, row: int, name: str, n: int, allowed: Allowed, index: str) -> Answer | None:
    """The movies nearest to one in a space; None where it has no vector there.

    `Answer.index` names the index that answered: the exact one for one that misses movies.

    Raises:
        InvalidInputError: the snapshot lacks the space or the index.
    """
    nearest = view.spaces[name].like(row, n, allowed.subset.mask, index, allowed.left_out)
    if nearest is None:
        return None
    rows, cosines, kind = nearest
    return Answer(make_items(view, rows, cosines), name, view.snapshot.id, index=kind)
