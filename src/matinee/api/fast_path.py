"""The fast path of cached answers and of the most frequent request, `GET /v1/users/{user_id}/recommendations`.

FastAPI takes some tenths of a millisecond to route, resolve and check a request: half of what the whole list costs.
A request in the plain form, with `n` and `model` at most, and not heavy, is parsed here instead. Every other request,
valid or not, takes the regular path through FastAPI, which answers with the same bytes or a problem document.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from matinee._util.request_context import RequestContext, current, new_trace_id
from matinee._util.security_headers import HSTS
from matinee.api.access import PLAIN
from matinee.api.admission import Admission
from matinee.api.application import Api, Application
from matinee.api.cost import is_heavy
from matinee.api.encoded_paths import keep_encoded_slashes
from matinee.api.list_work import ListWork
from matinee.api.protocol import WHOLE
from matinee.api.response_cache import CONTENT_TYPE, CachedResponse, Header
from matinee.data.ids import USER_ID
from matinee.engine import Engine
from matinee.engine.types import Request as Options
from matinee.errors import MatineeError

if TYPE_CHECKING:
    from matinee.api.service import CoreService

log = logging.getLogger("matinee.api")
ROUTE = "/v1/users/{user_id}/recommendations"
_PATH = re.compile(r"/v1/users/([^/]{1,64})/recommendations")
_QUERY = re.compile(rb"(?:n=([1-9]\d{0,2}|1000))?(?:(?(1)&)model=([A-Za-z0-9_-]{1,100}))?")
_ID = re.compile(USER_ID)
_WHOLE = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\nx-request-id: %b\r\n\r\n%b"
"""The headers that are always the same, the length of the body, the request's id, the body."""


class Plan(NamedTuple):
    """What a plain request asks for."""

    user_id: str
    options: Options


def takes_long(options: Options, metadata: bool = False) -> bool:
    """Whether an answer with these options surely takes more than a millisecond or two, see `cost.is_heavy`."""
    return is_heavy(
        options.n,
        explain=options.explain,
        metadata=metadata,
        diverse=options.diversity > 0,
        filtered=bool(options.filter),
    )


def plan(path: str, query: bytes) -> Plan | None:
    """What a plain request asks for, None for every other."""
    in_path, in_query = _PATH.fullmatch(path), _QUERY.fullmatch(query)
    if in_path is None or in_query is None or not in_path[1].isascii() or _ID.fullmatch(in_path[1]) is None:
        return None  # ids of other characters are normalized on the regular path
    n, model = in_query.groups()
    options = Options(n=int(n) if n else 10, model=model.decode() if model else None)
    return None if takes_long(options) else Plan(in_path[1], options)  # heavy ones wait in their queue


class CoreApplication(Application):
    """The core service as an ASGI application; cached answers and plain recommendations do without FastAPI."""

    def __init__(self, api: Api, service: CoreService) -> None:
        self._core = service
        super().__init__(api)
        self._fixed = _written([CONTENT_TYPE, *self.headers])
        self._fixed_https = _written([CONTENT_TYPE, *self.headers, HSTS])

    def admitted(self, app: ASGIApp) -> ASGIApp:
        """The routes behind the queues of the core service."""
        return Admission(app, self._core.queues)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        keep_encoded_slashes(scope)
        engine, core = self._core.lazy_engine.value, self._core
        if (
            engine is None
            or scope["type"] != "http"
            or scope["method"] != "GET"
            or not core.trusted.knows(scope["headers"])
            or (core.trusted.origins and _has_origin(scope["headers"]))  # whose pages may read it is told there
        ):
            await self._app(scope, receive, send)
            return
        start, observation = perf_counter(), core.observation
        if not self.access.is_off and self.access.decide(scope) is not PLAIN:
            await self._app(scope, receive, send)
            return
        answer, context = await self._answer(engine, scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        cached = context is None
        if cached and observation.needs_context(scope["headers"]):
            context = observation.begin(scope)
            context.started = start
        request_id = (new_trace_id() if context is None else context.request_id).encode()
        https = scope.get("scheme") == "https"
        whole = scope["extensions"].get(WHOLE) if "extensions" in scope else None
        fixed = self._fixed_https if https else self._fixed
        if whole is None or not whole["send"](scope, _WHOLE % (fixed, len(answer.body), request_id, answer.body)):
            headers = [*answer.headers, *self.headers, *((HSTS,) if https else ()), (b"x-request-id", request_id)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
        if context is None:
            core.metrics.count("GET", answer.route, 200, perf_counter() - start, cached)
        else:
            observation.end(context, "GET", answer.route, 200, cached)

    async def _answer(self, engine: Engine, scope: Scope) -> tuple[CachedResponse | None, RequestContext | None]:
        """A cached answer, or a plain one and the context that it was computed in; None: take the regular path."""
        service, path, query = self._core, scope["path"], scope["query_string"]
        try:
            cached = service.cache.get(path, query)
            plain = None if cached else plan(path, query)
            if not cached and not plain:
                return None, None
            view = await service.view(engine) if service.store_is_remote else engine.request_view()
            if cached is not None:
                if view.validity(cached.user_id) == cached.version and service.is_of_arm(cached, view):
                    if cached.shown is not None:
                        service.log_again(cached.shown, view)
                    return cached, None
                service.cache.drop(path, query)
                plain = plan(path, query)
            if plain is None:
                return None, None
            user_id, options = plain
            # Before computing: a write in between makes the answer outdated, never wrong.
            version = view.validity(user_id)
            work = ListWork(engine, view, user_id, options, False, service.experiments.running())
            context = service.observation.begin(scope)
            current.set(context)  # for stages; the regular path sets it, too
            made = await service.executor.run(work, key=user_id, heavy=False)
        except MatineeError:  # an expected error, for which the regular path makes a problem document
            return None, None
        except Exception:
            log.exception("The fast path failed; the request takes the regular path.")
            return None, None
        answer = CachedResponse.of(ROUTE, user_id, version, made.body, made.arm, made.shown)
        if made.keep:
            service.cache.put(path, query, answer)
        if made.shown is not None:
            service.exposures.put(made.shown)
        return answer, context


def _has_origin(headers: Iterable[Header]) -> bool:
    return any(name == b"origin" for name, _ in headers)


def _written(headers: Iterable[Header]) -> bytes:
    """Headers as they are sent."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)
