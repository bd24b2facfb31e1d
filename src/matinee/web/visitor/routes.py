"""The routes below `/app/`: inputs in, answers out. Trouble is an answer: `{"error": {"title", "hint", "retry"}}`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from matinee.client import AsyncClient, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import typed, whole
from matinee.web.pages.foryou.options import MAX_FILTER, user_name
from matinee.web.shell import filter_trouble
from matinee.web.visitor import find, shelves
from matinee.web.visitor.abilities import Abilities
from matinee.web.visitor.actions import act
from matinee.web.visitor.facets import Facets
from matinee.web.visitor.marks import marks_of
from matinee.web.visitor.wall import varied

MAX_ID, MAX_PAGE, MAX_PEOPLE = 300, 20, 6
Work = Callable[..., Awaitable[dict[str, Any]]]
FILES_AT_A_TIME = 4
"""Exports and pictures that are read at a time; others wait."""


def visitor_routes(core: AsyncClient) -> APIRouter:
    """The routes over a core."""
    router, visitor = APIRouter(prefix="/app", route_class=_AnswersTrouble), Visitor(core)
    for method, path, work in (
        ("GET", "/start", visitor.start),
        ("GET", "/wall", visitor.wall),
        ("GET", "/row", visitor.row),
        ("POST", "/act", visitor.one_click),
        ("GET", "/search", visitor.search),
        ("POST", "/picture", visitor.picture),
        ("POST", "/import", visitor.bring),
        ("POST", "/together", visitor.together),
        ("POST", "/claim", visitor.claim),
    ):
        router.add_api_route(path, _answered(work), methods=[method], response_model=None)
    return router


def _answered(work: Work) -> Callable[..., Awaitable[Response]]:
    """The work of a route, with JSON of what it gives."""

    @wraps(work)
    async def answered(*args: Any, **values: Any) -> Response:
        return _answer(await work(*args, **values))

    return answered


class Visitor:
    """What the routes give, one method each.

    Args:
        core: the core service.
    """

    def __init__(self, core: AsyncClient) -> None:
        self._core, self._abilities, self._facets = core, Abilities(core), Facets(core)
        self._files = asyncio.Semaphore(FILES_AT_A_TIME)

    async def _scale(self) -> list[float] | None:
        try:
            low, high = (await self._core.send(calls.report()))["scale"]
        except (MatineeError, LookupError, TypeError, ValueError):
            return None
        return [float(low), float(high)]

    async def start(self, user: str = "") -> dict[str, Any]:
        """What the pages need to know of a user and of the core: marks, rows, abilities, filters, scale."""
        name = user_name(user)
        can, values, stars = await asyncio.gather(self._abilities.all(), self._facets.values(), self._scale())
        rated, marks = await marks_of(self._core, name, states=can["states"])
        rows = await shelves.plan(self._facets, rated, len(set(marks["watchlist"]) - marks["rated"].keys()))
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

    async def wall(self, page: str = "0") -> dict[str, Any]:
        """A page of the varied wall."""
        number = whole(page, 0, MAX_PAGE, 0)
        movies = await self._facets.movies()
        items = varied(movies, number)
        shown = {"movie_id", "title", "year", "genres"}
        more = (number + 1) * len(items) < len(movies) and number < MAX_PAGE
        return {
            "items": [{key: item.get(key) for key in shown} for item in items],
            "next": number + 1 if more else None,
        }

    async def row(
        self, user: str = "", kind: str = "", value: str = "", filter: str = "", n: str = ""
    ) -> dict[str, Any]:
        """The films of a row."""
        can = await self._abilities.all()
        count = whole(n, 1, shelves.ALL, shelves.SIZE)
        name, given = user_name(user), _checked(filter)
        return await shelves.shelf(self._core, name, kind, value[:MAX_ID], given, states=can["states"], n=count)

    async def one_click(self, request: Request) -> dict[str, Any]:
        """One click of a card: `{"user", "movie_id", "action", "value"}`."""
        body = await _json(request)
        movie_id = typed(body.get("movie_id"))[:MAX_ID]
        if not movie_id:
            raise InvalidInputError("Which film?", "Give its id.")
        return await act(
            self._core, user_name(body.get("user")), movie_id, typed(body.get("action")), body.get("value")
        )

    async def search(
        self, q: str = "", by: str = "", filter: str = "", n: str = "", sort: str = "", plain: str = ""
    ) -> dict[str, Any]:
        """Films by words, or those that filters allow."""
        count = whole(n, 1, find.MAX_N, find.DEFAULT_N)
        return await find.find(
            self._core, typed(q), way=by, filter=_checked(filter), n=count, sort=sort, plain=plain in ("1", "true")
        )

    async def picture(self, request: Request, n: str = "") -> dict[str, Any]:
        """Films whose posters look most like the picture in the body."""
        async with self._files:
            return await find.by_picture(self._core, await request.body(), whole(n, 1, 15, 8))

    async def bring(
        self, request: Request, user: str = "", name: str = "", preview: str = "1", scale: str = "", layout: str = ""
    ) -> dict[str, Any]:
        """A history from elsewhere, as the body: what is in it, and with `preview=0` stored."""
        async with self._files:
            call = calls.import_history(
                user_name(user),
                await request.body(),
                name=typed(name)[:MAX_ID],
                preview=preview != "0",
                scale=scale or None,
                layout=layout or None,
            )
            return dict(await self._core.send(call))

    async def together(self, request: Request) -> dict[str, Any]:
        """A list for several people: `{"people", "way", "n"}`."""
        body = await _json(request)
        given = body.get("people")
        people = list(dict.fromkeys(user_name(one) for one in (given if isinstance(given, list) else [])[:MAX_PEOPLE]))
        if len(people) < 2:
            raise InvalidInputError("A list for two needs two people.", "Give both names.")
        way = typed(body.get("way"))[:40] or None
        call = calls.group_recommendations(people, way=way, n=whole(body.get("n"), 1, shelves.ALL, shelves.SIZE))
        return dict(await self._core.send(call))

    async def claim(self, request: Request) -> dict[str, Any]:
        """Give what a guest has rated to a user: `{"user", "guest"}`."""
        body = await _json(request)
        answer = await self._core.send(calls.claim(user_name(body.get("user")), user_name(body.get("guest"))))
        return dict(answer or {})


def _answer(value: dict[str, Any]) -> Response:
    content = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, media_type="application/json", headers={"cache-control": "no-store"})


class _AnswersTrouble(APIRoute):
    """Trouble is an answer with status 200, as those of Gradio's events are."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except MatineeError as error:
                given = request.query_params.get("filter", "")
                return _answer(filter_trouble(error, given[:MAX_FILTER]))

        return handled


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
