"""How a film is written for the text encoder: the one place that says so, for training and for new films alike.

A film is two paragraphs, which the encoder reads apart and averages: what happens (the overview), and what it is about
in single words (keywords and tags, or else the genres). Apart, because a list of words behind an overview moves the
mean of all tokens but little: on development queries (`benchmarks/search.py`) the film asked for was among the first
ten for 78 % against 69 % with all in one paragraph. The title is left out where there is anything else: plots are asked
for in other words (58 % with it in front), and titles have a search of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog

TEXT_DIM, TEXT_POWER, TEXT_CENTRED = 256, 0.25, False
"""Of the projection of these texts (`Projection.fit`). Not centred, because films that are barely described pull the
mean towards themselves; a quarter of the whitening sharpens the first place (MRR .54 → .57), and two thirds of the
dimensions lose nothing."""

FIELDS = ("title", "genres", "tags", "keywords", "overview")
"""Columns that are read."""
MAX_WORDS = 30
"""Longest lists of keywords and of tags that are read, the first ones."""

_SPOKEN = {"Sci-Fi": "science fiction", "Children": "children's film", "IMAX": ""}
"""Genres whose names are no words that a sentence would have."""


def film_text(film: Mapping[str, Any]) -> str:
    """A film as paragraphs, one a line; never empty where the film has a title.

    Args:
        film: its `FIELDS`: `overview` text or None, lists of `genres`, `keywords` and `tags`, and the `title`.
    """
    overview = " ".join((film["overview"] or "").split())
    words = ", ".join([*film["keywords"][:MAX_WORDS], *film["tags"][:MAX_WORDS]])
    genres = ", ".join(filter(None, (_SPOKEN.get(genre, genre.lower()) for genre in film["genres"])))
    parts = [overview, words or genres] if overview or words else [film["title"], genres]
    return "\n".join(" ".join(part.split()) for part in parts if part.strip())


def film_texts(catalog: Catalog, rows: NDArray[np.int64] | None = None) -> list[str]:
    """Texts of films, in the order of `rows` (all films where None)."""
    columns = [catalog.column(name) for name in FIELDS]
    places = range(len(catalog)) if rows is None else rows.tolist()
    return [film_text({name: column[row] for name, column in zip(FIELDS, columns, strict=True)}) for row in places]
