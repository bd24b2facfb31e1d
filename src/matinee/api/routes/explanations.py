"""Why one film for one user."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.render import dumps
from matinee.api.schemas.answers import FilmRefOut
from matinee.api.service import EngineDep, service_of

router = APIRouter(tags=["recommendations"])


class ModelScoreOut(BaseModel):
    """What one model says of the film."""

    name: str
    score: float | None = Field(description="Comparable within one model only; null: no opinion.")
    rank: int | None = Field(description="Among the films that the user has not rated; null: no opinion.")
    of: int = Field(description="Films that the model has an opinion on.")


class RatedReasonOut(BaseModel):
    """A film that the user liked and its share in what liked films add to the score."""

    movie_id: str
    title: str
    rating: float
    share: float = Field(ge=0, le=1)


class RaterOut(BaseModel):
    """A user of similar taste who has rated the film."""

    user_id: str
    similarity: float
    common: int = Field(description="Films that both have rated, this one left out.")
    stars: float


class FactorOut(BaseModel):
    """A latent factor on which the user and the film meet, or part."""

    factor: int
    user: float
    film: float
    product: float = Field(description="What it adds to the score.")
    high: list[FilmRefOut] = Field(description="Well-known films that have most of it.")
    low: list[FilmRefOut] = Field(description="Those that have least.")


class SharedOut(BaseModel):
    """What the film shares with films that the user rates no lower than their own mean."""

    field: str = Field(description="genres, directors, writers, cast, tags or keywords.")
    shared: list[str]
    films: list[FilmRefOut] = Field(description="Up to three films that share the most.")


class ExplanationOut(BaseModel):
    """Why one film for one user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "42",
                    "movie_id": "2959",
                    "title": "Fight Club",
                    "snapshot": "20260101T120000Z-0123abcd",
                    "model": "blend",
                    "fallback": None,
                    "stars": 4.349,
                    "rating": None,
                    "models": [{"name": "ials", "score": 0.730955, "rank": 35, "of": 9285}],
                    "because": [{"movie_id": "2571", "title": "The Matrix", "rating": 5.0, "share": 0.0389}],
                    "rest": 0.9611,
                    "reason": "because you loved The Matrix",
                    "neighbors": [{"user_id": "464", "similarity": 0.1469, "common": 52, "stars": 5.0}],
                    "neighbors_mean": 5.0,
                    "factors": [
                        {
                            "factor": 3,
                            "user": 0.61,
                            "film": 0.42,
                            "product": 0.2562,
                            "high": [{"movie_id": "1193", "title": "One Flew Over the Cuckoo's Nest"}],
                            "low": [{"movie_id": "434", "title": "Cliffhanger"}],
                        }
                    ],
                    "content": [
                        {
                            "field": "directors",
                            "shared": ["David Fincher"],
                            "films": [{"movie_id": "47", "title": "Seven (a.k.a. Se7en)"}],
                        }
                    ],
                }
            ]
        }
    )

    user_id: str
    movie_id: str
    title: str
    snapshot: str
    model: str = Field(description="Whose reasons `because` gives.")
    fallback: str | None = Field(description='"popular" or "content" where that model knows too little of the user.')
    stars: float | None = Field(description="Predicted; null where unknown.")
    rating: float | None = Field(description="The user's own, which is left out of what explains the film.")
    models: list[ModelScoreOut]
    because: list[RatedReasonOut] = Field(description="Liked films, twenty at most, the biggest share first.")
    rest: float = Field(description="Share of the liked films not listed.")
    reason: str = Field(description="The same in words, plain text.")
    neighbors: list[RaterOut] = Field(description="Twenty at most, the most similar first.")
    neighbors_mean: float | None
    factors: list[FactorOut] = Field(description="Of iALS, the eight that matter most; empty where there is none.")
    content: list[SharedOut]


@router.get(
    "/v1/users/{user_id}/explanations/{movie_id}",
    response_model=ExplanationOut,
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

    def work() -> tuple[bytes, bool]:
        # Not kept: it names other users' ratings, which no version of this user tells.
        return dumps(engine.explain(user_id, movie_id, model)), False

    return await service_of(request).answer(request, engine, user_id, work, heavy=True)
