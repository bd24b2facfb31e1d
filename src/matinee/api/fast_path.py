"""The fast path of cached answers and of the most frequent request, `GET /v1/users/{user_id}/recommendations`.

FastAPI takes some tenths of a millisecond to route, resolve and check a request: half of what the whole list costs.
A request in the plain form, with `n` and `model` at most, is parsed here instead. Every other request, valid or not,
takes the regular path through FastAPI, which answers with the same bytes or a problem document.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from matinee._util.request_context import RequestContext, current
from matinee.api.middleware import id_header
from matinee.api.render import answer_record, dumps
from matinee.api.response_cache import CachedResponse
from matinee.data.ids import USER_ID
from matinee.engine import Engine
from matinee.engine.runtime import RequestView
from matinee.engine.types import Request as Options
from matinee.errors import MatineeError

if TYPE_CHECKING:
    from matinee.api.service import CoreService

log = logging.getLogger("matinee.api")
ROUTE = "/v1/users/{user_id}/recommendations"
_PATH = re.compile(r"/v1/users/([^/]{1,64})/recommendations")
_QUERY = re.compile(rb"(?:n=([1-9]\d{0,2}|1000))?(?:(?(1)&)model=([A-Za-z0-9_-]{1,100}))?")
_ID = re.compile(USER_ID)

Work = Callable[[], tuple[bytes, bool]]
"""Gives an answer's bytes and whether they may be cached."""


class Plan(NamedTuple):
    """What a plain request asks for."""

    user_id: str
    options: Options


def is_heavy(options: Options, metadata: bool = False) -> bool:
    """Whether an answer with these options surely takes more than a millisecond or two."""
    return options.explain or metadata or options.diversity > 0 or options.n > 100 or bool(options.filter)


def recommend_work(engine: Engine, view: RequestView, user_id: str, options: Options, metadata: bool = False) -> Work:
    """Computes a recommendation's bytes."""

    def work() -> tuple[bytes, bool]:
        answer = engine.recommend(user_id, options, at=view)
        # Not cached: what depends on all ratings, as popular films do, since a user's version does not cover them;
        # and metadata, since no version covers posters.
        return dumps(answer_record(engine, answer, metadata)), not answer.volatile and not metadata

    return work


def plan(path: str, query: bytes) -> Plan | None:
    """What a plain request asks for, None for every other."""
    found, asked = _PATH.fullmatch(path), _QUERY.fullmatch(query)
    if found is None or asked is None or _ID.fullmatch(found[1]) is None:
        return None
    n, model = asked.groups()
    return Plan(found[1], Options(n=int(n) if n else 10, model=model.decode() if model else None))


class FastPath:
    """Middleware that sends cached answers, and computes plain recommendations, without FastAPI."""

    def __init__(self, app: ASGIApp, service: CoreService) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        engine = self.service.opened
        if engine is not None and scope["type"] == "http" and scope["method"] == "GET":
            context = self.service.observation.begin(scope)
            answer = await self._answer(engine, scope["path"], scope["query_string"], context)
            if answer is not None:
                headers = [*answer.headers, id_header(context)]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": answer.body})
                self.service.observation.end(context, "GET", answer.route, 200)
                return
        await self.app(scope, receive, send)

    async def _answer(self, engine: Engine, path: str, query: bytes, context: RequestContext) -> CachedResponse | None:
        """A cached or plain answer; None: take the regular path."""
        service = self.service
        try:
            plain = plan(path, query)
            if plain is None and (path, query) not in service.cache:
                return None
            view = await service.view(engine)
            cached = service.cache.find(path, query, view)
            if cached is not None:
                service.metrics.ready.inc()
                return cached
            if plain is None:
                return None
            user_id, options = plain
            # Before computing: a write in between makes the answer outdated, never wrong.
            version = view.validity(user_id)
            work = recommend_work(engine, view, user_id, options)
            current.set(context)  # for stages; the regular path sets it, too
            body, cacheable = await service.executor.run(work, key=user_id, heavy=is_heavy(options))
        except MatineeError:  # an expected error, for which the regular path makes a problem document
            return None
        except Exception:
            log.exception("The fast path failed; the request takes the regular path.")
            return None
        answer = CachedResponse.of(ROUTE, user_id, version, body)
        if cacheable:
            service.cache.put(path, query, answer)
        return answer
