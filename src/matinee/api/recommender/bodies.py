"""Bodies and answers of the recommender service; vectors are checked in `histories`, not by pydantic."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

from matinee.api.parameters import at_most
from matinee.api.recommender.histories import MAX_PREDICTIONS, MAX_RATING
from matinee.api.schemas.examples import SNAPSHOT, example
from matinee.api.schemas.requests import Body
from matinee.data.ids import ID_LENGTH
from matinee.settings import MAX_AT_ONCE

MAX_HISTORIES = 64
"""Histories in one request."""
MAX_SCORES = 10_000_000
"""Scores in one answer (40 MB)."""
TIMES = 1 << 63

_VECTORS = {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "minItems": 1}}
_HISTORICAL = {
    "type": "array",
    "prefixItems": [_VECTORS, {"type": "array", "items": {"type": "number"}}],
    "minItems": 2,
    "maxItems": 2,
}
_FILMS = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "maxItems": MAX_PREDICTIONS}
Many = at_most(MAX_AT_ONCE)
Name = Annotated[str, Field(min_length=1, max_length=100)]
# Not `MovieId`, whose pattern takes longer to check than scoring takes: ids that no film has are left out.
FilmId = Annotated[str, Field(strict=True, max_length=ID_LENGTH)] | Annotated[int, Field(strict=True)]
Rating = Annotated[float, Field(strict=True, ge=-MAX_RATING, le=MAX_RATING, allow_inf_nan=False)]
"""On the scale of the data set, which the service does not check: the core has."""
Time = Annotated[int, Field(strict=True, ge=-TIMES, lt=TIMES)]


class RecommendIn(
    Body,
    json_schema_extra=example(
        """{"historical": [[[0.9, 0.1], [0.1, 0.8], [0.8, 0.3]], [5, 2, 4.5]],
        "prediction_embeddings": [[0.2, 0.9], [0.85, 0.2]], "movie_id": ["12", "7"]}"""
    ),
):
    """The body of the classic form."""

    historical: Annotated[Any, WithJsonSchema(_HISTORICAL)] = Field(
        description="Two lists of equal length: the vectors of the films rated, and their ratings, on any scale."
    )
    prediction_embeddings: Annotated[Any, WithJsonSchema(_VECTORS)] = Field(
        description="Vectors of the films to be ranked, as long as those of the history."
    )
    movie_id: Annotated[Any, WithJsonSchema(_FILMS)] = Field(description="An id for each of these vectors.")
    model: Literal["ridge", "forest"] | None = Field(
        None, description="What is fitted on the history; default: the setting `recommender_model`."
    )


class HistoryIn(Body):
    """A user's history: films, and beside them stars and, where known, times (seconds since 1970; -1: unknown)."""

    movie_ids: Annotated[list[FilmId], Many]
    ratings: Annotated[list[Rating], Many]
    times: Annotated[list[Time], Many] | None = None


class _ScoredIn(Body):
    snapshot: Name | None = Field(None, description="Refuse (409) where another snapshot is in service.")
    sequence: int = Field(
        -1, strict=True, ge=-1, lt=TIMES, description="Refuse (409) where the store has not come this far."
    )
    model: Name | None = Field(None, description="A model of GET /v1/models; default: the default one.")


class ScoresIn(
    _ScoredIn,
    json_schema_extra=example('{"model": "blend", "histories": [{"movie_ids": ["318", "296"], "ratings": [5, 4.5]}]}'),
):
    """Histories to be scored."""

    histories: Annotated[list[HistoryIn], Field(max_length=MAX_HISTORIES), at_most(MAX_HISTORIES)]
    movie_ids: Annotated[list[FilmId], Many] | None = Field(None, description="Score these films only.")


class ContributionsIn(
    _ScoredIn,
    json_schema_extra=example(
        '{"model": "ease", "history": {"movie_ids": ["318", "296"], "ratings": [5, 4.5]}, "movie_ids": ["50"]}'
    ),
):
    """A history, and films whose scores are to be explained by it."""

    history: HistoryIn
    movie_ids: Annotated[list[FilmId], Many]


class UserFactorsIn(
    _ScoredIn,
    json_schema_extra=example('{"model": "ials", "histories": [{"movie_ids": ["318", "296"], "ratings": [5, 4.5]}]}'),
):
    """Histories whose user factors are computed."""

    histories: Annotated[list[HistoryIn], Field(max_length=MAX_HISTORIES), at_most(MAX_HISTORIES)]


_PACKED = '{"dim": 2, "float32": "zczMPQAAwH8="}'


class Packed(BaseModel, json_schema_extra=example(_PACKED)):
    """Rows of `dim` numbers: single precision, little-endian, in base64; NaN where there is none."""

    dim: int
    float32: str


class _ServedOut(BaseModel):
    snapshot: str
    sequence: int = Field(description="The store's sequence number up to which it is included.")
    model: str


class ScoresOut(
    _ServedOut,
    json_schema_extra=example(
        f'{{{SNAPSHOT}, "sequence": 17, "model": "blend", "fallbacks": [null], "scores": {_PACKED}, "added": []}}'
    ),
):
    """A row of scores for each history; higher is better, comparable within a row."""

    fallbacks: list[Literal["content", "popular"] | None] = Field(
        description="Who should answer each history instead; null: the model itself."
    )
    scores: Packed = Field(description="The snapshot's films in order, then `added`; or the films asked for, in order.")
    added: list[str] = Field(description="Films added since the snapshot.")


class ContributionsOut(
    _ServedOut,
    json_schema_extra=example(f'{{{SNAPSHOT}, "sequence": 17, "model": "ease", "contributions": {_PACKED}}}'),
):
    """For each film asked for, a row: what each film of the history adds to its score."""

    contributions: Packed | None = Field(description="null: the model has no such shares.")


class UserFactorsOut(
    _ServedOut, json_schema_extra=example(f'{{{SNAPSHOT}, "sequence": 17, "model": "ials", "factors": {_PACKED}}}')
):
    """A row of latent factors for each history."""

    factors: Packed | None = Field(description="null: the model has none.")


class ModelsOut(
    BaseModel,
    json_schema_extra=example(f'{{"items": [{{"name": "blend", "default": true}}], {SNAPSHOT}, "sequence": 17}}'),
):
    """The models in service."""

    items: list[dict[str, Any]]
    snapshot: str
    sequence: int
