"""A person's history: imported from the exports of other sites, and exported for them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api import parameters
from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.request_bodies import media_type, read_files
from matinee.api.schemas.examples import with_example
from matinee.api.service import EngineDep
from matinee.engine.history_import import HistoryImport
from matinee.histories import READABLE, WRITABLE

router = APIRouter(tags=["users and ratings"])
FORM = "multipart/form-data"
HistoryOut = with_example(
    HistoryImport,
    """{
        "layout": "letterboxd", "scale": [0.5, 5], "matched": [{
            "line": 2, "given": "Heat", "movie_id": "6", "title": "Heat", "year": 1995, "rating": 5, "state": "seen",
            "timestamp": 1706832000
        }], "unsure": [{
            "line": 3, "title": "Emma", "year": 1996, "rating": 4, "state": "seen",
            "candidates": [{"movie_id": "838", "title": "Emma", "year": 1996}]
        }], "unknown": [{"line": 4, "title": "Toy Story 4", "year": 2019, "imdb_id": null, "tmdb_id": null}],
        "skipped": {"episodes": 1},
        "counts": {"entries": 4, "matched": 1, "unsure": 1, "unknown": 1, "skipped": 1, "ratings": 1, "seen": 0,
            "watchlist": 0, "not_interested": 0},
        "notes": [], "stored": {"ratings": 1, "seen": 0, "watchlist": 0, "not_interested": 0}
    }""",
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is: a table, JSON, XML, or an archive of them; or a form with it.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": "Date,Name,Year,Letterboxd URI,Rating\n2024-02-02,Heat,1995,https://boxd.it/x1a,5\n",
            },
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                },
                "example": {"file": "…"},
            },
        },
    }
}


@router.post(
    "/v1/users/{user_id}/import",
    response_model=HistoryOut,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra=_BODY,
    summary="Import a history from elsewhere",
)
async def import_history(
    request: Request,
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    name: Annotated[
        str, Query(max_length=300, description="Name of the file; it tells a watchlist from a list.")
    ] = "upload",
    layout: Annotated[
        str | None,
        Query(
            max_length=30,
            description=f"Whose export it is: {', '.join(READABLE)}. Default: what it holds tells.",
            examples=["letterboxd"],
        ),
    ] = None,
    scale: Annotated[
        str | None,
        Query(
            max_length=30,
            description="Lowest and highest stars of the file. Default: the layout's, else what all its stars show.",
            examples=["1-10"],
        ),
    ] = None,
    preview: Annotated[bool, Query(description="Store nothing: `stored` is null.")] = False,
) -> Response:
    """Store ratings, films that were seen and the watchlist of an export of Letterboxd, IMDb, Trakt and others.

    Films are found by their ids at IMDb and TMDB, else by title and year. Of what is not surely one film (`unsure`,
    with candidates) or not in the catalog (`unknown`) nothing is stored. The same import again changes nothing.
    """
    data = (await read_files(request, ("file",), 1))[0] if media_type(request) == FORM else await request.body()
    result = await run_in_threadpool(
        engine.import_history, user_id, data, name=name, layout=layout, scale=scale, preview=preview
    )
    return reply(asdict(result))


@router.get(
    "/v1/users/{user_id}/export",
    response_class=Response,
    responses=problems(404, 422, 503)
    | {
        200: {
            "description": "A file",
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "Const,Your Rating,Date Rated,Title\ntt0113277,10,2024-02-02,Heat\n",
                },
                "application/json": {
                    "schema": {"type": "array", "items": {"type": "object"}},
                    "example": [{"rated_at": "2024-02-02T00:00:00.000Z", "rating": 10, "type": "movie", "movie": {}}],
                },
            },
        }
    },
    summary="Export a history for elsewhere",
)
def export_history(
    engine: EngineDep,
    user_id: parameters.UserIdPath,
    layout: Annotated[
        str, Query(max_length=30, description=f"For whom: {', '.join(WRITABLE)}.", examples=["letterboxd"])
    ] = "csv",
) -> Response:
    """Ratings and states as a file that Letterboxd, IMDb's readers or Trakt take. `csv` has all of them.

    The header `X-Matinee-Left-Out` counts what the layout has no place for.
    """
    file = engine.export_history(user_id, layout)
    headers = {
        "content-disposition": f'attachment; filename="{file.name}"',
        "x-matinee-left-out": str(file.left_out),
        "cache-control": "no-store",
    }
    return Response(file.data, media_type=file.media_type, headers=headers)
