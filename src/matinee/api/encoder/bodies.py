"""Bodies and answers of the encoder service."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from matinee.api.parameters import at_most
from matinee.api.schemas.answers import HealthOut
from matinee.api.schemas.examples import example
from matinee.api.schemas.requests import Body

MAX_TEXTS = 256
"""Texts in one request."""
MAX_CHARACTERS = 20_000
"""Characters of a text; the model reads the first few hundred words only."""
MAX_IMAGES = 64
"""Images in one request."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "The text is empty or blank")
    return text


AnyText = Annotated[str, Field(strict=True, max_length=MAX_CHARACTERS)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_CHARACTERS), AfterValidator(_not_blank)]
Texts = Annotated[list[Text], Field(max_length=MAX_TEXTS), at_most(MAX_TEXTS)]
Base64 = Annotated[str, Field(strict=True, json_schema_extra={"contentEncoding": "base64"})]
TEXTS: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[AnyText], Field(max_length=MAX_TEXTS), at_most(MAX_TEXTS)])
"""Of `POST /generate`, where a text may be blank."""
GENERATE_EXAMPLE = ["A film about androids who dream"]


class EmbedIn(
    Body,
    json_schema_extra=example('{"texts": ["A film about androids who dream"]}', '{"images": ["/9j/4AAQSkZJRg=="]}'),
):
    """Texts, or images in base64."""

    texts: Texts | None = None
    images: Annotated[list[Base64], Field(max_length=MAX_IMAGES), at_most(MAX_IMAGES)] | None = None


class VectorsOut(
    BaseModel, json_schema_extra=example('{"encoder": "minilm", "dim": 3, "vectors": [[0.36, -0.48, 0.8]]}')
):
    """A unit vector for each text or image, in order."""

    encoder: str = Field(description="Names weights and preprocessing; never compare vectors of two encoders.")
    dim: int
    vectors: list[list[float]]


class EncoderState(TypedDict):
    """An encoder of this service; `id` and `dim` are null while it is not there, and `problem` says why."""

    kind: str
    id: str | None
    dim: int | None
    problem: str | None


class EncodersOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{"items": [{{"kind": "text", "id": "minilm", "dim": 384, "problem": null}}], "limits": {{
        "texts": {MAX_TEXTS}, "characters": {MAX_CHARACTERS}, "images": {MAX_IMAGES}, "bytes": 8388608}}}}"""
    ),
):
    """The encoders, and what one request may hold."""

    items: list[EncoderState]
    limits: dict[str, int]


class EncoderReadyOut(HealthOut, json_schema_extra=example('{"status": "ready"}')):
    """Able to encode."""
