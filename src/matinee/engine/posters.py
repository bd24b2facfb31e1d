"""Questions about posters: which look like this picture; and posters put while serving."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matinee.encoders.base import Image
from matinee.engine.encoder_pool import Encoders
from matinee.engine.recommend import check_n, make_items
from matinee.engine.runtime import RequestView
from matinee.engine.types import PosterHit
from matinee.engine.updatable_spaces import UpdatableSpace
from matinee.errors import InvalidInputError
from matinee.indexes.base import check_vectors

POSTER = "poster"
TWINS = 20
"""Films that have one and the same poster, at most."""
SAME = 0.9999
"""Cosine from which on two posters are one and the same picture, whatever film they are of."""


def search(
    view: RequestView,
    encoders: Encoders,
    *,
    image: Image | None,
    vector: list[float] | NDArray[np.float32] | None,
    k: int,
    filter: str,
    index: str,
    exclude_self: bool,
) -> list[PosterHit]:
    """The k films with the most similar posters; see `Engine.search_posters`."""
    check_n(k, view.settings.max_n, "k")
    if (image is None) == (vector is None):
        raise InvalidInputError("A poster search needs an image or a vector.", "Give exactly one of the two.")
    live = view.spaces[POSTER]
    allowed = view.allowed(filter)
    if image is not None:
        wanted = _projected(live, encoders.image(image, live.space))
    else:
        assert vector is not None
        wanted = vector_in(live, vector)
    elsewhere = encoders.poster_index(view.snapshot.id)
    rows, likeness = live.nearest(wanted, k + TWINS if exclude_self else k, allowed, index, elsewhere)
    if exclude_self:
        others = likeness < SAME
        rows, likeness = rows[others][:k], likeness[others][:k]
    scores = np.full(len(view.catalog), np.nan, dtype=np.float32)
    scores[rows] = likeness
    items = make_items(view, rows, scores)
    return [PosterHit(item, float(np.sqrt(max(2 - 2 * item.score, 0.0))), float(item.score)) for item in items]


def vector_in(live: UpdatableSpace, vector: list[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    """A client's vector in a space: one of the encoder's length is projected, one of the space's taken as it is.

    Raises:
        InvalidInputError: another length, zero, NaN or infinite.
    """
    space = live.space
    raw = 0 if space.projection is None else len(space.projection.mean)
    if raw and len(vector) == raw:
        return _projected(live, check_vectors(np.asarray([vector], dtype=np.float32), raw)[0])
    if len(vector) != space.dim:
        also = f" or {raw} (of the encoder {space.encoder})" if raw else ""
        raise InvalidInputError(
            f"The vector has {len(vector)} values.", f"Send {space.dim} (of the space {space.name}){also}."
        )
    found: NDArray[np.float32] = check_vectors(np.asarray([vector], dtype=np.float32), space.dim)[0]
    return found


def _projected(live: UpdatableSpace, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    projection = live.space.projection
    if projection is None:
        raise InvalidInputError(f"The space {live.space.name!r} takes no vectors of an encoder.")
    found: NDArray[np.float32] = projection.apply(raw[None, :])[0]
    if not found.any():
        raise InvalidInputError("The picture is like all posters at once: it has no direction.", "Send another one.")
    return found
