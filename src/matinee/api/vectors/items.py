"""The items of a space: read, added, deleted."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.request_bodies import json_schema, read_json, validated
from matinee.api.vectors.arrays import MAX_ITEM_NUMBER, MAX_PUT, MAX_VECTORS, items_of, vector_of, vectors_of
from matinee.api.vectors.bodies import (
    DeletedOut,
    ItemPageOut,
    ItemsIn,
    ItemVectorsOut,
    PutIn,
    PutOut,
    VectorIn,
    VectorItemOut,
)
from matinee.api.vectors.service import service_of
from matinee.api.vectors.space import ServedSpace
from matinee.errors import InvalidInputError, NotFoundError, TooLargeError
from matinee.indexes.base import Items

router = APIRouter(tags=["items"])
Number = Annotated[int, Path(ge=0, le=1 << 62, description="Number of an item.", examples=[17])]
Space = Annotated[
    str | None, Query(min_length=1, max_length=100, description="A space of GET /spaces; default: the first.")
]
OfSnapshot = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Refuse (409) where another snapshot is in service.")
]
LOOKED, WRITTEN = problems(404, 409, 422, 503), problems(400, 404, 408, 409, 413, 415, 422, 503)


def _where(served: ServedSpace) -> dict[str, str | None]:
    return {"space": served.name, "snapshot": served.snapshot or None}


def _array(item: int) -> Items:
    return np.array([item], dtype=np.int64)


def _check_items(items: Items) -> None:
    if len(items) and int(items.max()) > MAX_ITEM_NUMBER:
        raise InvalidInputError(
            f"Item {int(items.max())} is beyond the last number, {MAX_ITEM_NUMBER:,}.", "Send a row."
        )


@router.get("/items", response_model=ItemPageOut, responses=LOOKED, summary="Items in pages")
async def list_items(
    request: Request,
    offset: Annotated[int, Query(ge=0, le=1 << 53, description="Items to skip.")] = 0,
    limit: Annotated[
        int, Query(ge=1, le=1_000_000, description="Number of items; at most 10,000 with their films.")
    ] = 100,
    metadata: Annotated[bool, Query(description="false: numbers only.")] = True,
    space: Space = None,
    snapshot: OfSnapshot = None,
) -> Response:
    """Items that can be found, in order of their numbers."""
    served = await service_of(request).space(space, snapshot)
    if metadata and limit > 10_000:
        raise InvalidInputError(f"`limit` is {limit:,}.", "Ask for at most 10,000, or for numbers only.")

    def look() -> Response:
        items = served.index.items()
        page = items[offset : offset + limit].tolist()
        records = [served.record(item) for item in page] if metadata else page
        return reply(_where(served) | {"total": len(items), "items": records})

    return await run_in_threadpool(look)


@router.get("/items/{item}", response_model=VectorItemOut, responses=LOOKED, summary="One item's film")
async def get_item(request: Request, item: Number, space: Space = None, snapshot: OfSnapshot = None) -> Response:
    """The film and poster of an item."""
    served = await service_of(request).space(space, snapshot)
    served.index.vectors(_array(item))  # raises where it is not there
    removed = served.removed()
    if removed is not None and item < len(removed) and removed[item]:
        raise NotFoundError(f"The film of item {item} was removed.", "GET /items lists the items that there are.")
    return reply(served.record(item))


@router.get(
    "/items/{item}/poster",
    response_class=Response,
    responses=LOOKED | {200: {"content": {"image/*": {}}, "description": "The picture."}},
    summary="One item's poster",
)
async def get_poster(request: Request, item: Number, space: Space = None) -> Response:
    """The poster of an item's film, as a picture; 404 where there is none."""
    served = await service_of(request).space(space)
    picture = await run_in_threadpool(served.picture, item)
    if picture is None:
        raise NotFoundError(f"There is no poster of item {item} here.", "Add it: `matinee posters add`.")
    return Response(picture[0], media_type=picture[1])


@router.put(
    "/items/{item}",
    status_code=204,
    response_class=Response,
    responses=WRITTEN,
    openapi_extra=json_schema(VectorIn),
    summary="Put one item",
)
async def put_item(request: Request, item: Number) -> Response:
    """Add an item or replace its vector; the next search finds it. It lasts until the next snapshot or restart."""
    service = service_of(request)
    service.check_writable()
    body: VectorIn = validated(VectorIn, await read_json(request))
    served = await service.space(body.space, body.snapshot)
    _check_items(_array(item))
    vector = served.own(vector_of(body.vector, served.widths), body.raw)
    await run_in_threadpool(served.put, _array(item), vector)
    return Response(status_code=204)


@router.post(
    "/items", response_model=PutOut, responses=WRITTEN, openapi_extra=json_schema(PutIn), summary="Put many items"
)
async def put_items(request: Request) -> Response:
    """Add or replace items, all or none; otherwise as `PUT /items/{item}`."""
    service = service_of(request)
    service.check_writable()
    body: PutIn = validated(PutIn, await read_json(request))
    served = await service.space(body.space, body.snapshot)
    items, vectors = items_of(body.items), vectors_of(body.vectors, served.widths, MAX_PUT)
    if len(items) != len(vectors):
        raise InvalidInputError(
            f"There are {len(items):,} items and {len(vectors):,} vectors.", "Send one vector for each item."
        )
    _check_items(items)
    if len(items):
        await run_in_threadpool(served.put, items, served.own(vectors, body.raw))
    return reply(_where(served) | {"put": len(items), "total": len(served.index)})


@router.delete("/items/{item}", status_code=204, response_class=Response, responses=LOOKED, summary="Delete one item")
async def delete_item(request: Request, item: Number, space: Space = None, snapshot: OfSnapshot = None) -> Response:
    """Delete an item; no search returns it any more. It is back after the next snapshot or restart."""
    service = service_of(request)
    service.check_writable()
    served = await service.space(space, snapshot)
    await run_in_threadpool(served.delete, _array(item))
    return Response(status_code=204)


@router.post(
    "/delete",
    response_model=DeletedOut,
    responses=WRITTEN,
    openapi_extra=json_schema(ItemsIn),
    summary="Delete many items",
)
async def delete_items(request: Request) -> Response:
    """Delete items, all or none; 404 names one that does not exist."""
    service = service_of(request)
    service.check_writable()
    body: ItemsIn = validated(ItemsIn, await read_json(request))
    served = await service.space(body.space, body.snapshot)
    items = items_of(body.items)
    if len(items):
        await run_in_threadpool(served.delete, items)
    return reply(_where(served) | {"deleted": len(items), "total": len(served.index)})


@router.post(
    "/vectors",
    response_model=ItemVectorsOut,
    responses=WRITTEN,
    openapi_extra=json_schema(ItemsIn),
    summary="Vectors of items",
)
async def get_vectors(request: Request) -> Response:
    """Unit vectors of at most 1,000 items, as they are compared."""
    body: ItemsIn = validated(ItemsIn, await read_json(request))
    served = await service_of(request).space(body.space, body.snapshot)
    items = items_of(body.items)
    if len(items) > MAX_VECTORS:
        raise TooLargeError(f"These are {len(items):,} items.", f"Ask for at most {MAX_VECTORS:,} at a time.")
    return reply(_where(served) | {"items": items, "vectors": served.index.vectors(items)})
