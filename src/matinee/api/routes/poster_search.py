"""Films by poster, and the map of films."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.parameters import at_most
from matinee.api.render import item_records, poster_path, reply
from matinee.api.request_bodies import media_type, read_json, validated
from matinee.api.routes.posters import IMAGE_BODY, uploaded_image
from matinee.api.schemas.answers import PosterHitsOut
from matinee.api.schemas.examples import example
from matinee.api.schemas.explore import MapOut
from matinee.api.schemas.requests import Body
from matinee.api.service import EngineDep, service_of
from matinee.engine import Engine
from matinee.engine.posters import PosterHit, PosterMatches

router = APIRouter(tags=["posters"])

MAX_VALUES = 1 << 16
Index = Annotated[
    Literal["exact", "faiss", "annoy", "hnsw"],
    Query(description="Which index searches; others than exact need the extra `ann` at training."),
]
ExcludeSelf = Annotated[
    bool, Query(description="Leave out the nearest film where its poster is the very picture that was sent.")
]


class PosterQuery(Body, json_schema_extra=example('{"vector": [0.12, -0.4, 0.9]}')):
    """A vector in place of a picture."""

    vector: Annotated[
        list[Annotated[float, Field(strict=True, allow_inf_nan=False)]], at_most(MAX_VALUES), Field(min_length=1)
    ] = Field(description="As the image encoder gives it, or in the space of the posters.")
    k: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = Field(None, description="Instead of the query's k.")


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": IMAGE_BODY["requestBody"]["content"]
        | {"application/json": {"schema": PosterQuery.model_json_schema(), "example": {"vector": [0.12, -0.4, 0.9]}}},
    }
}


@router.post(
    "/v1/posters/search",
    response_model=PosterHitsOut,
    responses=problems(400, 408, 413, 415, 422, 503),
    openapi_extra=_BODY,
    summary="Films by poster",
)
async def search_posters(
    request: Request,
    engine: EngineDep,
    k: Annotated[int, Query(ge=1, le=1000, description="Number of films.", examples=[5])] = 5,
    filter: parameters.Filter = "",
    index: Index = "exact",
    exclude_self: ExcludeSelf = False,
    metadata: parameters.Metadata = False,
) -> Response:
    """The films whose posters are most like a picture: the field `image` of a form, or the body itself.

    JPEG, PNG, WebP and AVIF are read, up to the service's limits of bytes and pixels. In place of a picture, JSON with
    its vector is taken. Where no poster looks much like the picture, its lettering is read, if the extra `ocr` is
    installed, and films of that title come first: see `matched` and `ocr`.
    """
    work_queue = service_of(request).work_queue
    work_queue.check_room()
    image, vector = None, None
    if media_type(request) == "application/json":
        asked: PosterQuery = validated(PosterQuery, await read_json(request))
        vector, k = asked.vector, asked.k or k
    else:
        image = await uploaded_image(request)

    def work() -> PosterMatches:
        return engine.search_posters(image, vector=vector, k=k, filter=filter, index=index, exclude_self=exclude_self)

    (hits,) = await work_queue.run([work])
    items = await run_in_threadpool(_records, engine, hits, metadata)
    return reply({"items": items, "ocr": hits.ocr, "index": index, "snapshot": engine.snapshot_id})


def _records(engine: Engine, hits: Sequence[PosterHit], metadata: bool) -> list[dict[str, Any]]:
    records = item_records(engine, [hit.item for hit in hits], metadata)
    for record, hit in zip(records, hits, strict=True):
        del record["score"]
        record["distance"], record["similarity"] = round(hit.distance, 6), round(hit.similarity, 6)
        record["matched"] = hit.matched
        record["poster"] = poster_path(hit.item.movie_id)
    return records


@router.get("/v1/map", response_model=MapOut, responses=problems(422, 503), summary="The map of films")
def film_map(
    engine: EngineDep,
    space: Annotated[
        Literal["content", "taste", "text", "poster"], Query(description="Space that is laid out.")
    ] = "content",
) -> Response:
    """The position of each film in two dimensions, in columns; films written since training are not on it."""
    movie_map = engine.film_map(space)
    titles, years = engine.titles(movie_map.rows)
    return reply(
        {
            "space": movie_map.space,
            "method": movie_map.method,
            "movie_ids": movie_map.movie_ids,
            "titles": titles,
            "years": years,
            "genres": engine.genres(movie_map.rows),
            "x": movie_map.points[:, 0].round(4).tolist(),
            "y": movie_map.points[:, 1].round(4).tolist(),
            "snapshot": engine.snapshot_id,
        }
    )
