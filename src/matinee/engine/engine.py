"""The engine: one snapshot and one store → recommendations, similar movies, search, explanations. No HTTP in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matinee._util.notebook import html_table
from matinee.data.catalog import Movie
from matinee.data.ids import Id, id_text, normalized
from matinee.data.ratings import NO_TIME
from matinee.encoders.base import Image
from matinee.engine import browse, history_import, imports, posters, states, users, writes
from matinee.engine.browse import DataReport
from matinee.engine.claims import claim
from matinee.engine.data_statistics import Statistics, cached_statistics
from matinee.engine.embedding_backlog import Backlog, BacklogState
from matinee.engine.encoder_pool import Encoders
from matinee.engine.explain import Explanation, explain
from matinee.engine.groups import recommend_group
from matinee.engine.history_import import HistoryImport
from matinee.engine.imports import ImportLine, OnError
from matinee.engine.lifecycle import Lifecycle
from matinee.engine.movie_lookup import known_id, sure_row
from matinee.engine.posters import PosterMatches
from matinee.engine.recommend import Hidden, recommend, recommend_stored
from matinee.engine.runtime import RequestView, query_of
from matinee.engine.search import hybrid
from matinee.engine.search.answers import Person, SearchAnswer
from matinee.engine.similar import neighbors_in, similar
from matinee.engine.states import StateChange, StatePage, StatesStored
from matinee.engine.types import (
    Ages,
    Answer,
    Claimed,
    GroupAnswer,
    GroupMethod,
    MovieMap,
    MoviePage,
    MovieRatings,
    Neighbor,
    PlotMethod,
    PopularBy,
    PopularItem,
    RatedMovie,
    Request,
    SearchBy,
    SimilarBy,
    TitleTable,
    Unknown,
    UserPage,
)
from matinee.engine.writes import check_stars
from matinee.errors import InvalidInputError, ReadOnlyError, TooLargeError, UnsureMovieError
from matinee.histories import HistoryFile, read_history
from matinee.histories.files import MAX_BYTES
from matinee.settings import Settings
from matinee.stores.base import ImportProgress, State
from matinee.stores.rating_columns import RatingColumns

DEFAULT = Request()
MAX_NEAR = 200
"""Characters of a title that is unknown, by which near ones are looked for."""


class Engine:
    """Thread-safe. Every read reflects every write that returned before it, from any process.

    Open it after forking, not before. Ids are strings; whole numbers are taken as their text. All methods raise
    `MatineeError`s: `UnknownMovieError`, `UnknownUserError`, `UnknownModelError`, `FilterError`,
    `InvalidInputError`, `ConflictError`, `StoreError`, `SnapshotError`.

    Examples:
        >>> answer = engine.recommend("42", matinee.Request(n=3, explain=True))
        >>> len(answer), answer[0].rank
        (3, 1)
        >>> answer[0].reason.startswith("because you loved")
        True
        >>> len(engine.recommend_for({"Toy Story": 5.0, "Shrek (2001)": 4.5}))
        10
        >>> engine.similar(engine.find("Toy Story").movie_id, n=1).titles
        ['Toy Story 2 (1999)']
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.encoders = Encoders(settings)
        self._lifecycle = Lifecycle(settings)
        self.backlog = Backlog(settings, self.encoders, self.request_view)

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """Open the current snapshot and the store of the settings' data folder.

        Raises:
            SnapshotError: there is no snapshot, or the current one is damaged and there is no sound one before
                it (where there is, that one is served, and `warnings` says so).
        """
        return cls(settings or Settings())

    # --- what is served -----------------------------------------------------------------------------------------
    def close(self) -> None:
        """Stop what runs in the background, and close the stores."""
        self.backlog.close()
        self._lifecycle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Engine: {self.dataset_name}, snapshot {self.snapshot_id}>"

    def _repr_html_(self) -> str:
        rows = [(model["name"], "default" if model["default"] else "") for model in self.models()]
        return html_table(["Model", ""], rows, caption=f"{self.dataset_name}, snapshot {self.snapshot_id}")

    def request_view(self) -> RequestView:
        """What a request sees now; take it once and pass it on."""
        return self._lifecycle.view()

    @property
    def snapshot_id(self) -> str:
        """Id of the snapshot in service."""
        return self._lifecycle.runtime.snapshot.id

    @property
    def dataset_name(self) -> str:
        """Name of the data set that is served."""
        return self._lifecycle.runtime.snapshot.manifest.dataset

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without stopping the service, newest last."""
        return self._lifecycle.warnings

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest number of stars."""
        return self._lifecycle.runtime.view.scale

    def revision(self) -> tuple[str, int]:
        """(snapshot id, movies' version): changes whenever answers about movies may change; microseconds."""
        return self.request_view().validity()[:2]

    def user_version(self, user_id: str) -> int:
        """The version of a user's data, microseconds, sees other processes' writes at once."""
        return self.request_view().user_version(user_id)

    def validity(self, user_id: str | None) -> tuple[str, int, int]:
        """`revision` and `user_version` (0 without a user) by one look at the store."""
        return self.request_view().validity(user_id)

    def ages(self) -> Ages:
        """How old what is served is."""
        return self._lifecycle.runtime.ages()

    def check(self) -> None:
        """Raise unless a model is loaded and the store answers, and the recommender service, if one scores."""
        self.request_view().runtime.check()

    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read; None: as far as is known, writing works."""
        return self._lifecycle.runtime.store.write_problem()

    def settle(self, seconds: float) -> None:
        """Follow a promotion now; where that is being done already, wait for its end, for some seconds at most."""
        self._lifecycle.settle(seconds)

    def models(self) -> list[dict[str, Any]]:
        """Name, config, metrics, seconds to fit, bytes, of every model in service; `default` marks one."""
        return browse.models(self.request_view())

    def has_model(self, name: str) -> bool:
        """Whether a model of this name is in service."""
        return name in self.request_view().models

    def snapshot_ids(self) -> list[str]:
        """Ids of all snapshots, sound or not, newest first."""
        return self._lifecycle.registry.ids()

    def snapshots(self) -> list[dict[str, Any]]:
        """Id, created (ISO time), current, dataset, sizes, metrics, watermark of each snapshot, newest first.

        The watermark is the `timestamp` of the newest rating learned from, and the store's `sequence` number.
        """
        return self._lifecycle.snapshots()

    def promote(self, snapshot_id: str) -> str:
        """Verify a snapshot, serve it, and return its id; the old one serves until the new one is loaded."""
        return self._lifecycle.promote(snapshot_id)

    def rollback(self) -> str:
        """Serve the snapshot promoted before the current one, and return its id."""
        return self._lifecycle.rollback()

    def report(self) -> DataReport:
        """How the data of the snapshot in service were cleaned: rows in and out of each table, by reason."""
        return browse.cleaning_report(self.request_view())

    # --- lists --------------------------------------------------------------------------------------------------
    def find(self, name: Id) -> Movie:
        """The movie that has this id or this title, with or without its year.

        Raises:
            NotFoundError: no movie has it.
            AmbiguousTitleError: several movies have this title; it lists them.
        """
        catalog = self.request_view().catalog
        if isinstance(name, str):
            return catalog.movie(catalog.resolve(known_id(catalog, name)))
        return catalog.movie(catalog.resolve(name))

    def find_surely(self, name: Id) -> Movie:
        """The one movie that an id (also `tt0133093`, `tmdb:603`) or a title with its year surely means; for writes.

        Titles of other spelling are the same where only case, accents, punctuation, articles or kinds of numerals
        differ. The year may differ by one; without one, a single movie must bear the title.

        Raises:
            UnsureMovieError: no movie, or several; it names those that come near.
        """
        view = self.request_view()
        try:
            row = sure_row(view.catalog, name)
        except UnsureMovieError as error:
            if error.candidates or not isinstance(name, str):
                raise
            near = hybrid.search(view, self.encoders, name[:MAX_NEAR], n=3, filter="", by="title") if name else []
            row = sure_row(view.catalog, name, tuple(hit.row for hit in near))
        return view.catalog.movie(row)

    def recommend(self, user_id: Id, request: Request = DEFAULT) -> Answer:
        """Movies for a stored user; an unknown user gets the popular movies and `fallback="popular"`."""
        return recommend_stored(self.request_view(), id_text(user_id), request)

    def recommend_for(
        self,
        ratings: Mapping[str, float | None] | Mapping[int, float | None],
        request: Request = DEFAULT,
        *,
        titles: bool = True,
        seen: Sequence[Id] = (),
        not_interested: Sequence[Id] = (),
    ) -> Answer:
        """Movies for an ad-hoc history, movie id or title → stars (None: seen, and given none; a mild like).

        Args:
            titles: text that is no movie's id may be a title, "Toy Story" or "Toy Story (1995)".
            seen: ids of movies that were seen, which says nothing of the taste; unknown ids are ignored.
            not_interested: ids of movies never to return; unknown ids are ignored.

        Raises:
            NotFoundError: a movie of the history is unknown.
            AmbiguousTitleError: several movies have a title; it lists them.
            InvalidInputError: too many movies, or stars off the scale.
        """
        view = self.request_view()
        if len(ratings) > self.settings.max_history:
            raise InvalidInputError(
                f"The history has {len(ratings)} films.", f"Send {self.settings.max_history} at most."
            )
        mild = view.snapshot.star_scale.mild_like

        def row_of(name: Id) -> int:
            id_ = known_id(view.catalog, name)
            return view.catalog.resolve(id_) if titles and isinstance(name, str) else view.catalog.row(id_)

        history = {
            row_of(movie_id): (mild if stars is None else check_stars(stars, view.scale), NO_TIME)
            for movie_id, stars in ratings.items()
        }
        hidden = Hidden.of_ids(view, seen, not_interested)
        return recommend(view, query_of(history), request, hidden)

    def recommend_group(
        self, user_ids: Sequence[Id], request: Request = DEFAULT, *, method: GroupMethod = "average"
    ) -> GroupAnswer:
        """One list for several stored users, without what anybody has rated, seen or does not want.

        Args:
            user_ids: 2 to 10; whoever is not known leaves the choice to the others.
            method: "average" of what each would like, or "least_misery": what the least content would like.

        Examples:
            >>> answer = engine.recommend_group(["42", "7"], matinee.Request(n=3), method="least_misery")
            >>> [len(item.members) for item in answer.items]
            [2, 2, 2]
        """
        return recommend_group(self.request_view(), [id_text(one) for one in user_ids], request, method)

    def similar(
        self,
        movie_id: Id,
        *,
        by: SimilarBy = "blend",
        n: int = 10,
        filter: str = "",
        index: str = "exact",
        method: PlotMethod | None = None,
    ) -> Answer:
        """Movies similar to one movie, itself left out.

        Args:
            by: "taste" (who liked them), "content" (what they are about), "blend" of the two, "poster",
                "look" (posters and content), or "plot".
            index: what searches the space of that likeness: "exact", or, finding nearly the same, "faiss", "annoy" or
                "hnsw". `Answer.index` says which did: "exact" in place of one that misses movies.
            method: what compares plots: "tfidf", the words that they share, which each item's `reason` names, or
                "embedding", the vectors of the texts; None: the vectors where the snapshot has any, else the words.
                `Answer.method` says which did.

        A movie that is unknown by that likeness is answered by content, and `fallback` says so.

        Raises:
            InvalidInputError: the snapshot has no posters, plots, vectors or index of that kind.
        """
        view = self.request_view()
        return similar(view, known_id(view.catalog, movie_id), by=by, n=n, filter=filter, index=index, method=method)

    def search(
        self, text: str, *, n: int = 10, filter: str = "", by: SearchBy = "both", plain: bool = False
    ) -> SearchAnswer:
        """Movies by title (exact, prefix, typo-tolerant), people, wishes ("90s action with Bruce Willis") and meaning.

        The answer is a list of hits; its `understood` says what was read from the text, and its `suggestions` name near
        titles where nothing was found.

        Args:
            plain: search the text as it is, without looking for people and wishes in it.
            by: "title", "meaning", or "both"; where the snapshot has no text vectors, or the encoder cannot be had,
                "both" is by title alone.

        Raises:
            InvalidInputError, EncoderError: `by="meaning"` where there is nothing to search by.
        """
        return hybrid.search(self.request_view(), self.encoders, text, n=n, filter=filter, by=by, plain=plain)

    def people(self, text: str, *, n: int = 10, filter: str = "", films: int = 10) -> list[Person]:
        """People whose name a text is (misspelled, too) or begins a word of, best known first.

        Args:
            filter: which movies may be listed.
            films: maximum number of movies of each.
        """
        return hybrid.find_people(self.request_view(), text, n=n, filter=filter, films=films)

    def search_posters(
        self,
        image: Image | None = None,
        *,
        vector: list[float] | NDArray[np.float32] | None = None,
        k: int = 5,
        filter: str = "",
        index: str = "exact",
        exclude_self: bool = False,
    ) -> PosterMatches:
        """The k movies whose posters are most like an image (bytes or a file), or like a vector.

        Where no poster looks much like the image (`posters.UNSURE`) and RapidOCR is installed, its lettering is read;
        movies whose title it is come first.

        Args:
            vector: of the encoder's length (raw) or of the space's.
            exclude_self: leave out the nearest movie where its poster is the very picture given.

        Raises:
            InvalidInputError: there are no posters; a vector of wrong length, zero, NaN; an image that is broken.
            TooLargeError, MediaTypeError: an image that is too large, or none.
            EncoderError: the image encoder cannot be had.
        """
        return posters.search(
            self.request_view(),
            self.encoders,
            image=image,
            vector=vector,
            k=k,
            filter=filter,
            index=index,
            exclude_self=exclude_self,
        )

    def indexes(self, space: str) -> tuple[str, ...]:
        """Kinds of index that a space can be searched by; () where the snapshot has no such space."""
        view = self.request_view()
        return view.spaces[space].kinds if space in view.spaces else ()

    def neighbors_in(self, space: str, movie_id: Id, *, n: int = 10, index: str = "exact") -> Answer | None:
        """The nearest movies in one space, the movie itself left out; None where it has no vector there.

        Raises:
            UnknownMovieError: no such movie.
            InvalidInputError: the snapshot lacks the space or the index.
        """
        view = self.request_view()
        return neighbors_in(view, known_id(view.catalog, movie_id), space, n, index)

    def popular(
        self,
        *,
        by: PopularBy = "popular",
        n: int = 10,
        filter: str = "",
        genre: str | None = None,
        year: int | None = None,
        days: float | None = None,
    ) -> list[PopularItem]:
        """A chart, the same for everybody; it follows every rating at once.

        Args:
            by: "popular" counts ratings; "trending" too, but one counts half for every half-life that it is old;
                "top_rated" is IMDb's weighted score.
            days: count only the ratings of the last days before the newest rating; None: all.
        """
        return browse.popular(self.request_view(), by=by, n=n, filter=filter, genre=genre, year=year, days=days)

    # --- movies -------------------------------------------------------------------------------------------------
    def movie(self, movie_id: Id) -> Movie:
        """One movie. Raises UnknownMovieError."""
        catalog = self.request_view().catalog
        return catalog.movie(catalog.row(known_id(catalog, movie_id)))

    def movies(self, *, filter: str = "", sort: str = "popularity", offset: int = 0, limit: int = 50) -> MoviePage:
        """A page of the catalog.

        Args:
            filter: in the filter language.
            sort: movie_id, title, year, ratings, mean, popularity or top_rated; "-" in front turns the order round (the
                last four begin with the highest, the others with the lowest). Popularity is the number of ratings, of
                equal movies the better rated first; top_rated is IMDb's weighted score.
            offset: movies to skip.
            limit: movies on the page, 1..settings.max_n.
        """
        return browse.page(self.request_view(), filter=filter, sort=sort, offset=offset, limit=limit)

    def titles(self, rows: NDArray[np.int64]) -> tuple[list[str], list[int | None]]:
        """Titles and years of movies by row of the current catalog."""
        catalog = self.request_view().catalog
        titles, years = catalog.column("title"), catalog.column("year")
        return [titles[row] for row in rows.tolist()], [years[row] for row in rows.tolist()]

    def genres(self, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Genres of movies by row of the current catalog."""
        genres = self.request_view().catalog.column("genres")
        return [tuple(genres[row]) for row in rows.tolist()]

    def title_table(self) -> TitleTable:
        """Ids, titles and years of all movies in service."""
        return browse.title_table(self.request_view())

    def is_rated(self, movie_id: Id) -> bool:
        """Whether anybody has rated a movie. Raises UnknownMovieError."""
        view = self.request_view()
        return bool(view.stats.counts[view.catalog.row(known_id(view.catalog, movie_id))])

    def film_ratings(self, movie_id: Id) -> MovieRatings:
        """How one movie was rated. Raises UnknownMovieError."""
        view = self.request_view()
        return browse.film_ratings(view, known_id(view.catalog, movie_id))

    def film_map(self, space: str = "content") -> MovieMap:
        """Every movie of a space as a point in two dimensions. Raises InvalidInputError: there is no such space."""
        return browse.film_map(self.request_view(), space)

    def statistics(self, filter: str = "") -> Statistics:
        """Figures of the effective ratings of the movies that a filter allows; kept until something changes.

        Raises:
            FilterError: the filter does not parse.
        """
        return cached_statistics(self.request_view(), filter)

    # --- users --------------------------------------------------------------------------------------------------
    def history(self, user_id: Id) -> list[RatedMovie]:
        """A user's effective ratings, newest first. Raises UnknownUserError where there are none."""
        view = self.request_view()
        return users.rated(view, view.known_history(id_text(user_id)))

    def rated_count(self, user_id: Id) -> int:
        """Number of a user's effective ratings, 0 for an unknown user; microseconds."""
        return len(self.request_view().history(id_text(user_id)))

    def states(
        self, user_id: Id, *, state: State | None = None, limit: int | None = None, offset: int = 0
    ) -> StatePage:
        """Movies that are seen, on the watchlist or not interesting, newest first; none for an unknown user.

        Args:
            state: of this kind only.
            limit: number of states; None: all.
            offset: states to skip.
        """
        return states.page(self.request_view(), id_text(user_id), state=state, limit=limit, offset=offset)

    def states_of(self, user_id: Id, movie_id: Id) -> tuple[State, ...]:
        """The states of one movie. Raises UnknownMovieError."""
        return states.states_of(self.request_view(), id_text(user_id), id_text(movie_id))

    def users(self, prefix: str = "", *, limit: int = 20, offset: int = 0) -> UserPage:
        """Users with ratings whose id begins with a text: that very id, numeric ids by number, others by text.

        Args:
            prefix: case counts; "" asks for everybody.
            limit: number of users, 1..settings.max_n.
            offset: users to skip.
        """
        return users.page(self.request_view(), normalized(prefix), limit, offset)

    def neighbors(self, user_id: Id, n: int = 10) -> list[Neighbor]:
        """Users of most similar taste. Raises UnknownUserError."""
        return users.neighbors(self.request_view(), id_text(user_id), n)

    def explain(self, user_id: Id, movie_id: Id, model: str | None = None) -> Explanation:
        """Why one movie for one user, whether it is recommended, rated already, or neither.

        Args:
            model: whose reasons are given in `because`; None: the default model's.

        Raises:
            UnknownUserError: nothing is known of the user to explain from.
            UnknownMovieError, UnknownModelError: no such movie, no such model.
        """
        view = self.request_view()
        return explain(view, id_text(user_id), known_id(view.catalog, movie_id), model)

    def export_user(self, user_id: Id) -> dict[str, Any]:
        """Everything held about a user: ratings, states, exposures. Raises UnknownUserError, also once erased."""
        return users.export(self.request_view(), id_text(user_id))

    def export_ratings(self) -> Iterator[tuple[str, str, float, int | None]]:
        """All effective ratings: user id, movie id, stars, time."""
        return users.export_ratings(self.request_view())

    # --- what waits for an encoder ------------------------------------------------------------------------------
    def waits(self, *movie_ids: Id) -> bool:
        """Whether one of these movies waits for the vector of its text or its poster."""
        catalog = self.request_view().catalog
        return self.backlog.holds({known_id(catalog, movie_id) for movie_id in movie_ids})

    def backlog_state(self) -> BacklogState:
        """How many movies wait for an encoder, and why."""
        return self.backlog.state()

    # --- writes: each is all or nothing and durable when it returns ---------------------------------------------
    def known_movies(self, movie_ids: Iterable[Id]) -> frozenset[str]:
        """Those of some ids, also of IMDb and TMDB, that movies in service have."""
        catalog = self.request_view().catalog
        return frozenset(id_ for id_ in map(id_text, movie_ids) if catalog.find(known_id(catalog, id_)) is not None)

    def check_stars(self, stars: float) -> float:
        """Return the stars, or raise InvalidInputError where they are off the scale."""
        return check_stars(stars, self.scale)

    def rate(
        self,
        ratings: Sequence[tuple[Id, Id, float]],
        *,
        key: str | None = None,
        timestamp: int | None = None,
        timestamps: Sequence[int | None] | None = None,
        titles: bool = False,
    ) -> int:
        """Store (user id, movie id, stars) triples, all or none; returns the number of distinct ratings stored.

        Args:
            ratings: of equal (user, movie) pairs the last wins.
            key: makes the call idempotent for 24 hours.
            timestamp: seconds since 1970; None: now.
            timestamps: one for each rating, where they differ (an import); None in it: `timestamp`.
            titles: text that is no movie's id may be a title, see `find_surely`.

        Raises:
            UnknownMovieError: naming the first unknown movie; nothing is stored. So does UnsureMovieError.
            InvalidInputError: stars off the data set's scale, impossible ids, too many at once; nothing is stored.
            ConflictError: the key was used for other ratings.
        """
        view = self.request_view()
        return writes.rate(view, ratings, key=key, timestamp=timestamp, timestamps=timestamps, titles=titles)

    def rate_columns(self, parts: Iterable[RatingColumns]) -> Iterator[int]:
        """Store ratings of any number, part by part, each all or none; tells after each how many ratings it had.

        For imports of millions: 20,000 a part, sorted by user and film, are stored fastest. What the engine knows of
        films is that of the beginning.

        Raises:
            UnknownMovieError, InvalidInputError: as `rate`; nothing of this part is stored, and those before are.
        """
        view = self.request_view()
        for part in parts:
            yield writes.rate_columns(view, part)

    def import_history(
        self,
        user_id: Id,
        source: bytes | str | Path,
        *,
        name: str = "",
        layout: str | None = None,
        scale: str | None = None,
        preview: bool = False,
    ) -> HistoryImport:
        """Store a person's history from elsewhere: ratings, films that were seen, the watchlist (docs/your-films.md).

        Films are found by their ids at IMDb and TMDB, else by title and year; of a film that is not surely known
        nothing is stored. The same import again changes nothing.

        Args:
            source: the file's bytes, or its path.
            name: of the file, where bytes are given.
            layout: one of `matinee.histories.READABLE`; None: told by what the file holds.
            scale: of its stars, "1-10"; None: the layout's, else what all stars show.
            preview: store nothing.

        Raises:
            InvalidInputError: the file cannot be read, or its scale cannot be told; nothing is stored.
        """
        data = source
        if not isinstance(data, bytes):
            path = Path(data)
            name = name or path.name
            try:
                if path.stat().st_size > MAX_BYTES:
                    raise TooLargeError(f"{path} is too large.", f"Import {MAX_BYTES:,} bytes at most.")
                data = path.read_bytes()
            except OSError as error:
                raise InvalidInputError(
                    f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
                ) from error
        history = read_history(name or "upload", data, layout=layout, scale=scale)
        return history_import.import_history(self.request_view(), id_text(user_id), history, preview=preview)

    def export_history(self, user_id: Id, layout: str = "csv") -> HistoryFile:
        """A user's ratings and states as a file that other sites read.

        Args:
            layout: one of `matinee.histories.WRITABLE`.

        Raises:
            UnknownUserError: nothing is known of the user.
            InvalidInputError: there is no such layout.
        """
        return history_import.export_history(self.request_view(), id_text(user_id), layout)

    def set_states(self, user_id: Id, changes: Sequence[StateChange], *, unknown: Unknown = "refuse") -> StatesStored:
        """Set and take back states of a user's movies; the next list has it.

        Args:
            changes: of equal (movie, state) pairs the last wins.
            unknown: "skip" stores what can be, and names the other movies.

        Examples:
            >>> engine.set_states("42", [matinee.StateChange("2", "seen")]).stored
            1
            >>> engine.states("42", state="seen").total
            1
            >>> engine.set_states("42", [matinee.StateChange("2", "seen", remove=True)]).stored
            1

        Raises:
            UnknownMovieError: naming the first unknown movie; nothing is stored.
            InvalidInputError: an impossible id or state, too many at once or in all; nothing is stored.
        """
        return states.set_states(self.request_view(), id_text(user_id), changes, unknown=unknown)

    def claim(self, user_id: Id, guest: Id) -> Claimed:
        """Give a user what a guest of the web app has rated and marked, then erase the guest.

        What the user has already wins. Where it breaks off, the guest is still there: claim again. A guest of whom
        nothing is stored leaves nothing.

        Raises:
            InvalidInputError: that is no guest's id.
            ConflictError: the guest goes on rating.
        """
        return claim(self.request_view, id_text(user_id), id_text(guest))

    def import_progress(self, key: str) -> ImportProgress | None:
        """How far an import has come; None: none of this key is known."""
        return self.request_view().runtime.store.import_progress(key)

    def import_lines(
        self,
        progress: ImportProgress,
        lines: Sequence[ImportLine],
        *,
        on_error: OnError = "stop",
        ends: bool = False,
    ) -> ImportProgress:
        """Store the next lines of an import, and how far it has come, in one transaction.

        Movies are embedded afterwards, by the backlog.

        Args:
            progress: how far it has come.
            lines: that follow.
            on_error: "stop": what comes before a line that cannot be stored is stored, and the state is "stopped".
                "skip": such lines are counted, and the first 100 named.
            ends: whether they are the last ones.

        Returns:
            how far it has come now.

        Raises:
            ConflictError: the import has come further already; nothing is stored.
            StoreError: nothing is stored, or the message says that this is not known.
        """
        view = self.request_view()
        return imports.import_lines(view, self.backlog, progress, lines, on_error=on_error, ends=ends)

    def unrate(self, user_id: Id, movie_id: Id) -> None:
        """Take one rating back. Raises NotFoundError where there is none."""
        view = self.request_view()
        writes.unrate(view, id_text(user_id), known_id(view.catalog, movie_id))

    def erase_user(self, user_id: Id) -> None:
        """Erase everything held about a user. Raises UnknownUserError.

        The store's rows are deleted; a mark that hides the snapshot's ratings stays until no snapshot has any.
        """
        writes.erase_user(self.request_view(), id_text(user_id))

    def put_movies(self, movies: Sequence[Movie]) -> int:
        """Add or replace movies; they are searchable and recommendable at once. Returns the number stored.

        Where the snapshot has text vectors, those of the movies are made and stored with them. Where the encoder is
        away the movies wait for theirs (`waits`): they are embedded as soon as it answers, by this process or another.
        """
        return writes.put_movies(self.request_view(), self.encoders, self.backlog, movies)

    def put_poster(self, movie_id: Id, image: Image) -> bool:
        """Index this poster of a movie; the picture itself is stored elsewhere (`posters.store`).

        Returns:
            False where the snapshot has no posters to search: the poster is indexed by the next `matinee posters add`
            or training. False, too, where the encoder cannot be had: a stored picture is indexed when it answers.

        Raises:
            UnknownMovieError: no such movie.
            TooLargeError, MediaTypeError, InvalidInputError: an image that cannot be read.
        """
        view = self.request_view()
        return writes.put_poster(view, self.encoders, self.backlog, known_id(view.catalog, movie_id), image)

    def delete_poster(self, movie_id: Id) -> None:
        """Remove a movie's poster from the index. Raises UnknownMovieError."""
        view = self.request_view()
        writes.delete_poster(view, known_id(view.catalog, movie_id))

    def patch_movie(self, movie_id: Id, changes: Mapping[str, Any]) -> Movie:
        """Change some columns of a movie (None clears one) and return it.

        Raises:
            UnknownMovieError: no such movie.
            InvalidInputError: an unknown column, or a value that a movie cannot have.
        """
        view = self.request_view()
        return writes.patch_movie(view, self.encoders, self.backlog, known_id(view.catalog, movie_id), changes)

    def delete_movie(self, movie_id: Id) -> None:
        """Remove a movie from service. Raises UnknownMovieError."""
        view = self.request_view()
        writes.delete_movie(view, known_id(view.catalog, movie_id))
