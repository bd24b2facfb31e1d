"""Unique labels of all movies, for pickers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import core
from matinee.studio.style import cut, named

MAX_LABEL = 120
"""Maximum length of a label; longer titles are truncated."""


@dataclass(frozen=True)
class Catalog:
    """Movies by label, in alphabetical order.

    Attributes:
        labels: `Title (Year)`, followed by the id if several movies share it; unique.
        ids: label → movie id.
        by_id: movie id → label.
    """

    labels: list[str]
    ids: dict[str, str]
    by_id: dict[str, str]


def catalog() -> Catalog:
    """All movies in service, cached for a minute. Shared between sessions; do not modify.

    Raises:
        MatineeError: the core does not answer.
    """
    return _catalog(core.address(), core.snapshot())


@st.cache_resource(ttl=core.TTL, max_entries=2, show_spinner=False)
def _catalog(url: str, snapshot: str) -> Catalog:
    del url, snapshot
    return label(core.ask(calls.titles()))


def label(table: dict[str, Any]) -> Catalog:
    """Labels from the answer of `calls.titles`."""
    films = zip(table["movie_ids"], table["titles"], table["years"], strict=True)
    rows = [(movie_id, cut(" ".join(named(title, year).split()), MAX_LABEL)) for movie_id, title, year in films]
    uses = Counter(text for _, text in rows)
    # The id is only added if necessary, with the word "id", so that it does not look like part of the title.
    labelled = [(movie_id, text if uses[text] == 1 else f"{text} – id {movie_id}") for movie_id, text in rows]
    labelled.sort(key=lambda row: row[1].casefold())
    return Catalog([text for _, text in labelled], {text: key for key, text in labelled}, dict(labelled))
