"""What goes into the engine and what comes out: plain frozen records, no HTTP.

The API describes its answers by these classes: a docstring and a `Field(description=…)` here is what its
documentation shows, and a field with `exclude=True` is one that answers leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, WithJsonSchema

from matinee.data.catalog import Movie
from matinee.data.ids import Id
from matinee.engine.answer_tables import AnswerTable
from matinee.stores.base import Exposure

Score = Annotated[float, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})]
"""NaN where unknown, which is null in JSON."""
SearchBy = Literal["both", "title", "meaning"]
PopularBy = Literal["popular", "trending", "top_rated"]
SimilarBy = Literal["taste", "content", "poster", "look", "blend", "plot"]
PlotMethod = Literal["tfidf", "embedding"]
GroupMethod = Literal["average", "least_misery"]
Unknown = Literal["refuse", "skip"]
"""What becomes of a write that names films which are not known: nothing is stored, or they are left out."""


@dataclass(frozen=True)
class Ages:
    """How old what is served is, in seconds.

    Attributes:
        snapshot: since it was made.
        model: since the newest rating that its models have learned from; as `snapshot` where no rating has a time.
    """

    snapshot: float
    model: float


@dataclass(frozen=True)
class Request:
    """Options of a recommendation.

    Attributes:
        n: number of items, 1..settings.max_n.
        model: a model's name; None: the default model.
        filter: text in the filter language; "" allows every film.
        exclude: film ids never to return (unknown ids are ignored).
        diversity: 0 (pure ranking) .. 1 (as unlike each other as the candidates allow).
        adventurous: 0 (well-known films) .. 1 (the long tail); None: as the settings say.
        explain: fill `Item.because`, `Item.reason` and `Answer.less_of`.
        include_seen: also return films of the history, and those that are seen; never those that are not interesting.

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
class MovieRef:
    """A film by id and title."""

    movie_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A film that the user liked, and its share in what liked films say for a recommendation."""

    movie_id: str
    title: str
    share: Annotated[float, Field(ge=0, le=1.001)]


@dataclass(frozen=True, slots=True)
class Item:
    """One ranked film.

    `row` is the film's row in the engine's current catalog. The order of a list looks at more than scores
    (`matinee.models.calibration`).
    """

    row: Annotated[int, Field(exclude=True)]
    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    score: Annotated[Score, Field(description="Comparable within one answer only.")]
    rank: int
    stars: Annotated[float | None, Field(description="Predicted stars, where known.")] = None
    because: Annotated[
        tuple[Reason, ...] | None, Field(description="With `explain=true`: reasons, biggest share first.")
    ] = None
    reason: Annotated[
        str | None,
        Field(
            description="With `explain=true`: the same in words, plain text. Of films like one by plot, method tfidf: "
            "the words that both plots have."
        ),
    ] = None


@dataclass(frozen=True, repr=False)
class Answer(AnswerTable):
    """A ranked list and where it came from.

    Attributes:
        model: name of the model that ranked.
        fallback: "popular" where nothing is known about the user, "content" where only content could answer.
        version: the user's data version that this answer reflects.
        volatile: True where the answer depends on everybody's ratings, so that any new rating may change it.
        index: which index searched, where a vector index did.
        less_of: films that the user disliked and that push others down this list; None unless asked for.
        method: what compared the plots, for films like one by plot.
        experiment: that the list was made under.
        arm: of the experiment.
        shown: the list as it is logged, where it was made under an experiment.

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
    fallback: Annotated[str | None, Field(description='"popular": nothing is known about the user.')] = None
    user_id: str | None = None
    version: Annotated[int, Field(exclude=True)] = 0
    volatile: Annotated[bool, Field(exclude=True)] = False
    index: Annotated[str | None, Field(description="Which vector index searched, where one did.")] = None
    less_of: Annotated[
        tuple[MovieRef, ...] | None,
        Field(description="With `explain=true`: disliked films that push others down this list, three at most."),
    ] = None
    method: Annotated[
        PlotMethod | None,
        Field(description="Of `by=plot`: `tfidf` (words that plots share) or `embedding` (what they mean)."),
    ] = None
    experiment: Annotated[str | None, Field(description="That the list was made under.")] = None
    arm: Annotated[str | None, Field(description="Of the experiment.")] = None
    shown: Annotated[Exposure | None, Field(exclude=True)] = None


@dataclass(frozen=True, slots=True)
class MemberFit:
    """How well a film fits one person of a group.

    Attributes:
        fit: share of the films that may be listed and stand lower for this person; None where nothing is known.
        stars: predicted, where known.
    """

    user_id: str
    fit: Annotated[float | None, Field(ge=0, le=1)]
    stars: float | None = None


@dataclass(frozen=True, slots=True)
class GroupItem(Item):
    """A ranked film, and how well it fits each person, in their order."""

    members: tuple[MemberFit, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One person of a group; `fallback` "popular": nothing is known, so that the others decide."""

    user_id: str
    fallback: str | None = None


@dataclass(frozen=True)
class GroupAnswer:
    """A ranked list for several people.

    Attributes:
        method: "average" of what each would like, or "least_misery": what the least content would like.
        fallback: "popular" where nothing is known about anybody.
    """

    items: tuple[GroupItem, ...]
    model: str
    snapshot: str
    method: GroupMethod
    users: tuple[Member, ...]
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a user was given of a guest.

    Attributes:
        ratings: number of ratings that became the user's.
        states: number of states of films.
        kept: ratings and states that the user had already, which were left as they are.
    """

    user_id: str
    ratings: int
    states: int
    kept: int

    @property
    def moved(self) -> int:
        """Ratings and states."""
        return self.ratings + self.states


@dataclass(frozen=True)
class MovieMap:
    """Every film of a space as a point.

    Attributes:
        rows: catalog rows, increasing.
        points: float32, (n, 2), each axis within −1..1.
        method: "neighbors", "pca" or "umap".
    """

    space: str
    method: str
    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    movie_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A user of similar taste."""

    user_id: str
    similarity: float
    common: Annotated[int, Field(description="Films that both have rated.")]


@dataclass(frozen=True, slots=True)
class PopularItem:
    """A film in a chart: score (ratings, decayed ratings or weighted stars), ratings counted, mean stars."""

    item: Item
    ratings: int
    mean: float


@dataclass(frozen=True)
class RatedMovie:
    """A rating of a user."""

    movie_id: str
    title: str
    rating: float
    timestamp: Annotated[int | None, Field(description="Seconds since 1970 UTC, where known.")]


@dataclass(frozen=True)
class MoviePage:
    """One page of the catalog and the number of films that match in all."""

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
    """Every film, as columns of equal length."""

    movie_ids: list[str]
    titles: list[str]
    years: list[int | None]
    snapshot: str


@dataclass(frozen=True)
class MovieRatings:
    """How a film was rated: mean (None where it was not), and (stars, ratings) for every step of the scale."""

    movie_id: str
    count: int
    mean: float | None
    histogram: tuple[tuple[float, int], ...]
