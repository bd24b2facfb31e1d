"""The engine: one snapshot and one store → recommendations, similar films, search, explanations. No HTTP in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matinee.data.catalog import Movie
from matinee.engine.types import Answer, Hit, MoviePage, Neighbor, PopularItem, RatedMovie, Request, SimilarBy
from matinee.settings import Settings


class Engine:
    """Thread-safe. Every read reflects every write that returned before it, from any process.

    All methods raise `MatineeError`s: `UnknownMovieError`, `UnknownUserError`, `UnknownModelError`,
    `FilterError`, `InvalidInputError`, `ConflictError`, `StoreError`, `SnapshotError`.
    """

    @classmethod
    def open(cls, settings: Settings | None = None) -> Engine:
        """Open the current snapshot and the store of the settings' data folder.

        Raises:
            SnapshotError: there is no snapshot, or the current one is damaged (the one before it is taken, and
                `warnings` says so, where that one is sound).
        """
        raise NotImplementedError

    def close(self) -> None: ...

    # --- what is served -------------------------------------------------------------------------------------
    @property
    def snapshot_id(self) -> str: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    def revision(self) -> tuple[str, int]:
        """(snapshot id, films' version): changes whenever answers about films may change; cheap, per request."""
        raise NotImplementedError

    def user_version(self, user_id: str) -> int:
        """The version of a user's data, cheap (some microseconds), sees other processes' writes at once."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise unless a model is loaded and the store answers (readiness)."""

    def models(self) -> list[dict[str, Any]]:
        """Name, config, metrics, seconds to fit, bytes, of every model in service; `default` marks one."""
        raise NotImplementedError

    def snapshots(self) -> list[dict[str, Any]]:
        """Id, created (ISO time), current, dataset, metrics, watermark of each snapshot, newest first."""
        raise NotImplementedError

    def promote(self, snapshot_id: str) -> str:
        """Verify a snapshot, serve it, and return its id; the old one serves until the new one is loaded."""
        raise NotImplementedError

    def rollback(self) -> str:
        """Serve the snapshot promoted before the current one, and return its id."""
        raise NotImplementedError

    # --- reading --------------------------------------------------------------------------------------------
    def recommend(self, user_id: str, request: Request = Request()) -> Answer:
        """Films for a stored user; an unknown user gets the popular films and `fallback="popular"`."""
        raise NotImplementedError

    def recommend_for(self, ratings: Mapping[str, float | None], request: Request = Request()) -> Answer:
        """Films for an ad-hoc history, film id → stars (None: liked).

        Raises:
            UnknownMovieError: a film of the history is unknown.
        """
        raise NotImplementedError

    def similar(
        self, movie_id: str, *, by: SimilarBy = "blend", n: int = 10, filter: str = "", index: str = "exact"
    ) -> Answer:
        """Films similar to one film; `by="poster"` and other indexes than exact raise InvalidInputError for now."""
        raise NotImplementedError

    def search(self, text: str, *, n: int = 10, filter: str = "") -> list[Hit]:
        """Films by title: exact, prefix, typo-tolerant."""
        raise NotImplementedError

    def popular(
        self,
        *,
        n: int = 10,
        filter: str = "",
        genre: str | None = None,
        year: int | None = None,
        days: float | None = None,
    ) -> list[PopularItem]:
        """The chart by IMDb weighted score over all time, or over the last `days` before the newest rating."""
        raise NotImplementedError

    def movie(self, movie_id: str) -> Movie: ...
    def movies(self, *, filter: str = "", sort: str = "popularity", offset: int = 0, limit: int = 50) -> MoviePage:
        """A page of the catalogue; sort: movie_id, title, year, ratings, mean, popularity, "-" in front: descending
        (popularity, ratings and mean descend by themselves and ascend with "-")."""
        raise NotImplementedError

    def history(self, user_id: str) -> list[RatedMovie]:
        """A user's effective ratings, newest first. Raises UnknownUserError where there are none."""
        raise NotImplementedError

    def neighbors(self, user_id: str, n: int = 10) -> list[Neighbor]:
        """Users of most similar taste. Raises UnknownUserError."""
        raise NotImplementedError

    def export_user(self, user_id: str) -> dict[str, Any]:
        """Everything held about a user: ratings, exposures. Raises UnknownUserError."""
        raise NotImplementedError

    def export_ratings(self) -> Iterator[tuple[str, str, float, int | None]]:
        """All effective ratings: user id, film id, stars, time."""
        raise NotImplementedError

    # --- writing --------------------------------------------------------------------------------------------
    def rate(
        self, ratings: Sequence[tuple[str, str, float]], *, key: str | None = None, timestamp: int | None = None
    ) -> int:
        """Store (user id, film id, stars) triples, all or none; returns the number of distinct ratings stored.

        Raises:
            UnknownMovieError: naming the first unknown film; nothing is stored.
            InvalidInputError: stars off the data set's scale, ids too long; nothing is stored.
        """
        raise NotImplementedError

    def unrate(self, user_id: str, movie_id: str) -> None:
        """Take one rating back. Raises NotFoundError where there is none."""
        raise NotImplementedError

    def erase_user(self, user_id: str) -> None:
        """Erase everything held about a user. Raises UnknownUserError."""
        raise NotImplementedError

    def put_movies(self, movies: Sequence[Movie]) -> int:
        """Add or replace films; they are searchable and recommendable at once."""
        raise NotImplementedError

    def patch_movie(self, movie_id: str, changes: Mapping[str, Any]) -> Movie:
        """Change some columns of a film. Raises UnknownMovieError, InvalidInputError."""
        raise NotImplementedError

    def delete_movie(self, movie_id: str) -> None:
        """Remove a film from service. Raises UnknownMovieError."""
        raise NotImplementedError
