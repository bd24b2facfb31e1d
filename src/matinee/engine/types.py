"""What goes into the engine and what comes out: plain frozen records, no HTTP.

The API describes its answers by these classes: a docstring and a `Field(description=…)` here is what its
documentation shows, and a field with `exclude=True` is one that answers leave out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from matinee.data.catalog import Movie
from matinee.data.ids import Id
from matinee.engine.answer_tables import AnswerTable
from matinee.stores.base import Exposure, State

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
    (`matinee.engine.rerank`).
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
"""Whether a picture's lettering was read; see `PosterMatch`."""


@dataclass(frozen=True, slots=True)
class PosterMatch:
    """The films of a picture.

    Attributes:
        hits: films whose title stands on the picture first, then those that look alike.
        ocr: whether lettering was read. "not needed": a poster looks like it, or a vector was given. "busy": another
            picture was being read.
    """

    hits: tuple[PosterHit, ...]
    ocr: TitleReading


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


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state of a movie that is to be set, or, with `remove`, taken back; without a timestamp it is of now.

    Examples:
        >>> engine.set_states("43", [matinee.StateChange("2", "watchlist")]).stored
        1
        >>> [marked.state for marked in engine.states("43").states]
        ['watchlist']
    """

    movie_id: Id
    state: State
    remove: bool = False
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class StatesStored:
    """What a write of states did.

    Attributes:
        stored: distinct states that were set or taken back.
        unknown: ids of films that are not known, whose states were left out.
    """

    stored: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkedMovie:
    """A film that is seen, on the watchlist or not interesting."""

    movie_id: str
    title: str
    year: int | None
    state: State
    timestamp: Annotated[int, Field(description="Seconds since 1970 UTC.")]


@dataclass(frozen=True, slots=True)
class StatePage:
    """States of a user's films, newest first, and how many there are in all."""

    states: tuple[MarkedMovie, ...]
    total: int


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


@dataclass(frozen=True, slots=True)
class ModelScore:
    """What one model says of the film."""

    name: str
    score: Annotated[float | None, Field(description="Comparable within one model only; null: no opinion.")]
    rank: Annotated[int | None, Field(description="Among the films that the user has not rated; null: no opinion.")]
    of: Annotated[int, Field(description="Films that the model has an opinion on.")]


@dataclass(frozen=True, slots=True)
class RatedReason:
    """A film that the user liked and its share in what liked films add to the score."""

    movie_id: str
    title: str
    rating: float
    share: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Rater:
    """A user of similar taste who has rated the film."""

    user_id: str
    similarity: float
    common: Annotated[int, Field(description="Films that both have rated, this one left out.")]
    stars: float


@dataclass(frozen=True, slots=True)
class Factor:
    """A latent factor, with its values for the user and the film."""

    factor: int
    user: float
    film: float
    product: Annotated[float, Field(description="What it adds to the score.")]
    high: Annotated[tuple[MovieRef, ...], Field(description="Well-known films that have most of it.")]
    low: Annotated[tuple[MovieRef, ...], Field(description="Those that have least.")]


@dataclass(frozen=True, slots=True)
class Shared:
    """What the film shares with films that the user rates no lower than their own mean."""

    field: Annotated[str, Field(description="genres, directors, writers, cast, tags or keywords.")]
    shared: tuple[str, ...]
    films: Annotated[tuple[MovieRef, ...], Field(description="Up to three films that share the most.")]


@dataclass(frozen=True)
class Explanation:
    """Why one film for one user."""

    user_id: str
    movie_id: str
    title: str
    snapshot: str
    model: Annotated[str, Field(description="Model whose reasons `because` gives.")]
    fallback: Annotated[
        str | None, Field(description='"popular" or "content" where that model knows too little of the user.')
    ]
    stars: Annotated[float | None, Field(description="Predicted; null where unknown.")]
    rating: Annotated[float | None, Field(description="The user's own, which is left out of what explains the film.")]
    models: tuple[ModelScore, ...]
    because: Annotated[
        tuple[RatedReason, ...], Field(description="Liked films, twenty at most, the biggest share first.")
    ]
    rest: Annotated[float, Field(description="Share of the liked films not listed.")]
    reason: Annotated[str, Field(description="The same in words, plain text.")]
    neighbors: Annotated[tuple[Rater, ...], Field(description="Twenty at most, the most similar first.")]
    neighbors_mean: float | None
    factors: Annotated[
        tuple[Factor, ...], Field(description="Of iALS, the eight that matter most; empty where there is none.")
    ]
    content: tuple[Shared, ...]


