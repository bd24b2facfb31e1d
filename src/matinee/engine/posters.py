"""Questions about posters: which look like this picture; and posters put while serving."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.encoders.base import Image
from matinee.engine.encoder_pool import Encoders
from matinee.engine.movie_lookup import matcher_of
from matinee.engine.recommend import check_n, make_items
from matinee.engine.runtime import RequestView
from matinee.engine.types import Item
from matinee.engine.updatable_spaces import UpdatableSpace
from matinee.errors import InvalidInputError
from matinee.indexes.base import check_vectors
from matinee.matching.lettering import movies_of_lettering

POSTER = "poster"
TWINS = 20
"""Movies that have one and the same poster, at most."""
UNSURE = 0.45
"""Cosine of the nearest poster below which a picture's lettering is read; see `benchmarks/relettered_posters.py`."""
SAME = 0.9999
"""Cosine from which on two posters are one and the same picture, whatever movie they are of."""


@dataclass(frozen=True, slots=True)
class PosterHit:
    """A film whose poster looks alike: angular distance √(2 − 2·similarity), cosine similarity.

    Attributes:
        matched: "title" where its title stands on the picture, "look" otherwise.
    """

    item: Item
    distance: float
    similarity: float
    matched: Literal["look", "title"] = "look"


TitleReading = Literal["not needed", "read", "busy", "off", "not installed"]


"""Whether a picture's lettering was read; see `PosterMatches`."""


class PosterMatches(list[PosterHit]):
    """The films of a picture: those whose title stands on it first, then those that look alike.

    Attributes:
        ocr: whether lettering was read. "not needed": a poster looks like it, or a vector was given. "busy": another
            picture was being read.
    """

    def __init__(self, hits: Iterable[PosterHit], ocr: TitleReading) -> None:
        super().__init__(hits)
        self.ocr = ocr


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
) -> PosterMatches:
    """The k movies with the most similar posters; see `Engine.search_posters`."""
    check_n(k, view.settings.max_n, "k")
    if (image is None) == (vector is None):
        raise InvalidInputError("A poster search needs an image or a vector.", "Give exactly one of the two.")
    space = view.spaces[POSTER]
    allowed = view.subset(filter).mask
    if image is not None:
        query = _projected(space, encoders.image(image, space.space))
    else:
        assert vector is not None
        query = vector_in(space, vector)
    elsewhere = encoders.poster_index(view.snapshot.id)
    rows, likeness = space.nearest(query, k + TWINS if exclude_self else k, allowed, index, elsewhere)
    titled: frozenset[int] = frozenset()
    ocr: TitleReading = "not needed"
    if image is not None and (len(likeness) == 0 or likeness[0] < UNSURE):
        ocr, bearers = _titled(view, encoders, image)
        known = np.zeros(len(allowed), dtype=np.bool_)
        known[bearers] = True
        named = space.nearest(query, k, allowed & known, "exact", elsewhere)
        titled = frozenset(named[0].tolist())
        others = ~np.isin(rows, named[0])
        rows = np.concatenate([named[0], rows[others]])
        likeness = np.concatenate([named[1], likeness[others]])
    if exclude_self:
        others = likeness < SAME
        rows, likeness = rows[others], likeness[others]
    rows, likeness = rows[:k], likeness[:k]
    hits = (
        PosterHit(
            item,
            float(np.sqrt(max(2 - 2 * item.score, 0.0))),
            float(item.score),
            "title" if row in titled else "look",
        )
        for row, item in zip(rows.tolist(), make_items(view, rows, np.asarray(likeness, dtype=np.float32)), strict=True)
    )
    return PosterMatches(hits, ocr)


def _titled(view: RequestView, encoders: Encoders, image: Image) -> tuple[TitleReading, list[int]]:
    """Whether the lettering of an image was read, and rows of the movies that it is the title of."""
    reader = encoders.title_reader()
    if reader is None:
        return ("off" if view.settings.ocr == "off" else "not installed"), []
    with stage("ocr"):
        lines = reader.read(image)
    if lines is None:
        return "busy", []
    lettering = [(line.text, line.height) for line in lines]
    return "read", movies_of_lettering(lettering, matcher_of(view.catalog), view.catalog.active)


def vector_in(space: UpdatableSpace, vector: list[float] | NDArray[np.float32]) -> NDArray[np.float32]:
    """A client's vector in a space: one of the encoder's length is projected, one of the space's taken as it is.

    Raises:
        InvalidInputError: another length, zero, NaN or infinite.
    """
    stored = space.space
    raw = 0 if stored.projection is None else len(stored.projection.mean)
    if raw and len(vector) == raw:
        return _projected(space, check_vectors(np.asarray([vector], dtype=np.float32), raw)[0])
    if len(vector) != stored.dim:
        also = f" or {raw} (of the encoder {stored.encoder})" if raw else ""
        raise InvalidInputError(
            f"The vector has {len(vector)} values.", f"Send {stored.dim} (of the space {stored.name}){also}."
        )
    unit: NDArray[np.float32] = check_vectors(np.asarray([vector], dtype=np.float32), stored.dim)[0]
    return unit


def _projected(space: UpdatableSpace, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    projection = space.space.projection
    if projection is None:
        raise InvalidInputError(f"The space {space.space.name!r} takes no vectors of an encoder.")
    projected: NDArray[np.float32] = projection.apply(raw[None, :])[0]
    if not projected.any():
        raise InvalidInputError("The picture is like all posters at once: it has no direction.", "Send another one.")
    return projected
