"""What a search finds, and what it has understood of the words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matinee.data.catalog import Movie
from matinee.engine.types import MovieRef


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result.

    Attributes:
        row: in the catalog.
        score: 0..1.
        matched: "title", "person", "meaning", "words", "poster", "wish" (it is what was asked for) or "similar".
        how: why, in words.
        matched_title: the original or alternate title that matched; None: the title did, or something else.
        line: the sentence of the plot that has most of the words, of a movie that was found by what it is about.
    """

    row: int
    movie: Movie
    score: float
    matched: str
    how: str
    matched_title: str | None = None
    line: str | None = None


class SearchAnswer(list[Hit]):
    """Movies found, best first.

    Attributes:
        understood: what was read from the text (people, genres, years …); None: it was searched as it is.
        suggestions: rows of movies whose titles are a little like the text, where nothing was found.
    """

    def __init__(
        self, hits: Iterable[Hit] = (), understood: Understood | None = None, suggestions: Iterable[MovieRef] = ()
    ) -> None:
        super().__init__(hits)
        self.understood = understood
        self.suggestions = tuple(suggestions)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the catalog: the number of movies by role, and the best known of them."""

    name: str
    roles: dict[str, int]
    films: list[PersonFilm]


@dataclass(frozen=True, slots=True)
class PersonFilm:
    """A movie of somebody, and how: "directed by", "with"."""

    movie_id: str
    title: str
    year: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a search text that was understood.

    Attributes:
        label: for people: "Action", "1990s", "with Bruce Willis".
        filter: the same in the filter language; None: it is no filter ("like Heat").
        words: the part of the text.
        movie_id: the movie of "like …".
    """

    label: str
    filter: str | None
    words: str
    movie_id: str | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """What a search text asks for.

    Attributes:
        text: what is left to search for.
        parts: what was read.
        notes: what cannot be heeded, in sentences.
    """

    text: str
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def filter(self) -> str:
        """All parts as one filter."""
        return " and ".join(part.filter for part in self.parts if part.filter)
