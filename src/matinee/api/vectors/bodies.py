"""Bodies and answers of the vector service; numbers are checked in `arrays`, not by pydantic."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from typing_extensions import TypedDict

from matinee.api.schemas.answers import HealthOut
from matinee.api.schemas.examples import SNAPSHOT, example
from matinee.api.schemas.requests import Body
from matinee.api.vectors.arrays import MAX_ITEM_NUMBER

_PACKED = {
    "type": "object",
    "properties": {"dim": {"type": "integer", "minimum": 1}, "float32": {"type": "string"}},
    "required": ["dim", "float32"],
    "additionalProperties": False,
}
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}, "minItems": 1}
_ITEMS: dict[str, Any] = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": MAX_ITEM_NUMBER}}
_BITS = {
    "type": "object",
    "properties": {"bits": {"type": "string"}},
    "required": ["bits"],
    "additionalProperties": False,
}
Vector = Annotated[Any, WithJsonSchema(_NUMBERS)]
ManyVectors = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "array", "items": _NUMBERS}, _PACKED]})]
ItemNumbers = Annotated[Any, WithJsonSchema(_ITEMS)]
Allowed = Annotated[Any, WithJsonSchema({"anyOf": [_ITEMS, _BITS, {"type": "null"}]})]
K = Annotated[int, Field(strict=True, ge=1, le=1 << 53)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=100)]

_VECTOR_HELP = "As long as the space's vectors, or as what the encoder gives (then it is projected); any length but 0."
_K_HELP = "Number of items; all, if there are fewer."
_RAW_HELP = (
    "true: the vectors are the encoder's, to be projected; needed only where these are as long as the space's own, "
    "which are meant otherwise."
)
_SELF_HELP = "Leave out items with a similarity of 0.9999 or more: the same picture."


class RecoIn(Body, json_schema_extra=example('{"vector": [0.12, -0.4, 0.9], "k": 5}')):
    """The body of the classic form."""

    vector: Vector = Field(description=_VECTOR_HELP)
    k: K = Field(5, description=_K_HELP)
    exclude_self: Flag = Field(False, description=_SELF_HELP)
    raw: Flag = Field(False, description=_RAW_HELP)


class _InSpace(Body):
    space: Name | None = Field(None, description="A space of GET /spaces; default: the first.")
    snapshot: Name | None = Field(None, description="Refuse (409) where another snapshot is in service.")


class SearchIn(
    _InSpace,
    json_schema_extra=example(
        '{"vector": [0.12, -0.4, 0.9], "k": 5}', '{"vectors": [[0.12, -0.4, 0.9]], "allowed": [1, 2]}'
    ),
):
    """A search with one vector or many."""

    vector: Vector = Field(None, description=_VECTOR_HELP)
    vectors: ManyVectors = Field(
        None, description='Instead of `vector`: at most 1,000; or packed, {"dim": 3, "float32": "<base64>"}.'
    )
    k: K = Field(5, description=_K_HELP)
    allowed: Allowed = Field(
        None, description='Only these items; or {"bits": "<base64>"}, a bit for each item, least significant first.'
    )
    exclude_self: Flag = Field(False, description=_SELF_HELP)
    raw: Flag = Field(False, description=_RAW_HELP)
    metadata: Flag = Field(True, description="false: numbers only, a list for each vector.")


class VectorIn(_InSpace, json_schema_extra=example('{"vector": [0.12, -0.4, 0.9]}')):
    """A vector to be put."""

    vector: Vector = Field(description=_VECTOR_HELP)
    raw: Flag = Field(False, description=_RAW_HELP)


class ItemsIn(_InSpace, json_schema_extra=example('{"items": [0, 17]}')):
    """Items by number."""

    items: ItemNumbers = Field(description="Item numbers.")


class PutIn(ItemsIn, json_schema_extra=example('{"items": [0, 17], "vectors": [[0.12, -0.4, 0.9], [0.5, 0.1, 0.2]]}')):
    """Items and their vectors."""

    vectors: ManyVectors = Field(description="A vector for each item, as in POST /search.")
    raw: Flag = Field(False, description=_RAW_HELP)


_ITEM = '"item": 17, "movie_id": "18", "title": "Four Rooms", "year": 1995, "poster": "/items/17/poster"'
_SPACE = f'"space": "poster", {SNAPSHOT}'


class VectorItemOut(BaseModel, json_schema_extra=example(f"{{{_ITEM}}}")):
    """An item and its film; the film's fields are null where the item is no film of the catalog."""

    item: int
    movie_id: str | None
    title: str | None
    year: int | None
    poster: str | None = Field(description="Path of the poster at this service.")


class NearestItemOut(VectorItemOut):
    """An item near a vector."""

    similarity: float = Field(description="Cosine, −1..1.")
    distance: float = Field(description="Angular: √(2 − 2·similarity), 0..2.")


class _SpaceAnswer(BaseModel):
    space: str
    snapshot: str | None


class NearestOut(
    _SpaceAnswer,
    json_schema_extra=example(f'{{{_SPACE}, "items": [{{{_ITEM}, "similarity": 0.812345, "distance": 0.612625}}]}}'),
):
    """Items near one vector, nearest first."""

    items: list[NearestItemOut]


class BatchOut(_SpaceAnswer):
    """Items near each of many vectors."""

    results: list[list[NearestItemOut]]


class ColumnsOut(_SpaceAnswer):
    """Numbers only, with `metadata` false: a list for each vector; `total` is how many items there are."""

    total: int
    items: list[list[int]]
    similarities: list[list[float]]


class ItemPageOut(_SpaceAnswer, json_schema_extra=example(f'{{{_SPACE}, "total": 6847, "items": [{{{_ITEM}}}]}}')):
    """Items in order of their numbers."""

    total: int
    items: list[VectorItemOut] | list[int]


class ItemVectorsOut(
    _SpaceAnswer, json_schema_extra=example(f'{{{_SPACE}, "items": [17], "vectors": [[0.12, -0.4, 0.9]]}}')
):
    """Unit vectors, as they are compared."""

    items: list[int]
    vectors: list[list[float]]


class PutOut(_SpaceAnswer, json_schema_extra=example(f'{{{_SPACE}, "put": 2, "total": 6849}}')):
    """How many items were put, and how many there are."""

    put: int
    total: int


class DeletedOut(_SpaceAnswer, json_schema_extra=example(f'{{{_SPACE}, "deleted": 2, "total": 6845}}')):
    """How many items were deleted, and how many are left."""

    deleted: int
    total: int


class SpaceState(TypedDict):
    """A space in service."""

    space: str
    snapshot: str | None
    index: str
    items: int
    dim: int
    raw_dim: Annotated[int | None, Field(description="Length of the encoder's vectors, which are projected.")]
    encoder: str | None


class SpacesOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{"items": [{{{_SPACE}, "index": "exact", "items": 6847, "dim": 256, "raw_dim": 1280,
        "encoder": "efficientnet-lite2"}}]}}"""
    ),
):
    """The spaces in service; the first is the one meant where none is named."""

    items: list[SpaceState]


class VectorsReadyOut(HealthOut, json_schema_extra=example(f'{{"status": "ready", {SNAPSHOT}, "warnings": []}}')):
    """Able to answer."""

    snapshot: str | None
    warnings: list[str]
