"""Sessions of the web app: a signed cookie, of which nothing is kept here but what was signed out."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from cachetools import TTLCache
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.responses import Response
from starlette.types import Scope

COOKIE = "matinee_session"
MAX_ENDED = 10_000
"""Sessions that were signed out and are remembered."""


class Sessions:
    """Issues, reads and ends sessions.

    Args:
        key: signs the cookies.
        lifetime: of a session, in seconds.
        root: path of the app, without a slash at its end.
    """

    def __init__(self, key: bytes, lifetime: int, root: str) -> None:
        self._serializer = URLSafeTimedSerializer(
            key, salt="matinee.web.session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self.lifetime, self._path = lifetime, root or "/"
        self._ended: TTLCache[str, None] = TTLCache(MAX_ENDED, lifetime)

    def start(self, response: Response, *, https: bool) -> None:
        """Give the visitor a session with this answer."""
        value = self._serializer.dumps({"id": secrets.token_urlsafe(16)})
        response.set_cookie(
            COOKIE,
            str(value),
            max_age=self.lifetime,
            path=self._path,
            secure=https,
            httponly=True,
            samesite="lax",
        )

    def is_valid(self, scope: Scope) -> bool:
        """Whether a request comes with a session that goes on."""
        return self._read(scope) is not None

    def end(self, scope: Scope, response: Response, *, https: bool) -> None:
        """End the session of a request, also for who may have copied its cookie."""
        session = self._read(scope)
        if session is not None:
            self._ended[session] = None
        response.delete_cookie(COOKIE, path=self._path, secure=https, httponly=True, samesite="lax")

    def _read(self, scope: Scope) -> str | None:
        """The id of the session of a request."""
        for value in _cookies(scope):
            try:
                content: Any = self._serializer.loads(value, max_age=self.lifetime)
            except BadData:
                continue
            session = content.get("id") if isinstance(content, dict) else None
            if isinstance(session, str) and session not in self._ended:
                return session
        return None


def _cookies(scope: Scope) -> list[str]:
    """Values of the session's cookie; another app on this host may have set one, too."""
    found = []
    for name, header in scope["headers"]:
        if name != b"cookie":
            continue
        for part in header.decode("latin-1").split(";"):
            key, _, value = part.strip().partition("=")
            if key == COOKIE:
                found.append(value.strip('"'))
    return found[:4]
