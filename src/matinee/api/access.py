"""Whether a request may be answered: its key, the role that its route needs, whose data it is about, how many came.

The check comes after that of names and origins, and before a body is read, a queue, or a cached answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import time
from types import SimpleNamespace
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.request_context import current
from matinee.access import Key, KeyFile, is_loopback, keys_are_demanded
from matinee.access.audit import AuditLog
from matinee.access.keys import parsed
from matinee.access.rate_limit import RateLimiter, TooMany, network_of
from matinee.api.body_reader import answer_unread
from matinee.api.errors import kind_of, problem
from matinee.api.permissions import Need, Permissions
from matinee.errors import KeyFileError
from matinee.settings import Settings

WRONG_KEYS = 20
"""Wrong keys that an address may send in a minute, until it is told to wait."""
LOOK_SECONDS = 0.25
"""Time after which a new or a revoked key counts at the latest."""
MAX_REMEMBERED = 1000
"""Keys of which a worker remembers that they were right."""
_SCOPE = "matinee.access"
_HEADERS = (b"authorization", b"x-api-key")
_TYPE = "urn:matinee:problem:"

Headers = Iterable[tuple[bytes, bytes]]


class Refusal(NamedTuple):
    """Why a request is refused.

    Attributes:
        kind: of the problem, after `urn:matinee:problem:`.
        guess: a key was sent, and it is wrong.
        too_many: of a limit of requests.
    """

    status: int
    kind: str
    detail: str
    guess: bool = False
    too_many: TooMany | None = None


class Decision(NamedTuple):
    """What was decided about a request.

    Attributes:
        refusal: None: it is answered.
        key: that it came with, where keys are demanded.
        template: of its route, as in the table of permissions; None: it is not there.
        audited: it is an administrator's act.
    """

    refusal: Refusal | None = None
    key: Key | None = None
    template: str | None = None
    audited: bool = False


PLAIN = Decision()
"""The request is answered, and nothing else is to be done."""


class Access:
    """Decides about requests. For one event loop.

    Args:
        settings: `auth`, `host`, `insecure`, `keys_file`, `rate_limit`, and those of the audit log.
        answers: whether a route answers a method at a path.
    """

    def __init__(self, settings: Settings, answers: Callable[[str, str], bool]) -> None:
        self._demanded = keys_are_demanded(settings)
        self._limit = settings.rate_limit
        self._permissions = Permissions(answers)
        self._file = KeyFile(settings.keys_path, LOOK_SECONDS)
        self._used, self._wrong = RateLimiter(), RateLimiter()
        self._of: Mapping[str, Key] = {}
        self._right: dict[tuple[bytes, bytes], Key] = {}
        self.audit = AuditLog(settings)

    @property
    def is_off(self) -> bool:
        """Whether everybody may read everything, uncounted: no key is demanded, and there is no limit."""
        if self._limit or self._demanded:
            return False
        try:
            return self._demanded is False or not self._file.keys()
        except KeyFileError:
            return False

    def decide(self, scope: Scope) -> Decision:
        """What is to be done with a request; a second look gives the same and counts nothing."""
        decision: Decision | None = scope.get(_SCOPE)
        if decision is None:
            decision = scope[_SCOPE] = self._decide(scope)
        return decision

    def user_of(self, decision: Decision, path: str) -> str | None:
        """The user that a path names."""
        return self._permissions.user_of(decision.template, path) if decision.template else None

    def _decide(self, scope: Scope) -> Decision:
        need, template = self._permissions.of(scope["method"], scope["path"])
        address = scope["client"][0] if scope.get("client") else ""
        if need.role is None or (need.from_here and is_loopback(address)):
            return PLAIN
        try:
            keys = {} if self._demanded is False else self._file.keys()
        except KeyFileError as error:
            return Decision(Refusal(503, kind_of(error).removeprefix(_TYPE), "The file of API keys cannot be read."))
        key: Key | None = None
        refusal: Refusal | None = None
        if self._demanded or (self._demanded is None and keys):
            found = self._key_of(scope["headers"], keys)
            if isinstance(found, Key):
                key, refusal = found, self._forbidden(found, need, template, scope["path"])
            else:
                refusal = found
        refusal = self._limited(key, refusal, address) or refusal
        if refusal is None and need.role != "admin":
            return PLAIN
        audited = need.role == "admin" and not (refusal and refusal.status in (401, 429))
        return Decision(refusal, key, template, audited)

    def _key_of(self, headers: Headers, keys: Mapping[str, Key]) -> Key | Refusal:
        """The key that a request has with it, if it is valid.

        A header that was found right is remembered as long as the keys are the same: to take it apart and hash it anew
        would take as long as the rest of the check.
        """
        if keys is not self._of:
            self._right.clear()
            self._of = keys
        given = None
        for header in headers:
            if header[0] in _HEADERS:
                if given is not None:
                    return _check_key(headers, keys)
                given = header
        key = self._right.get(given) if given is not None else None
        if key is not None and time() < key.expires_at:
            return key
        found = _check_key(headers, keys)
        if given is not None and isinstance(found, Key) and len(self._right) < MAX_REMEMBERED:
            self._right[given] = found
        return found

    def _forbidden(self, key: Key, need: Need, template: str | None, path: str) -> Refusal | None:
        assert need.role is not None
        if not key.has(need.role):
            return Refusal(403, "role", f"The key {key.name!r} has the role {key.role}; this needs {need.role}.")
        if key.user is None or need.of_user == "all":
            return None
        if need.of_user == "own" and template and self._permissions.user_of(template, path) == key.user:
            return None
        detail = f"The key {key.name!r} is for one user: it opens the films, and that user's ratings and lists."
        return Refusal(403, "other-user", detail)

    def _limited(self, key: Key | None, refusal: Refusal | None, address: str) -> Refusal | None:
        """Count the request; None: it is not one too many."""
        limit = self._limit if key is None or key.rate is None else key.rate
        too_many = None
        if key is not None:
            if limit:
                too_many = self._used.take(key.id, limit)
        elif limit or refusal is not None:
            network = network_of(address)
            if refusal is not None and refusal.guess:
                too_many = self._wrong.take(network, WRONG_KEYS)
            if too_many is None and limit:
                too_many = self._used.take(network, limit)
        if too_many is None:
            return None
        whose = f"with the key {key.name!r}" if key else "from this address"
        detail = f"There were more than {too_many.limit} requests a minute {whose}. Wait {too_many.retry_after} s."
        return Refusal(429, "rate-limit", detail, too_many=too_many)


def _check_key(headers: Headers, keys: Mapping[str, Key]) -> Key | Refusal:
    """The key that a request has with it, if it is valid."""
    given = set()
    for name, value in headers:
        if name == b"authorization":
            scheme, _, text = value.partition(b" ")
            if scheme.lower() == b"bearer":
                given.add(text.strip())
        elif name == b"x-api-key":
            given.add(value.strip())
    if not given:
        detail = "This service needs an API key: send `Authorization: Bearer KEY` (our programs: MATINEE_API_KEY=KEY)."
        return Refusal(401, "key-missing", f"{detail} `matinee keys create` makes one.")
    if len(given) > 1:
        return Refusal(401, "key-unknown", "Two different API keys were sent; send one.", guess=True)
    shown = parsed(given.pop().decode("latin-1"))
    key = keys.get(shown.id) if shown else None
    if shown is None or key is None or not key.opens(shown.secret):
        detail = "The API key is not known here; compare it with the one that `matinee keys create` has printed."
        return Refusal(401, "key-unknown", detail, guess=True)
    if key.revoked is not None:
        return Refusal(401, "key-revoked", f"The key {key.name!r} was revoked; use another.", guess=True)
    if time() >= key.expires_at:
        detail = f"The key {key.name!r} expired at {key.expires:%Y-%m-%d %H:%M} UTC; use another."
        return Refusal(401, "key-expired", detail, guess=True)
    return key


class CheckAccess:
    """ASGI middleware: refuses what is not allowed (401, 403, 429), and records what administrators do."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        decision = self._access.decide(scope)
        if decision is PLAIN:
            return await self._app(scope, receive, send)
        answered = not decision.audited

        async def record(status: int) -> None:
            nonlocal answered
            answered = True
            await run_in_threadpool(self._access.audit.write, "request", **self._told(scope, decision, status))

        async def watch(message: Message) -> None:
            if not answered and message["type"] == "http.response.start":
                await record(message["status"])  # before the client knows
            await send(message)

        try:
            if decision.refusal is None:
                await self._app(scope, receive, watch)
            else:
                scope.setdefault("route", SimpleNamespace(path=decision.template or "unknown path"))
                await _refuse(scope, receive, watch, decision.refusal)
        finally:
            if not answered:
                await record(500)
        return None

    def _told(self, scope: Scope, decision: Decision, status: int) -> dict[str, Any]:
        """What the audit log says of a request. A path that names a user is not in it: the id may have to be hashed."""
        user_id = self._access.user_of(decision, scope["path"])
        context = current.get()
        return {
            "method": scope["method"],
            "route": decision.template,
            "path": scope["path"] if user_id is None else None,
            "user_id": user_id,
            "status": status,
            "key": decision.key.id if decision.key else None,
            "address": scope["client"][0] if scope.get("client") else None,
            "request_id": context.request_id if context else None,
        }


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    headers = refusal.too_many.headers() if refusal.too_many else {}
    if refusal.status == 401:
        headers["www-authenticate"] = 'Bearer realm="matinee"' + (', error="invalid_token"' if refusal.guess else "")
    with_body = scope["method"] not in ("GET", "HEAD")
    if with_body:
        headers["connection"] = "close"
    answer: Response = problem(
        refusal.status, refusal.detail, instance=scope["path"], type=_TYPE + refusal.kind, headers=headers
    )
    if with_body:
        await answer_unread(scope, receive, send, answer)
    else:
        await answer(scope, receive, send)
