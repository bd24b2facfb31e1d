"""The picture of a film: read, put, removed."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.images import CACHE_CONTROL, image_response
from matinee.api.render import poster_path, reply
from matinee.api.request_bodies import media_type, read_files
from matinee.api.schemas.answers import PosterOut
from matinee.api.service import EMBEDDING_HEADER, EngineDep, embedding_header, service_of
from matinee.engine import Engine
from matinee.engine.poster_images import PosterImages
from matinee.errors import MediaTypeError, NotFoundError
from matinee.posters.pictures import KINDS

router = APIRouter(tags=["posters"])

Size = Annotated[
    Literal["original", "small"],
    Query(description="`small`: at most 160 × 240 pixels, as WebP. Pictures at other addresses are redirected to."),
]
_IMAGES: dict[str, Any] = {
    kind.media_type: {"schema": {"type": "string", "format": "binary"}, "example": "…"} for kind in KINDS
}
_HEADERS = {
    "X-Matinee-Poster": {
        "description": "`file`: the film's own picture; `card`: a drawn one.",
        "schema": {"type": "string"},
    },
    "ETag": {"schema": {"type": "string"}},
}


def images_of(engine: Engine) -> PosterImages:
    """The pictures of the data set in service."""
    return PosterImages(engine.settings, engine.dataset_name)


@router.get(
    "/v1/movies/{movie_id}/poster",
    response_class=Response,
    responses=problems(404, 422, 503)
    | {
        200: {"description": "A picture", "content": _IMAGES, "headers": _HEADERS},
        304: {"description": "Not Modified"},
        307: {"description": "The film's record names a picture elsewhere"},
    },
    summary="The poster",
)
def poster(
    request: Request,
    engine: EngineDep,
    movie_id: parameters.MovieIdPath,
    size: Size = "original",
    card: Annotated[bool, Query(description="`false`: 404 instead of a drawn card.")] = True,
) -> Response:
    """The film's picture: the one stored here, else the one that its record links to, else a drawn card."""
    film, images, small = engine.movie(movie_id), images_of(engine), size == "small"
    movie_id = film.movie_id
    for image in images.files(movie_id, small=small):
        answer = image_response(request, image)
        if answer is not None:
            return answer
    link = images.store.link(film)
    if link is not None:
        return RedirectResponse(link, headers={"cache-control": CACHE_CONTROL})
    drawn = image_response(request, images.card(film, small=small)) if card else None
    if drawn is None:
        raise NotFoundError(f"The film {movie_id!r} has no poster.", "Leave out card=false, or PUT a picture here.")
    return drawn


# --- writing -----------------------------------------------------------------------------------------------------
async def uploaded_image(request: Request) -> bytes:
    """The image of a request: its body, or the field `image` of a form.

    Raises:
        MediaTypeError: the body says that it is something else.
        InvalidInputError: a form without a file `image`.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        return (await read_files(request, ("image",), 1))[0]
    if kind and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise MediaTypeError(f"A body of the type {kind} is not read here.", "Send an image, or a form with one.")
    return await request.body()


IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": _IMAGES
        | {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}},
                    "required": ["image"],
                },
                "example": {"image": "…"},
            }
        },
    }
}


@router.put(
    "/v1/movies/{movie_id}/poster",
    response_model=PosterOut,
    responses=problems(400, 404, 408, 413, 415, 422, 503)
    | {
        200: {"headers": EMBEDDING_HEADER, "description": "Replaced"},
        201: {"headers": EMBEDDING_HEADER, "model": PosterOut, "description": "Added"},
    },
    openapi_extra=IMAGE_BODY,
    summary="Store the poster",
)
async def put_poster(request: Request, engine: EngineDep, movie_id: parameters.MovieIdPath) -> Response:
    """Store a JPEG, PNG, WebP or AVIF picture as the film's only one: the body, or the field `image` of a form.

    The film is found by it at once, where the service has an encoder of images, and where that is away as soon as it
    answers again.
    """
    work_queue = service_of(request).work_queue
    work_queue.check_room()
    data = await uploaded_image(request)
    (answer,) = await work_queue.run([partial(_store, engine, movie_id, data)])
    return answer


def _store(engine: Engine, movie_id: str, data: bytes) -> Response:
    movie_id = engine.movie(movie_id).movie_id
    store = images_of(engine).store
    picture = store.inspect(data)
    # The vector of the picture before is hidden first: killed from here on, the film waits for the vector of whatever
    # picture is there then.
    engine.delete_poster(movie_id)
    added = store.put(movie_id, data) == "added"
    record = {
        "movie_id": movie_id,
        "poster": poster_path(movie_id),
        "media_type": picture.kind.media_type,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(data),
        "indexed": engine.put_poster(movie_id, data),
    }
    return reply(record, 201 if added else 200, headers=embedding_header(engine, movie_id))


@router.delete(
    "/v1/movies/{movie_id}/poster",
    status_code=204,
    response_class=Response,
    responses=problems(404, 422, 503),
    summary="Remove the poster",
)
def delete_poster(engine: EngineDep, movie_id: parameters.MovieIdPath) -> Response:
    """Delete the stored picture; no search by picture returns the film any more."""
    movie_id = engine.movie(movie_id).movie_id
    store = images_of(engine).store
    held = store.find(movie_id) is not None
    if held:
        engine.delete_poster(movie_id)  # before the picture, so that a kill leaves no vector without one
    if not held or not store.remove(movie_id):
        raise NotFoundError(f"No picture of the film {movie_id!r} is stored here.", "GET it to see what is shown.")
    return Response(status_code=204)
