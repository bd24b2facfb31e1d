"""Models behind HTTP: the recommender service, asked for scores of histories."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee._util.packed_floats import unpacked
from matinee.errors import MatineeError, ServiceError
from matinee.remote.connection import Connection

TIMEOUT = 10.0
"""Seconds that one request may take."""
RETRY = 1.0
"""Seconds for which a service that did not answer is not asked again: requests fail at once instead of waiting."""
FALLBACKS = (None, "content", "popular")


@dataclass(frozen=True)
class History:
    """A user's history as it is sent: ids of the films, and beside them stars and times (None: unknown)."""

    movie_ids: Sequence[str]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64] | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        record: dict[str, Any] = {"movie_ids": list(self.movie_ids), "ratings": np.ascontiguousarray(self.ratings)}
        if self.times is not None:
            record["times"] = np.ascontiguousarray(self.times)
        return record


class Scored(NamedTuple):
    """Scores of histories.

    Attributes:
        scores: (n_histories, n_items), NaN where the model has no opinion; the snapshot's films, then `added`.
        fallbacks: who answers each history instead: "content", "popular", or None where the model itself does.
        added: ids of the films beyond the snapshot's.
    """

    scores: NDArray[np.float32]
    fallbacks: list[str | None]
    added: list[str]


class State(NamedTuple):
    """What the scores must be of: a snapshot, and the store up to a sequence number."""

    snapshot: str
    sequence: int


class RemoteRecommender:
    """The models of a recommender service. Thread-safe.

    Args:
        url: of the service: `http://host:8002`.
        timeout: seconds that one request may take.
        key: API key that is sent; "": none.

    Raises:
        ServiceError: `url` is not a web address; from any method: the service does not answer, is overloaded, or has
            another snapshot or store.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT, key: str = "") -> None:
        self._connection = Connection(
            url,
            timeout,
            service="recommender",
            start="matinee serve recommender",
            setting="MATINEE_RECOMMENDER_URL",
            failure=ServiceError,
            key=key,
        )
        self._lock = threading.Lock()
        self._away: tuple[float, ServiceError] | None = None

    def __repr__(self) -> str:
        return f"<RemoteRecommender: {self._connection.url}>"

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def check(self, state: State) -> None:
        """Raise ServiceError unless the service answers, with this snapshot and store."""
        self._ask("GET", "/v1/models", params={"snapshot": state.snapshot, "sequence": state.sequence})

    def scores(
        self, state: State, model: str, histories: Sequence[History], films: Sequence[str] | None = None
    ) -> Scored:
        """Scores of all films for each history, or of some only.

        Args:
            films: ids of the films to score; None: all.
        """
        body = {"model": model, "histories": [one.record() for one in histories]}
        if films is not None:
            body["movie_ids"] = list(films)
        answer = self._ask("POST", "/v1/scores", {**state._asdict(), **body})
        fallbacks, added = answer.get("fallbacks"), answer.get("added")
        if not isinstance(fallbacks, list) or not isinstance(added, list) or not set(fallbacks) <= set(FALLBACKS):
            raise self._connection.unexpected("the answer has no scores")
        width = len(films) if films is not None else None
        return Scored(self._array(answer.get("scores"), len(histories), width), fallbacks, added)

    def contributions(
        self, state: State, model: str, history: History, films: Sequence[str]
    ) -> NDArray[np.float32] | None:
        """What each film of the history adds to the scores of `films`, (len(films), len(history)); None: not known."""
        body = {"model": model, "history": history.record(), "movie_ids": list(films)}
        answer = self._ask("POST", "/v1/contributions", {**state._asdict(), **body})
        given = answer.get("contributions")
        return None if given is None else self._array(given, len(films), len(history.movie_ids))

    def user_factors(self, state: State, model: str, histories: Sequence[History]) -> NDArray[np.float32] | None:
        """Latent factors of each history, (n_histories, d); None: a model without factors."""
        body = {"model": model, "histories": [one.record() for one in histories]}
        given = self._ask("POST", "/v1/user-factors", {**state._asdict(), **body}).get("factors")
        return None if given is None else self._array(given, len(histories))

    def _ask(self, method: str, path: str, json: object = None, **options: Any) -> dict[str, Any]:
        with self._lock:
            if self._away is not None and monotonic() - self._away[0] < RETRY:
                raise ServiceError(self._away[1].message, self._away[1].hint)
        try:
            answer = self._connection.ask(method, path, json, **options)
        except ServiceError as error:
            if error.__cause__ is not None:  # nothing answered in time; an answer that refuses costs no time
                with self._lock:
                    self._away = monotonic(), error
            raise
        except MatineeError as error:  # a conflict, or a model that it lacks: no fault of who asks the core
            raise ServiceError(
                f"The recommender service at {self._connection.url} cannot answer: {error.message}"
            ) from error
        with self._lock:
            self._away = None
        return answer

    def _array(self, given: object, rows: int, width: int | None = None) -> NDArray[np.float32]:
        try:
            array = unpacked(given)
        except ValueError as error:
            raise self._connection.unexpected(f"the answer has no numbers: {error}") from error
        if len(array) != rows or width not in (None, array.shape[1]):
            raise self._connection.unexpected(f"the answer has numbers of shape {array.shape}")
        return array
