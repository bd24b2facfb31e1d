"""All films by name, for pickers: every label stands for one film."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import core
from matinee.studio.style import cut, named

LONGEST = 120
"""Characters of a label; the rest of a longer title is left out."""


@dataclass(frozen=True)
class Catalog:
    """Films by label, in alphabetical order.

    Attributes:
        labels: `Title (Year)`, with the id behind where two films share it; each once.
        ids: label → film id.
        by_id: film id → label.
    """

    labels: list[str]
    ids: dict[str, str]
    by_id: dict[str, str]


def catalog() -> Catalog:
    """All live films, at most a minute old. Shared between sessions: not to be changed.

    Raises:
        MatineeError: the core does not answer.
    """
    return _catalog(core.address(), core.snapshot())


@st.cache_resource(ttl=core.KEPT, max_entries=2, show_spinner=False)
def _catalog(url: str, snapshot: str) -> Catalog:
    del url, snapshot
    return label(core.ask(calls.titles()))


def label(table: dict[str, Any]) -> Catalog:
    """Labels of the answer of `calls.titles`."""
    films = zip(table["movie_ids"], table["titles"], table["years"], strict=True)
    rows = [(movie_id, cut(" ".join(named(title, year).split()), LONGEST)) for movie_id, title, year in films]
    uses = Counter(text for _, text in rows)
    # An id is behind a name only where it has to be; "id" in it keeps it from looking like part of the title.
    labelled = [(movie_id, text if uses[text] == 1 else f"{text} – id {movie_id}") for movie_id, text in rows]
    labelled.sort(key=lambda row: row[1].casefold())
    return Catalog([text for _, text in labelled], {text: key for key, text in labelled}, dict(labelled))
