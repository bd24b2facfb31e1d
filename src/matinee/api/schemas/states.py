"""Bodies and answers about states of films."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from matinee.api.parameters import at_most
from matinee.api.schemas.examples import example, with_example
from matinee.api.schemas.requests import Body, OfMovie
from matinee.engine import states
from matinee.engine.states import MarkedMovie
from matinee.settings import MAX_AT_ONCE
from matinee.stores.base import State

_MARKED = '{"movie_id": "318", "title": "A Film", "year": 1994, "state": "seen", "timestamp": 1790000000}'


class StateIn(OfMovie, json_schema_extra=example('{"movie_id": "318", "state": "seen"}')):
    """A state of a film that is to be set, or taken back."""

    state: State
    remove: Annotated[bool, Field(strict=True)] = Field(False, description="Take it back.")
    timestamp: Annotated[int, Field(strict=True, ge=0, le=253_402_300_799)] | None = Field(
        None, description="Seconds since 1970 UTC; default: now."
    )


class StatesIn(
    Body,
    json_schema_extra=example(
        '{"states": [{"movie_id": "318", "state": "seen"}, {"movie_id": "296", "state": "watchlist", "remove": true}]}'
    ),
):
    """States of one user's films."""

    states: Annotated[list[StateIn], at_most(MAX_AT_ONCE)] = Field(
        description="Of two of one film and one kind the last counts."
    )


StatesStoredOut = with_example(states.StatesStored, '{"stored": 2, "unknown": []}')


class MarkOut(
    BaseModel,
    json_schema_extra=example(
        '{"user_id": "42", "movie_id": "318", "before": ["watchlist"], "states": ["watchlist", "seen"]}'
    ),
):
    """The states of one film, before and now."""

    user_id: str
    movie_id: str
    before: list[State]
    states: list[State]


class StatePageOut(BaseModel, json_schema_extra=example(f'{{"user_id": "42", "states": [{_MARKED}], "total": 1}}')):
    """Marked films, newest first."""

    user_id: str
    states: list[MarkedMovie]
    total: int = Field(description="Total number of such states.")