class StarCount(TypedDict):
    """How often a number of stars was given."""

    stars: float
    count: int


class MeanRating(TypedDict):
    """Ratings and their mean."""

    ratings: int
    mean: float | None


class Totals(MeanRating):
    """How many there are of everything."""

    users: Annotated[int, Field(description="Users who have rated any of these films.")]
    films: int
    rated_films: int
    density: Annotated[float, Field(description="Ratings / (users × films), 0..1.")]
    first: Annotated[
        int | None, Field(description="Time of the oldest rating, seconds since 1970 UTC; null where unknown.")
    ]
    last: int | None


class YearRatings(MeanRating):
    """Ratings given in one year."""

    year: int


class MonthRatings(MeanRating):
    """Ratings given in one month."""

    month: Annotated[str, Field(examples=["1996-03"])]


class YearMovies(MeanRating):
    """Films of one year."""

    year: int
    films: int


class DecadeMovies(MeanRating):
    """Films of ten years."""

    decade: int
    films: int


class GroupMovies(MeanRating):
    """Films that have a genre, director, country or tag; a film of several counts for each."""

    name: str
    films: int


Bin = TypedDict("Bin", {"from": int, "to": int, "count": int})
Bin.__doc__ = "Number of users or films with `from` to `to` ratings."


class Spread(TypedDict):
    """Ratings of a user, or of a film, among those who have any; bins grow as 1, 2, 5, 10, 20, 50 …"""

    bins: list[Bin]
    median: float | None
    mean: float | None
    most: int


class TailPoint(TypedDict):
    """Share of the films, most rated first, and the share of all ratings that they have."""

    films: float
    ratings: float


class TopMovie(MeanRating):
    """A film of many ratings."""

    movie_id: str
    title: str
    year: int | None


class TopUser(MeanRating):
    """A user of many ratings."""

    user_id: str


class Statistics(TypedDict):
    """Statistics of the ratings of some films."""

    filter: str
    totals: Totals
    stars: Annotated[list[StarCount], Field(description="Every step of the data's scale, zeros included.")]
    years: Annotated[
        list[YearRatings], Field(description="By the time of the rating, in UTC; empty where times are unknown.")
    ]
    months: Annotated[list[MonthRatings], Field(description="The same by month; empty where there are more than 600.")]
    released: Annotated[list[YearMovies], Field(description="By the year of the film.")]
    decades: list[DecadeMovies]
    genres: Annotated[list[GroupMovies], Field(description="Most ratings first, as directors and countries.")]
    directors: Annotated[list[GroupMovies], Field(description="Fifty at most, as countries, tags, films and users.")]
    countries: list[GroupMovies]
    tags: Annotated[list[GroupMovies], Field(description="Most films first.")]
    per_user: Spread
    per_film: Spread
    long_tail: Annotated[
        list[TailPoint], Field(description="About a hundred points; empty where there are no ratings.")
    ]
    top_films: Annotated[list[TopMovie], Field(description="Most ratings first.")]
    top_users: Annotated[list[TopUser], Field(description="Most ratings of these films first.")]


class ReasonCount(TypedDict):
    """How many rows there were of one kind."""

    reason: str
    count: int


class TableRows(TypedDict):
    """Rows of one table: `rows_in` − `rows_out` is the sum of `dropped`."""

    name: str
    rows_in: int
    rows_out: int
    dropped: list[ReasonCount]
    changed: list[ReasonCount]
    noticed: Annotated[list[ReasonCount], Field(description="Rows kept unchanged, but worth a look.")]


class JoinShare(TypedDict):
    """Share of the films, 0..1, for which a source had something."""

    name: str
    share: float


class DataReport(TypedDict):
    """How the data of the snapshot were cleaned."""

    snapshot: str
    dataset: str
    fingerprint: Annotated[str, Field(description="sha256 of films and ratings.")]
    scale: Annotated[list[float], Field(description="Lowest and highest stars.")]
    n_users: int
    n_items: int
    n_ratings: int
    notes: list[str]
    joins: list[JoinShare]
    tables: list[TableRows]
