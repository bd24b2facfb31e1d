"""States of a user's films: seen, on the watchlist, not interesting."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.parameters import refuse
from matinee.api.render import reply
from matinee.api.schemas.states import MarkOut, StatePageOut, StatesIn, StatesStoredOut
from matinee.api.service import EngineDep, service_of
from matinee.engine import Engine
from matinee.engine.states import StateChange
from matinee.stores.base import State

router = APIRouter(tags=["users and ratings"])
StatePath = Annotated[
    State, Path(description="`seen`, `watchlist` or `not_interested`; a film may have all of them.", examples=["seen"])
]


def _mark(engine: Engine, user_id: str, movie_id: str, state: State, *, remove: bool) -> Response:
    before = engine.states_of(user_id, movie_id)
    engine.set_states(user_id, [StateChange(movie_id, state, remove)])
    after = [one for one in before if one != state]
    if not remove:
        after.append(state)
    return reply({"user_id": user_id, "movie_id": movie_id, "before": before, "states": after})


@router.put(
    "/v1/users/{user_id}/states/{state}/{movie_id}",
    response_model=MarkOut,
    responses=problems(404, 422, 503),
    summary="Mark a film",
)
def mark(
    engine: EngineDep, user_id: parameters.UserIdPath, state: StatePath, movie_id: parameters.MovieIdPath
) -> Response:
    """Note that a film was seen, is on the watchlist, or is not interesting. The next list has it.

    Films seen or not interesting are on none of the user's lists; models do not learn from it. `before` are the
    states that the film had, for an undo.
    """
    return _mark(engine, user_id, movie_id, state, remove=False)


@router.delete(
    "/v1/users/{user_id}/states/{state}/{movie_id}",
    response_model=MarkOut,
    responses=problems(404, 422, 503),
    summary="Take a mark of a film back",
)
def unmark(
    engine: EngineDep, user_id: parameters.UserIdPath, state: StatePath, movie_id: parameters.MovieIdPath
) -> Response:
    """Take one state back; `before` says whether the film had it."""
    return _mark(engine, user_id, movie_id, state, remove=True)


@router.post(
    "/v1/users/{user_id}/states",
    response_model=StatesStoredOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Mark many films",
)
def mark_many(
    request: Request,
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    body: StatesIn,
    unknown: parameters.UnknownFilms = "refuse",
) -> Response:
    """Set and take back states of films in one transaction: all or none, or with `unknown=skip` what can be."""
    limit = service_of(request).settings.max_batch
    if len(body.states) > limit:
        raise refuse(("body", "states"), f"List should have at most {limit} items")
    changes = [StateChange(one.reference, one.state, one.remove, one.timestamp) for one in body.states]
    return reply(asdict(engine.set_states(user_id, changes, unknown=unknown)))


@router.get(
    "/v1/users/{user_id}/states",
    response_model=StatePageOut,
    responses=problems(422, 503),
    summary="Marked films",
)
def states(
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    state: Annotated[State | None, Query(description="Of this kind only.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Number of states.")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="States to skip.")] = 0,
) -> Response:
    """Films that are seen, on the watchlist or not interesting, newest first; none for an unknown user."""
    page = engine.states(user_id, state=state, limit=limit, offset=offset)
    return reply({"user_id": user_id, "states": [asdict(one) for one in page.states], "total": page.total})
