"""Encoding: the classic form, and the list-shaped one for texts and images."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from functools import partial

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import Response

from matinee._util.request_context import stage
from matinee.api.encoder.bodies import (
    GENERATE_EXAMPLE,
    MAX_CHARACTERS,
    MAX_IMAGES,
    MAX_TEXTS,
    TEXTS,
    EmbedIn,
    EncodersOut,
    VectorsOut,
)
from matinee.api.encoder.service import EncoderService, service_of
from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.request_bodies import json_schema, media_type, read_files, read_json, validated
from matinee.encoders.base import ImageEncoder, TextEncoder, Vectors
from matinee.errors import InvalidInputError, MatineeError, TooLargeError

router = APIRouter(tags=["encoding"])
ERRORS = problems(400, 408, 413, 415, 422, 503)
FORM = "multipart/form-data"
_BATCH = 8
"""Texts encoded at once."""

_GENERATE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "maxItems": MAX_TEXTS,
                    "items": {"type": "string", "maxLength": MAX_CHARACTERS},
                },
                "example": GENERATE_EXAMPLE,
            }
        },
    }
}
_EMBED_BODY = json_schema(EmbedIn)
_EMBED_BODY["requestBody"]["description"] = "Texts, or images in base64; or images as files of a form."
_EMBED_BODY["requestBody"]["content"][FORM] = {
    "schema": {
        "type": "object",
        "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        "required": ["images"],
    },
    "example": {"images": ["poster.jpg"]},
}


@router.post(
    "/generate",
    response_model=dict[str, list[float]],
    responses=ERRORS | {200: {"content": {"application/json": {"example": {GENERATE_EXAMPLE[0]: [0.36, -0.48, 0.8]}}}}},
    openapi_extra=_GENERATE_BODY,
    summary="Vectors by text",
)
async def generate(request: Request) -> Response:
    """The classic form: an object of text → unit vector. A text that comes twice is in it once.

    A blank text has a vector too, the same for all of them, so that one film without words does not stop the others.
    """
    service = service_of(request)
    service.work_queue.check_room()
    given: list[str] = list(dict.fromkeys(validated(TEXTS, await read_json(request))))
    encoder, texts = service.text.get(), [text for text in given if text.strip()]
    vectors = dict(zip(texts, await encode_texts(service, encoder, texts), strict=True))
    if len(texts) < len(given):
        (nothing,) = await service.work_queue.run([partial(_blank, encoder)])
        vectors |= {text: nothing[0] for text in given if not text.strip()}
    return reply({text: vectors[text] for text in given})


@router.post(
    "/embed", response_model=VectorsOut, responses=ERRORS, openapi_extra=_EMBED_BODY, summary="Vectors in order"
)
async def embed(request: Request) -> Response:
    """Unit vectors of texts or images, in the order they came."""
    service = service_of(request)
    service.work_queue.check_room()
    if media_type(request) == FORM:
        texts, images = None, await read_files(request, ("images", "image"), MAX_IMAGES)
    else:
        given = await read_json(request)
        _check_count(given.get("images") if isinstance(given, dict) else None)
        body: EmbedIn = validated(EmbedIn, given)
        if (body.texts is None) == (body.images is None):
            raise InvalidInputError("There must be either `texts` or `images`.", "Send one of the two.")
        texts, images = body.texts, [_image(position, text) for position, text in enumerate(body.images or [])]
    if texts is not None:
        text_encoder = service.text.get()
        return _answer(text_encoder, await encode_texts(service, text_encoder, texts))
    image_encoder = service.image.get()
    return _answer(image_encoder, await encode_images(service, image_encoder, images))


@router.get("/encoders", response_model=EncodersOut, summary="The encoders")
async def encoders(request: Request) -> Response:
    """Ids and sizes of the encoders, and what one request may hold."""
    service = service_of(request)
    limits = {
        "texts": MAX_TEXTS,
        "characters": MAX_CHARACTERS,
        "images": MAX_IMAGES,
        "bytes": service.settings.max_body,
    }
    return reply({"items": [service.text.describe(), service.image.describe()], "limits": limits})


def _answer(encoder: TextEncoder | ImageEncoder, vectors: Vectors) -> Response:
    return reply({"encoder": encoder.id, "dim": encoder.dim, "vectors": vectors})


async def encode_texts(service: EncoderService, encoder: TextEncoder, texts: Sequence[str]) -> Vectors:
    """Unit vectors of texts, (n, dim), in batches, so that other requests can come between."""

    def encode(batch: Sequence[str]) -> Vectors:
        with stage("encode"):
            return encoder.encode(batch)

    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    return _stacked(encoder, await service.work_queue.run([partial(encode, batch) for batch in batches]))


async def encode_images(service: EncoderService, encoder: ImageEncoder, images: Sequence[bytes]) -> Vectors:
    """Unit vectors of images, (n, dim); an error names the position of its image where there are several."""

    def encode(position: int, image: bytes) -> Vectors:
        try:
            with stage("encode"):
                return encoder.encode([image])
        except MatineeError as error:
            if len(images) > 1:
                error.message = f"Image {position}: {error.message}"
            raise

    return _stacked(
        encoder,
        await service.work_queue.run([partial(encode, position, image) for position, image in enumerate(images)]),
    )


def _blank(encoder: TextEncoder) -> Vectors:
    """The vector of a text without words, (1, dim)."""
    from matinee.encoders.text import OnnxTextEncoder

    # What other encoders make of nothing is not known; a period says nothing either.
    return encoder.blank() if isinstance(encoder, OnnxTextEncoder) else encoder.encode(["."])


def _stacked(encoder: TextEncoder | ImageEncoder, parts: Sequence[Vectors]) -> Vectors:
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dim), dtype=np.float32)


def _check_count(images: object) -> None:
    """Raise TooLargeError where a request has too many images."""
    if isinstance(images, list) and len(images) > MAX_IMAGES:
        raise TooLargeError(f"{len(images)} images at once.", f"Send {MAX_IMAGES} at most.")


def _image(position: int, text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error, or text that is not ASCII
        raise InvalidInputError(f"Image {position} is not base64.", "Encode the file's bytes in base64.") from error
