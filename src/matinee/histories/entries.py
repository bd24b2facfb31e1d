"""What a file of a person's history says, entry by entry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["film", "series", "episode"]
State = Literal["seen", "watchlist", "not_interested"]
"""What a film is for the person besides its stars; None: nothing but the stars."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest and the highest rating that a site gives."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One film in a file.

    Attributes:
        title: as the site writes it.
        year: of release.
        imdb_id: as `tt0133093`.
        tmdb_id: as `603`.
        movie_id: an id of the catalog; only where Matinee itself wrote the file.
        stars: as written, on the file's scale.
        state: besides the stars; a film that has stars was seen.
        time: when it was rated or seen, in seconds since 1970 UTC.
        kind: series and episodes are counted, not stored.
        line: in its file, from 1; the place in a list where the file has no lines.
    """

    title: str = ""
    year: int | None = None
    imdb_id: str | None = None
    tmdb_id: str | None = None
    movie_id: str | None = None
    stars: float | None = None
    state: State | None = None
    time: int | None = None
    kind: Kind = "film"
    line: int = 0


@dataclass(frozen=True)
class History:
    """A file that was read.

    Attributes:
        layout: name of the layout that it has.
        scale: of its stars; None where it has none.
        entries: of the same film, later ones count more.
        skipped: what was left out, by reason.
        notes: what the person should know, in sentences.
    """

    layout: str
    scale: Scale | None
    entries: list[HistoryEntry]
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
