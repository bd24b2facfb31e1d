"""Streamed imports: NDJSON of any length, stored in transactions while it arrives, resumable by a key."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from matinee.api.cost import STREAM_PATH
from matinee.api.errors import problem, problems
from matinee.api.line_reader import IDLE_BYTES, IDLE_SECONDS, MAX_LINE, End, Line, LineReader
from matinee.api.parameters import refuse
from matinee.api.render import reply
from matinee.api.request_bodies import media_type
from matinee.api.routes.users import NDJSON
from matinee.api.schemas.answers import ImportOut
from matinee.api.schemas.import_lines import ImportedRating, chained, read_lines
from matinee.api.service import EngineDep, service_of
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.engine.imports import OnError
from matinee.errors import ConflictError, NotFoundError, OverloadedError
from matinee.stores.base import ImportProgress

router = APIRouter(tags=["users and ratings"])
KEY = r"^[A-Za-z0-9_~:-][A-Za-z0-9._~:-]{0,199}$"
_WHY: dict[End, tuple[int, str]] = {
    "slow": (408, f"Less than {IDLE_BYTES >> 10} KiB arrived within {IDLE_SECONDS:g} seconds."),
    "stopping": (503, "The service stops."),
    "gone": (400, "The body ended early."),
}
"""Status and reason of an import that did not come to its end."""

_BODY = {
    "requestBody": {
        "required": True,
        "description": f"NDJSON: one object a line of {MAX_LINE >> 20} MiB at most; a rating, a rating to remove "
        '(`"rating": null`), a state of a film (it has a `state`), or a film (it has a `title`). Of any length.',
        "content": {
            NDJSON[0]: {
                "schema": {"type": "string"},
                "x-line-schema": {"oneOf": [ImportedRating.model_json_schema(), Movie.model_json_schema()]},
                "example": '{"user_id": "42", "movie_id": "318", "rating": 4.5, "timestamp": 1700000000}\n'
                '{"user_id": "42", "movie_id": "296", "rating": null}\n'
                '{"user_id": "42", "movie_id": "593", "state": "seen"}\n',
            },
        },
    }
}


class _Import:
    """One request of an import.

    Args:
        start: lines of the import before the first line of this body.
        client: takes turns with others.
    """

    def __init__(self, engine: Engine, request: Request, progress: ImportProgress, start: int, on_error: OnError):
        self._engine, self._on_error = engine, on_error
        self._queue = service_of(request).queues["import"]
        self._client = request.client.host if request.client else ""
        self.progress = progress
        self._at, self._digest = start, ""
        self._checks = start == 0

    async def store(self, lines: list[Line], *, ends: bool) -> None:
        """Store the lines that are not stored yet.

        Raises:
            ConflictError: these are other lines than before, or the import is finished already.
        """
        lines = self._without_stored(lines)
        if ends and self._at < self.progress.rows:
            raise ConflictError(
                f"{self.progress.rows} lines are stored under the key {self.progress.key!r}, and these are "
                f"{self._at} only.",
                "Use a new key for another import.",
            )
        if self.progress.state == "done":
            if lines:
                raise ConflictError(
                    f"The import {self.progress.key!r} is finished, and the body goes on after its line "
                    f"{self.progress.rows}.",
                    "Use a new key for more.",
                )
            return
        if not lines and not ends:
            return
        since = await self._turn()
        try:
            self.progress = await run_in_threadpool(self._commit, lines, ends)
            self._at = self.progress.rows
        finally:
            self._queue.leave(since)

    def _commit(self, lines: list[Line], ends: bool) -> ImportProgress:
        progress = self.progress
        read = read_lines(lines, progress)
        return self._engine.import_lines(progress, read, on_error=self._on_error, ends=ends)

    def _without_stored(self, lines: list[Line]) -> list[Line]:
        stored = lines[: max(0, self.progress.rows - self._at)]
        if self._checks:
            for line in stored:
                self._digest = chained(self._digest, line)
        self._at += len(stored)
        if stored and self._checks and self._at == self.progress.rows and self._digest != self.progress.digest:
            raise ConflictError(
                f"The import {self.progress.key!r} began with other lines than these.",
                "Use a new key for another import.",
            )
        return lines[len(stored) :]

    async def _turn(self) -> float:
        """Wait for a turn among the imports, however long that takes: meanwhile the client waits, too."""
        while True:
            try:
                return await self._queue.enter(self._client)
            except OverloadedError as error:
                await asyncio.sleep(error.retry_after)


@router.post(
    STREAM_PATH,
    response_model=ImportOut,
    responses=problems(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=_BODY,
    summary="Import ratings and films of any number",
)
async def import_lines(
    request: Request,
    engine: EngineDep,
    key: Annotated[
        str | None,
        Query(pattern=KEY, description="Names the import, so that it can be resumed and is not made twice."),
    ] = None,
    idempotency_key: Annotated[str | None, Header(pattern=KEY, description="The same as `key`.")] = None,
    on_error: Annotated[
        OnError,
        Query(description="What follows a line that is refused: `stop` before it, or `skip` it and count it."),
    ] = "stop",
    start: Annotated[
        int,
        Query(
            alias="from",
            ge=0,
            le=1 << 53,
            description="Lines of the import that come before this body: `rows` of `GET /v1/imports/{key}`, so that "
            "what is stored need not be sent again. Lines that are stored and come again are skipped.",
        ),
    ] = 0,
) -> Response:
    """Store lines in transactions of 2,000 while they arrive. After a break, send what is not stored yet.

    Each transaction stores its rows and how far the import has come. Where a line is refused, what comes before it is
    stored, and the import goes on from there once it is corrected. A finished import that is sent again changes
    nothing. Films are embedded soon after. Progress is kept 30 days after the last line.
    """
    path = request.url.path
    if key and idempotency_key and key != idempotency_key:
        raise refuse(("query", "key"), "Input should be the key in the header Idempotency-Key, or absent")
    if media_type(request) not in NDJSON:
        return problem(415, "Imports are read as application/x-ndjson; send that.", instance=path)
    name = key or idempotency_key or uuid.uuid4().hex
    progress = await run_in_threadpool(engine.import_progress, name) or ImportProgress(name)
    if start > progress.rows:
        raise ConflictError(
            f"The import {name!r} has come to line {progress.rows}, and the body begins after line {start}.",
            f"Send the lines after {progress.rows}, with from={progress.rows}.",
        )
    session = _Import(engine, request, progress, start, on_error)
    async for lines, end in LineReader(request.scope, request.receive).batches():
        await session.store(lines, ends=end == "complete")
        if session.progress.state == "stopped":
            return _stopped(session.progress, path)
        if end is not None and end != "complete":
            return _interrupted(session.progress, end, path)
    return reply(asdict(session.progress))


def _stopped(progress: ImportProgress, path: str) -> Response:
    error = progress.errors[-1]
    detail = (
        f"Line {error.line} was refused: {error.detail} The {progress.rows} lines before it are stored. Correct it and "
        f"send it and what follows, with key={progress.key}&from={progress.rows}; or skip such lines: on_error=skip."
    )
    listed = [{"where": f"line {error.line}", "detail": error.detail}]
    return problem(422, detail, instance=path, errors=listed)


def _interrupted(progress: ImportProgress, end: End, path: str) -> Response:
    status, why = _WHY[end]
    detail = f"{why} {progress.rows} lines are stored. Send what follows, with key={progress.key}&from={progress.rows}."
    return problem(status, detail, instance=path, headers={"retry-after": "1"} if status == 503 else None)


@router.get(
    "/v1/imports/{key}",
    response_model=ImportOut,
    responses=problems(404, 422, 503),
    summary="How far an import has come",
)
def import_progress(
    engine: EngineDep, key: Annotated[str, Path(pattern=KEY, description="Of the import.")]
) -> Response:
    """How many lines are stored, and which were refused. After a break, send what comes after them."""
    progress = engine.import_progress(key)
    if progress is None:
        raise NotFoundError(f"There is no import {key!r}.", "Begin it with POST /v1/imports and this key.")
    return reply(asdict(progress))
