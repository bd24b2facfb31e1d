"""The engine: one snapshot and one store → recommendations, similar films, search, explanations. No HTTP in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.notebook import html_table
from matinee.data.catalog import Movie
from matinee.data.ids import Id, id_text
from matinee.data.ratings import NO_TIME
from matinee.encoders.base import Image
from matinee.engine import browse, posters, users
from matinee.engine.explore import Explorer
from matinee.engine.lifecycle import Serving
from matinee.engine.recommend import check_n, recommend
from matinee.engine.runtime import query_of
from matinee.engine.search import hybrid
from matinee.engine.similar import in_space, similar
from matinee.engine.types import (
    Answer,
    FilmMap,
    Hit,
    MoviePage,
    Neighbor,
    PopularBy,
    PopularItem,
    PosterHit,
    RatedMovie,
    Request,
    SearchBy,
    SimilarBy,
)
from matinee.engine.writes import Writer
from matinee.errors import InvalidInputError, UnknownUserError

DEFAULT = Request()


class Engine(Serving, Writer, Explorer):
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

    def __repr__(self) -> str:
        return f"<Engine: {self.dataset_name}, snapshot {self.snapshot_id}>"

    def _repr_html_(self) -> str:
        rows = [(model["name"], "default" if model["default"] else "") for model in self.models()]
        return html_table(["Model", ""], rows, caption=f"{self.dataset_name}, snapshot {self.snapshot_id}")

    def find(self, name: Id) -> Movie:
        """The film that has this id or this title, with or without its year.

        Raises:
            NotFoundError: no film has it.
            AmbiguousTitleError: several films have this title; it lists them.
        """
        _, view = self._current()
        return view.catalog.movie(view.catalog.resolve(name))

    def recommend(self, user_id: Id, request: Request = DEFAULT) -> Answer:
        """Films for a stored user; an unknown user gets the popular films and `fallback="popular"`."""
        user_id = id_text(user_id)
        runtime, view = self._current()
        version = runtime.user_version(user_id)
        query = runtime.history(user_id, view)
        return recommend(view, self.settings, query, request, user_id=user_id, version=version)

    def recommend_for(
        self,
        ratings: Mapping[str, float | None] | Mapping[int, float | None],
        request: Request = DEFAULT,
        *,
        titles: bool = True,
    ) -> Answer:
        """Films for an ad-hoc history, film id or title → stars (None: seen, and given none; a mild like).

        Args:
            titles: text that is no film's id may be a title, "Toy Story" or "Toy Story (1995)".

        Raises:
            NotFoundError: a film of the history is unknown.
            AmbiguousTitleError: several films have a title; it lists them.
            InvalidInputError: too many films, or stars off the scale.
        """
        _, view = self._current()
        if len(ratings) > self.settings.max_history:
            raise InvalidInputError(
                f"The history has {len(ratings)} films.", f"Send {self.settings.max_history} at most."
            )
        mild = view.snapshot.star_scale.mild_like

        def row_of(name: Id) -> int:
            return view.catalog.resolve(name) if titles else view.catalog.row(id_text(name))

        found = {
            row_of(movie_id): (mild if stars is None else self.check_stars(stars), NO_TIME)
            for movie_id, stars in ratings.items()
        }
        return recommend(view, self.settings, query_of(found), request)

    def similar(
        self, movie_id: Id, *, by: SimilarBy = "blend", n: int = 10, filter: str = "", index: str = "exact"
    ) -> Answer:
        """Films similar to one film, itself left out.

        Args:
            by: "taste" (who liked them), "content" (what they are about), "poster", or "blend" of the first two.
            index: what searches the space of that likeness: "exact", or, finding nearly the same, "faiss", "annoy" or
                "hnsw". `Answer.index` says which did: "exact" in place of one that misses films.

        A film that is unknown by that likeness is answered by content, and `fallback` says so.
        """
        movie_id = id_text(movie_id)
        _, view = self._current()
        return similar(view, self.settings, movie_id, by=by, n=n, filter=filter, index=index)

    def search(self, text: str, *, n: int = 10, filter: str = "", by: SearchBy = "both") -> list[Hit]:
        """Films by title (exact, prefix, typo-tolerant) and by meaning, fused.

        Args:
            by: "title", "meaning", or "both"; where the snapshot has no text vectors, or the encoder cannot be had,
                "both" is by title alone.

        Raises:
            InvalidInputError, EncoderError: `by="meaning"` where there is nothing to search by.
        """
        _, view = self._current()
        return hybrid.search(view, self.settings, self.encoders, text, n=n, filter=filter, by=by)

    def search_posters(
        self,
        image: Image | None = None,
        *,
        vector: list[float] | NDArray[np.float32] | None = None,
        k: int = 5,
        filter: str = "",
        index: str = "exact",
        exclude_self: bool = False,
    ) -> list[PosterHit]:
        """The k films whose posters are most like an image (bytes or a file), or like a vector.

        Args:
            vector: of the encoder's length (raw) or of the space's.
            exclude_self: leave out the nearest film where its poster is the very picture given.

        Raises:
            InvalidInputError: there are no posters; a vector of wrong length, zero, NaN; an image that is broken.
            TooLargeError, MediaTypeError: an image that is too large, or none.
            EncoderError: the image encoder cannot be had.
        """
        _, view = self._current()
        return posters.search(
            view,
            self.settings,
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
        live = self._current()[1].spaces.get(space)
        return () if live is None else live.kinds

    def neighbours_in(self, space: str, movie_id: Id, *, n: int = 10, index: str = "exact") -> Answer | None:
        """The nearest films in one space, the film itself left out; None where it has no vector there.

        Raises:
            UnknownMovieError: no such film.
            InvalidInputError: the snapshot lacks the space or the index.
        """
        _, view = self._current()
        check_n(n, self.settings.max_n)
        row = view.catalog.row(id_text(movie_id))
        allowed = view.catalog.active.copy()
        allowed[row] = False
        return in_space(view, row, space, n, allowed, index)

    def titles(self, rows: NDArray[np.int64]) -> tuple[list[str], list[int | None]]:
        """Titles and years of films by row of the current catalogue."""
        catalog = self._current()[1].catalog
        titles, years = catalog.column("title"), catalog.column("year")
        return [titles[row] for row in rows.tolist()], [years[row] for row in rows.tolist()]

    def is_rated(self, movie_id: Id) -> bool:
        """Whether anybody has rated a film. Raises UnknownMovieError."""
        _, view = self._current()
        return bool(view.stats.counts[view.catalog.row(id_text(movie_id))])

    def film_map(self, space: str = "content") -> FilmMap:
        """Every film of a space as a point in two dimensions. Raises InvalidInputError where there is no such space."""
        return browse.film_map(self._current()[1], space)

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
        runtime, view = self._current()
        return browse.popular(
            runtime, view, self.settings, by=by, n=n, filter=filter, genre=genre, year=year, days=days
        )

    def movie(self, movie_id: Id) -> Movie:
        """One film. Raises UnknownMovieError."""
        movie_id = id_text(movie_id)
        _, view = self._current()
        return view.catalog.movie(view.catalog.row(movie_id))

    def movies(self, *, filter: str = "", sort: str = "popularity", offset: int = 0, limit: int = 50) -> MoviePage:
        """A page of the catalogue.

        Args:
            filter: in the filter language.
            sort: movie_id, title, year, ratings, mean, popularity or top_rated; "-" in front turns the order round (the
                last four begin with the highest, the others with the lowest). Popularity is the number of ratings, of
                equal films the better rated first; top_rated is IMDb's weighted score.
            offset: films to skip.
            limit: films on the page, 1..settings.max_n.
        """
        _, view = self._current()
        return browse.page(view, self.settings, filter=filter, sort=sort, offset=offset, limit=limit)

    def history(self, user_id: Id) -> list[RatedMovie]:
        """A user's effective ratings, newest first. Raises UnknownUserError where there are none."""
        user_id = id_text(user_id)
        runtime, view = self._current()
        return users.rated(view, users.known(runtime, view, user_id))

    def rated_count(self, user_id: Id) -> int:
        """Number of a user's effective ratings, 0 for an unknown user; microseconds."""
        user_id = id_text(user_id)
        runtime, view = self._current()
        return len(runtime.history(user_id, view))

    def has_model(self, name: str) -> bool:
        """Whether a model of this name is in service."""
        return name in self._current()[1].models

    def neighbors(self, user_id: Id, n: int = 10) -> list[Neighbor]:
        """Users of most similar taste. Raises UnknownUserError."""
        user_id = id_text(user_id)
        check_n(n, self.settings.max_n)
        runtime, view = self._current()
        return users.neighbors(runtime, view, user_id, n)

    def export_user(self, user_id: Id) -> dict[str, Any]:
        """Everything held about a user: ratings, exposures. Raises UnknownUserError, also for an erased user."""
        user_id = id_text(user_id)
        runtime, view = self._current()
        ratings = users.rated(view, runtime.history(user_id, view))
        shown = runtime.store.exposures(user_id)
        if not ratings and not shown:
            raise UnknownUserError(user_id)
        return {
            "user_id": user_id,
            "ratings": [
                {"movie_id": r.movie_id, "title": r.title, "rating": r.rating, "timestamp": r.timestamp}
                for r in ratings
            ],
            "exposures": [
                {"timestamp": e.timestamp, "snapshot": e.snapshot, "model": e.model, "movie_ids": list(e.movie_ids)}
                for e in shown
            ],
        }

    def export_ratings(self) -> Iterator[tuple[str, str, float, int | None]]:
        """All effective ratings: user id, film id, stars, time."""
        runtime, view = self._current()
        return users.export_ratings(runtime, view)
