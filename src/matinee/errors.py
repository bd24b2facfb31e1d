"""All deliberate errors of Matinee. Each says what happened and what to do next."""

from __future__ import annotations


class MatineeError(Exception):
    """Base of all deliberate errors.

    Args:
        message: one sentence that says what happened.
        hint: one sentence that says what to do next ("" when the message says it).

    Examples:
        >>> try:
        ...     engine.movie("0")
        ... except matinee.MatineeError as error:
        ...     print(error.message)
        No film has the id '0'.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInputError(MatineeError, ValueError):
    """An invalid value (HTTP 422)."""


class FilterError(InvalidInputError):
    """A filter that does not parse or names an unknown field (HTTP 400).

    Args:
        position: 0-based character offset of the error in the filter text.

    Attributes:
        text: the whole filter, "" if unknown.
    """

    def __init__(self, message: str, position: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.position = position
        self.text = ""


class UnknownScaleError(InvalidInputError):
    """A file of ratings whose scale cannot be told (HTTP 422)."""


class TooLargeError(InvalidInputError):
    """An upload that exceeds a limit of bytes, pixels or items (HTTP 413)."""


class MediaTypeError(InvalidInputError):
    """An upload in an unsupported format (HTTP 415)."""


class NotFoundError(MatineeError, LookupError):
    """The requested resource does not exist (HTTP 404)."""


class UnknownMovieError(NotFoundError):
    """No film has this id."""

    def __init__(self, movie_id: str) -> None:
        super().__init__(f"No film has the id {movie_id!r}.", "Find ids with GET /v1/search?q=… or `matinee search`.")
        self.movie_id = movie_id


class UnknownTitleError(UnknownMovieError):
    """No film has this id or this title."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.message = f"No film has the id or the title {name!r}."
        self.hint = "Find it with engine.search(…) or `matinee search`."


class UnsureMovieError(UnknownMovieError):
    """A name that is not surely one film's, where something would be written.

    Args:
        candidates: ids and titles with years of films that come near.
    """

    def __init__(self, name: str, candidates: list[tuple[str, str]]) -> None:
        super().__init__(name)
        listed = ", ".join(f"{title} (id {movie_id})" for movie_id, title in candidates)
        self.message = f"No film is surely {name!r}; nothing was stored."
        self.hint = (
            f"Near it: {listed}. Give the title with its year, or an id."
            if listed
            else "Give the title with its year, or an id: tt0133093, tmdb:603. Find it with `matinee search`."
        )
        self.candidates = candidates


class AmbiguousTitleError(InvalidInputError):
    """Several films have this title.

    Args:
        candidates: their ids and years.
    """

    def __init__(self, title: str, candidates: list[tuple[str, int | None]]) -> None:
        listed = ", ".join(f"{movie_id!r} ({year or 'year unknown'})" for movie_id, year in candidates)
        super().__init__(
            f"{title!r} is the title of {len(candidates)} films: {listed}.", "Give the year too, or one of these ids."
        )
        self.candidates = candidates


class UnknownUserError(NotFoundError):
    """Nothing is known about this user."""

    def __init__(self, user_id: str) -> None:
        super().__init__(f"Nothing is stored about the user {user_id!r}.", "Rate a film first, or check the id.")
        self.user_id = user_id


class UnknownModelError(NotFoundError):
    """The snapshot has no model of this name."""

    def __init__(self, name: str, available: list[str]) -> None:
        super().__init__(f"There is no model {name!r} in service.", f"Choose one of: {', '.join(sorted(available))}.")


class PluginError(MatineeError):
    """An installed package offers a model that cannot be used."""

    def __init__(self, kind: str, value: str, why: str) -> None:
        super().__init__(
            f"The plug-in {value} for models of the kind {kind!r} is broken: {why}.",
            "Update or uninstall the package that it belongs to.",
        )


class ConflictError(MatineeError):
    """The request contradicts an earlier one (HTTP 409)."""


class DataError(MatineeError):
    """A data file that cannot be read or is not valid."""


class FetchError(MatineeError):
    """An asset that cannot be downloaded or does not match its hash."""


class SnapshotError(MatineeError):
    """A snapshot that is missing, truncated, altered or of an unsupported version."""


class RunError(MatineeError):
    """A stored run of an evaluation that is missing, damaged, or cannot be repeated."""


class TrackingError(MatineeError):
    """MLflow does not answer, or refuses (HTTP 503)."""


class KeyFileError(MatineeError):
    """The file of API keys cannot be read or written (HTTP 503)."""


class StoreError(MatineeError):
    """The store cannot answer (HTTP 503)."""


class ReadOnlyError(StoreError):
    """The store can be read, but not written: a full or read-only disk, a damaged file (HTTP 503)."""


class EncoderError(MatineeError):
    """An encoder that is missing, does not load, or does not answer (HTTP 503)."""


class MissingExtraError(EncoderError):
    """A package that only an extra of this one installs (HTTP 503).

    Args:
        what: what cannot be done without it: "Reading pictures".
        extra: the extra's name: "encoders".
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs matinee[{extra}]: pip install 'matinee[{extra}]'.")
        self.extra = extra


class ServiceError(MatineeError):
    """Another service that does not answer, or whose answer is not valid (HTTP 503)."""


class OverloadedError(MatineeError):
    """More requests than can be answered now (HTTP 503).

    Args:
        retry_after: seconds after which a client should try again.
    """

    def __init__(self, message: str, hint: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class IndexFileError(MatineeError):
    """A stored vector index that is damaged or was built for other vectors."""


class MemoryLimitError(MatineeError):
    """A model that would exceed the memory limit."""
