"""The routes below `/app/`: inputs in, answers out. Trouble is an answer: `{"error": {"title", "hint", "retry"}}`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from matinee.client import AsyncClient, RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError, ServiceError
from matinee.web.inputs import typed, whole
from matinee.web.pages.foryou.options import MAX_FILTER, user_name
from matinee.web.shell import filter_trouble
from matinee.web.strings import COOKIE, language_of, text
from matinee.web.visitor import find, shelves
from matinee.web.visitor.abilities import Abilities
from matinee.web.visitor.actions import act
from matinee.web.visitor.facets import Facets
from matinee.web.visitor.marks import marks_of
from matinee.web.visitor.wall import varied

MAX_ID, MAX_PAGE, MAX_PEOPLE = 300, 20, 6
FILES_AT_A_TIME = 4
"""Exports and pictures that are read at a time; others wait."""


def visitor_routes(core: AsyncClient) -> APIRouter:  # noqa: C901, PLR0915 - one function for each route
    """The routes over a core."""
    router = APIRouter(prefix="/app")
    abilities, facets = Abilities(core), Facets(core)
    files = asyncio.Semaphore(FILES_AT_A_TIME)

    async def scale() -> list[float] | None:
        try:
            low, high = (await core.send(calls.report()))["scale"]
        except (MatineeError, LookupError, TypeError, ValueError):
            return None
        return [float(low), float(high)]

    @router.get("/start")
    async def start(request: Request, user: str = "") -> Response:
        """What the pages need to know of a user and of the core: marks, rows, abilities, filters, scale."""

        async def work() -> dict[str, Any]:
            name = user_name(user)
            can, values, stars = await asyncio.gather(abilities.all(), facets.values(), scale())
            rated, marks = await marks_of(core, name, states=can["states"])
            rows = await shelves.plan(facets, rated, len(set(marks["watchlist"]) - marks["rated"].keys()))
            known = len(rated) + len(marks["seen"])
            return {
                "user": name,
                "marks": marks,
                "rows": rows,
                "can": can,
                "filters": values,
                "scale": stars,
                "known": known,
            }

        return await _answered(request, work)

    @router.get("/wall")
    async def wall(request: Request, page: str = "0") -> Response:
        """A page of the varied wall."""

        async def work() -> dict[str, Any]:
            number = whole(page, 0, MAX_PAGE, 0)
            movies = await facets.movies()
            items = varied(movies, number)
            shown = {"movie_id", "title", "year", "genres"}
            more = (number + 1) * len(items) < len(movies) and number < MAX_PAGE
            return {
                "items": [{key: item.get(key) for key in shown} for item in items],
                "next": number + 1 if more else None,
            }

        return await _answered(request, work)

    @router.get("/row")
    async def row(
        request: Request, user: str = "", kind: str = "", value: str = "", filter: str = "", n: str = ""
    ) -> Response:
        """The films of a row."""

        async def work() -> dict[str, Any]:
            can = await abilities.all()
            count = whole(n, 1, shelves.ALL, shelves.SIZE)
            name, given = user_name(user), _checked(filter)
            return await shelves.shelf(core, name, kind, value[:MAX_ID], given, states=can["states"], n=count)

        return await _answered(request, work, filter)

    @router.post("/act")
    async def one_click(request: Request) -> Response:
        """One click of a card: `{"user", "movie_id", "action", "value"}`."""

        async def work() -> dict[str, Any]:
            body = await _json(request)
            movie_id = typed(body.get("movie_id"))[:MAX_ID]
            if not movie_id:
                raise InvalidInputError("Which film?", "Give its id.")
            return await act(core, user_name(body.get("user")), movie_id, typed(body.get("action")), body.get("value"))

        return await _answered(request, work)

    @router.get("/search")
    async def search(
        request: Request, q: str = "", by: str = "", filter: str = "", n: str = "", sort: str = "", plain: str = ""
    ) -> Response:
        """Films by words, or those that filters allow."""

        async def work() -> dict[str, Any]:
            count = whole(n, 1, find.MAX_N, find.DEFAULT_N)
            return await find.find(
                core, typed(q), way=by, filter=_checked(filter), n=count, sort=sort, plain=plain in ("1", "true")
            )

        return await _answered(request, work, filter)

    @router.post("/picture")
    async def picture(request: Request, n: str = "") -> Response:
        """Films whose posters look most like the picture in the body."""

        async def work() -> dict[str, Any]:
            async with files:
                return await find.by_picture(core, await request.body(), whole(n, 1, 15, 8))

        return await _answered(request, work)

    @router.post("/import")
    async def bring(
        request: Request, user: str = "", name: str = "", preview: str = "1", scale: str = "", layout: str = ""
    ) -> Response:
        """A history from elsewhere, as the body: what is in it, and with `preview=0` stored."""

        async def work() -> dict[str, Any]:
            async with files:
                call = calls.import_history(
                    user_name(user),
                    await request.body(),
                    name=typed(name)[:MAX_ID],
                    preview=preview != "0",
                    scale=scale or None,
                    layout=layout or None,
                )
                return dict(await core.send(call))

        return await _answered(request, work)

    @router.post("/together")
    async def together(request: Request) -> Response:
        """A list for several people: `{"people", "way", "n"}`."""

        async def work() -> dict[str, Any]:
            body = await _json(request)
            given = body.get("people")
            people = list(
                dict.fromkeys(user_name(one) for one in (given if isinstance(given, list) else [])[:MAX_PEOPLE])
            )
            if len(people) < 2:
                raise InvalidInputError("A list for two needs two people.", "Give both names.")
            way = typed(body.get("way"))[:40] or None
            call = calls.group_recommendations(people, way=way, n=whole(body.get("n"), 1, shelves.ALL, shelves.SIZE))
            return dict(await core.send(call))

        return await _answered(request, work)

    @router.post("/claim")
    async def claim(request: Request) -> Response:
        """Give what a guest has rated to a user: `{"user", "guest"}`."""

        async def work() -> dict[str, Any]:
            body = await _json(request)
            answer = await core.send(calls.claim(user_name(body.get("user")), user_name(body.get("guest"))))
            return dict(answer or {})

        return await _answered(request, work)

    return router


async def _answered(request: Request, work: Callable[[], Awaitable[dict[str, Any]]], filter: str = "") -> Response:
    try:
        value = await work()
    except MatineeError as error:
        value = filter_trouble(error, filter[:MAX_FILTER])
        if isinstance(error, ServiceError):
            language = language_of(request.cookies.get(COOKIE), request.headers.get("accept-language"))
            value["error"] |= {"title": text(language, "error.away"), "hint": text(language, "error.away.hint")}
        if isinstance(error, RefusedError):
            value["error"]["kind"] = str(error.problem.get("type") or "").rsplit(":", 1)[-1]
    content = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, media_type="application/json", headers={"cache-control": "no-store"})


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise InvalidInputError("This is not a JSON object.", "See docs/web.md for what is expected.")
    return body


def _checked(filter: str) -> str:
    if len(filter) > MAX_FILTER:
        raise InvalidInputError(
            f"The filter has {len(filter):,} characters, more than the {MAX_FILTER:,} allowed.", "Shorten it."
        )
    return filter.strip()
