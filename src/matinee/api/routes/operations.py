"""What is being served, whether it is well, and swapping it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from matinee.api.errors import problems, without_folders
from matinee.api.render import reply
from matinee.api.schemas.answers import CoreReadyOut, RecordsOut, SnapshotOut
from matinee.api.service import EngineDep, service_of
from matinee.errors import ConflictError, NotFoundError, SnapshotError

router = APIRouter(tags=["operation"])
FACTORIZATION_GREETING = {"Project": "ML recommender System FastAPI"}
"""Of the classic matrix factorization (docs/classic.md, B4)."""
SnapshotId = Annotated[
    str,
    Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$", description="Id of a snapshot."),
]


@router.get("/", include_in_schema=False)
async def index(request: Request) -> Response:
    """A browser goes to the documentation; a program gets an index, or the classic greeting that is set."""
    classic = service_of(request).settings.classic_root
    if classic:
        return reply(titles_greeting() if classic == "titles" else FACTORIZATION_GREETING)
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/docs")
    return reply({"service": "matinee", "version": request.app.version, "docs": "/docs", "openapi": "/openapi.json"})


def titles_greeting() -> dict[str, str]:
    """The greeting of the classic title search (docs/classic.md, B3)."""
    return {"message": f"Usuario/a {os.environ.get('ID_USER') or 'Desconocida/o'}"}


@router.get("/ready", response_model=CoreReadyOut, responses=problems(503), summary="Ready?")
async def ready(request: Request) -> Response:
    """A model is loaded and the store answers; else 503 with what is missing.

    `backlog` counts films that wait for an encoder; they are served. Where the store can be read, but not written,
    `writes` is false and `reason` says why: reads go on, writes are answered 503.
    """
    service = service_of(request)

    def look() -> Response:
        engine = service.open_engine()
        engine.check()
        problem = engine.write_problem()
        record = {"status": "ready", "snapshot": engine.snapshot_id, "warnings": engine.warnings}
        writes = {
            "writes": problem is None,
            "reason": None if problem is None else without_folders(str(problem), service.settings),
        }
        return reply(record | writes | {"backlog": asdict(engine.backlog_state())})

    return await run_in_threadpool(look)


@router.get("/v1/models", response_model=RecordsOut, responses=problems(503), summary="Models in service")
def models(engine: EngineDep) -> Response:
    """Each model with its settings and metrics; `default` marks the one used where a request names none."""
    return reply({"items": engine.models(), "snapshot": engine.snapshot_id})


@router.get("/v1/snapshots", response_model=RecordsOut, responses=problems(503), summary="Snapshots")
def snapshots(engine: EngineDep) -> Response:
    """All snapshots, newest first, with metrics and the newest rating that each has learned from.

    `watermark` is that rating's `timestamp` (seconds since 1970) and the store's `sequence` number up to which its
    ratings are included; 0 where the store held none.
    """
    return reply({"items": engine.snapshots(), "snapshot": engine.snapshot_id})


@router.post(
    "/v1/snapshots/{snapshot_id}/promote",
    response_model=SnapshotOut,
    responses=problems(404, 409, 422, 503),
    summary="Serve another snapshot",
)
def promote(engine: EngineDep, snapshot_id: SnapshotId) -> Response:
    """Verify a snapshot and serve it, in every worker; no request is dropped meanwhile."""
    if snapshot_id not in engine.snapshot_ids():
        raise NotFoundError(f"There is no snapshot {snapshot_id!r}.", "See GET /v1/snapshots for those there are.")
    return _swap(lambda: engine.promote(snapshot_id))


@router.post(
    "/v1/snapshots/rollback",
    response_model=SnapshotOut,
    responses=problems(409, 503),
    summary="Serve the snapshot before this one",
)
def rollback(engine: EngineDep) -> Response:
    """Serve the snapshot that was promoted before the current one; ratings written since then stay."""
    return _swap(engine.rollback)


def _swap(swap: Callable[[], str]) -> Response:
    try:
        return reply({"snapshot": swap()})
    except SnapshotError as error:  # the current one stays in service: not a failure of the service
        if isinstance(error.__cause__, OSError):  # but this is: its folder cannot be written
            raise
        raise ConflictError(error.message, error.hint) from error


@router.get("/classic/titles", include_in_schema=False)
@router.get("/classic/titles/", include_in_schema=False)
async def classic_titles_greeting() -> Response:
    """The classic title search's greeting (docs/classic.md, B3)."""
    return reply(titles_greeting())


@router.get("/classic", include_in_schema=False)
@router.get("/classic/", include_in_schema=False)
async def classic_greeting() -> Response:
    """The classic service's greeting (docs/classic.md, B4); at `/` where the setting `classic_root` says so."""
    return reply(FACTORIZATION_GREETING)
