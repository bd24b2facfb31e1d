"""Names of indices and ids of documents."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from matinee.settings import Settings

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NOT_ALLOWED = re.compile(r"[^a-z0-9._-]")
MAX_SLUG = 100
"""Longest part of an index's name that a data set's name gives; names may have 255 bytes."""


@dataclass(frozen=True)
class Names:
    """The aliases of one data set's indices. Requests name these, never the indices behind them."""

    users: str
    movies: str
    vectors: str
    log: str

    @classmethod
    def of(cls, settings: Settings, dataset: str) -> Names:
        """By the settings and the data set: ids of one data set mean nothing in another."""
        part = slug(dataset)
        return cls(
            users=f"{settings.user_index}-{part}",
            movies=f"{settings.movie_index}-{part}",
            vectors=f"{settings.vector_index}-{part}",
            log=f"{settings.user_index}-log-{part}",
        )

    def all(self) -> tuple[str, ...]:
        """All of them; the log comes first."""
        return self.log, self.users, self.movies, self.vectors


def slug(dataset: str) -> str:
    """A data set's name as part of an index's name; different for different data sets.

    Examples:
        >>> slug("ml-latest-small")
        'ml-latest-small'
    """
    plain = _NOT_ALLOWED.sub("_", dataset.lower())[:MAX_SLUG]
    return plain if plain == dataset and plain else f"{plain}-{_hash(dataset)[:8]}"


def document_id(id: str) -> str:
    """The document's id of a user or a movie: the same text where it is short and plain, else its hash."""
    return id if _PLAIN.fullmatch(id) else f"~{_hash(id)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
