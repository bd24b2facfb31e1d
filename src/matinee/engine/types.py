"""What goes into the engine and what comes out: plain frozen records, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Movie
from matinee.data.ids import Id
from matinee.engine.answer_tables import AnswerTable

SearchBy = Literal["both", "title", "meaning"]
PopularBy = Literal["popular", "trending", "top_rated"]
SimilarBy = Literal["taste", "content", "poster", "blend"]


@dataclass(frozen=True)
class Request:
    """Options of a recommendation.

    Attributes:
        n: items wanted, 1..settings.max_n.
        model: a model's name; None: the default model.
        filter: text in the filter language; "" allows every film.
        exclude: film ids never to return (unknown ids are ignored).
        diversity: 0 (pure ranking) .. 1 (as unlike each other as the candidates allow).
        adventurous: 0 (well-known films) .. 1 (the long tail); None: as the settings say.
        explain: fill `Item.because`, `Item.reason` and `Answer.less_of`.
        include_seen: also return films of the history.

    Examples:
        >>> request = matinee.Request(n=5, filter='genre = "Comedy" and year >= 1990')
        >>> all(item.year >= 1990 for item in engine.recommend("42", request))
        True
    """

    n: int = 10
    model: str | None = None
    filter: str = ""
    exclude: Sequence[Id] = ()
    diversity: float = 0.0
    explain: bool = False
    include_seen: bool = False
    adventurous: float | None = None


@dataclass(frozen=True, slots=True)
class FilmRef:
    """A film by id and title."""

    movie_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A film that the user liked and its share (0..1) in what liked films add to a recommendation's score."""

    movie_id: str
    title: str
    share: float


@dataclass(frozen=True, slots=True)
class Item:
    """One ranked film.

    Attributes:
        row: row in the engine's current catalogue.
        score: the model's; comparable within one answer only. The order of a list looks at more than scores
            (`matinee.engine.rerank`).
        rank: 1 is best.
        stars: predicted stars for this user on the data's scale, None where unknown.
        because: reasons, biggest share first, shares sum to at most 1; None unless asked for.
        reason: the same as a sentence without a period, plain text; None unless asked for.
    """

    row: int
    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    score: float
    rank: int
    stars: float | None = None
    because: tuple[Reason, ...] | None = None
    reason: str | None = None


@dataclass(frozen=True, repr=False)
class Answer(AnswerTable):
    """A ranked list and where it came from.

    Attributes:
        model: name of the model that ranked.
        snapshot: id of the snapshot served.
        fallback: "popular" where nothing is known about the user, "content" where only content could answer.
        version: the user's data version that this answer reflects.
        volatile: True where the answer depends on everybody's ratings, so that any new rating may change it.
        index: which index searched, where a vector index did.
        less_of: films that the user disliked and that push others down this list; None unless asked for.

    Examples:
        >>> answer = engine.recommend("42", matinee.Request(n=3))
        >>> len(answer), len(answer.titles)
        (3, 3)
        >>> answer.to_polars().columns[:4]
        ['rank', 'movie_id', 'title', 'year']
    """

    items: tuple[Item, ...]
    model: str
    snapshot: str
    fallback: str | None = None
    user_id: str | None = None
    version: int = 0
    volatile: bool = False
    index: str | None = None
    less_of: tuple[FilmRef, ...] | None = None


@dataclass(frozen=True, slots=True)
class PosterHit:
    """A film whose poster looks alike: angular distance √(2 − 2·similarity), cosine similarity."""

    item: Item
    distance: float
    similarity: float


@dataclass(frozen=True)
class FilmMap:
    """Every film of a space as a point.

    Attributes:
        rows: catalogue rows, increasing.
        points: float32, (n, 2), each axis within −1..1.
        method: "pca" or "umap".
    """

    space: str
    method: str
    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    movie_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result: `matched` "title", "meaning", "words" or "poster", `score` 0..1, and why in words."""

    row: int
    movie: Movie
    score: float
    matched: str
    how: str


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A user of similar taste: cosine similarity of centred ratings, and films rated by both."""

    user_id: str
    similarity: float
    common: int


@dataclass(frozen=True, slots=True)
class PopularItem:
    """A film in a chart: score (ratings, decayed ratings or weighted stars), ratings counted, mean stars."""

    item: Item
    ratings: int
    mean: float


@dataclass(frozen=True)
class RatedMovie:
    """One rating of a user's effective history; timestamp None where unknown."""

    movie_id: str
    title: str
    rating: float
    timestamp: int | None


@dataclass(frozen=True)
class MoviePage:
    """One page of the catalogue and the number of films that match in all."""

    movies: tuple[Movie, ...]
    total: int
    stats: tuple[tuple[int, float | None], ...] = field(default_factory=tuple)
    """Per film: number of ratings and mean stars (None without ratings)."""


@dataclass(frozen=True)
class UserPage:
    """Users (id, number of ratings) and how many there are in all."""

    users: tuple[tuple[str, int], ...]
    total: int


@dataclass(frozen=True)
class TitleTable:
    """Every film in service, in the catalogue's order: columns of one length."""

    movie_ids: list[str]
    titles: list[str]
    years: list[int | None]
    snapshot: str


@dataclass(frozen=True)
class FilmRatings:
    """How a film was rated: mean (None where it was not), and (stars, ratings) for every step of the scale."""

    movie_id: str
    count: int
    mean: float | None
    histogram: tuple[tuple[float, int], ...]
