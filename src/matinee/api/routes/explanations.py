"""Why one film for one user."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.render import dumps
from matinee.api.response_cache import Made
from matinee.api.schemas.answers import Explanation
from matinee.api.service import EngineDep, service_of

router = APIRouter(tags=["recommendations"])


@router.get(
    "/v1/users/{user_id}/explanations/{movie_id}",
    response_model=Explanation,
    responses=problems(404, 422, 503),
    summary="Why this film for this user",
)
async def explanation(
    request: Request,
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    movie_id: parameters.MovieIdPath,
    model: parameters.Model = None,
) -> Response:
    """What every model says, and the films, users, factors and words behind it.

    For any film: one that is recommended, one that is not, one that the user has rated. The user's own rating of the
    film is left out of the history that explains it.
    """

    def work() -> Made:
        # Not cached: it contains other users' ratings, which this user's version does not cover.
        return Made(dumps(engine.explain(user_id, movie_id, model)), False)

    return await service_of(request).answer(request, await service_of(request).view(engine), user_id, work, heavy=True)
