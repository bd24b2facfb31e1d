"""A connection to another service: JSON, persistent connections, one retry where that is safe, the service's errors."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from matinee._util.request_context import outgoing_headers
from matinee._util.secrets import bearer
from matinee.errors import (
    ConflictError,
    InvalidInputError,
    MatineeError,
    MediaTypeError,
    NotFoundError,
    TooLargeError,
)

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
"""Time that a connection may take."""
KEEPALIVE_SECONDS = 60.0
"""Time that an idle connection stays open; the services close theirs after 75 seconds."""
MAX_CONNECTIONS = 32
_PROBLEM = "application/problem+json"
_OWN = "urn:matinee:problem:"
_KINDS: dict[int, type[MatineeError]] = {
    400: InvalidInputError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    415: MediaTypeError,
    422: InvalidInputError,
}


def is_address(url: str) -> bool:
    """Whether this is a valid URL of a service."""
    import httpx

    try:
        parts, _ = urlsplit(url), httpx.URL(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def _body(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidInputError(f"This cannot be sent as JSON: {error}.", "Send text that is Unicode.") from error


class Connection:
    """Connections to one service. Thread-safe.

    Args:
        url: where it is: `http://host:8001`.
        timeout: seconds that an answer may take, from the first byte sent to the last received.
        service: its name, for messages: "encoder".
        start: the command that starts it, for messages.
        setting: the setting that names it, for messages.
        failure: raised where it does not answer.
        key: API key that is sent; "": none.

    Raises:
        MatineeError: of the kind `failure`: `url` is not a web address.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        *,
        service: str,
        start: str,
        setting: str,
        failure: type[MatineeError],
        key: str = "",
    ) -> None:
        import httpx

        from matinee._util.bounded_http import bounded

        self.url = url.rstrip("/")
        self.service, self.start, self.setting, self.failure = service, start, setting, failure
        self._timeout = timeout
        if not is_address(self.url):
            raise failure(
                f"{url!r} is not the address of the {service} service.", f"Set {setting} to http://HOST:PORT."
            )
        self._client = bounded(
            httpx.Client(
                base_url=self.url,
                headers=bearer(key),
                timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
                limits=httpx.Limits(
                    max_connections=MAX_CONNECTIONS,
                    max_keepalive_connections=MAX_CONNECTIONS,
                    keepalive_expiry=KEEPALIVE_SECONDS,
                ),
            )
        )
        self.close = weakref.finalize(self, self._client.close)

    def ask(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        files: Sequence[tuple[str, tuple[str, bytes, str]]] | None = None,
        params: Mapping[str, str | int] | None = None,
        again: bool = True,
    ) -> dict[str, Any]:
        """A JSON object that the service answers with; {} where it answers with nothing.

        Args:
            json: the body, arrays of NumPy included.
            files: instead: files of a form, (field, (name, content, media type)).
            again: try once more where a connection breaks; asking twice does no harm.

        Raises:
            InvalidInputError, TooLargeError, MediaTypeError, NotFoundError, ConflictError: as the service says.
            MatineeError: of the kind `failure`: it does not answer, or not as such a service does.
        """
        import httpx

        from matinee._util.bounded_http import ask

        given: dict[str, Any] = {"headers": outgoing_headers()} | ({"params": dict(params)} if params else {})
        if files is not None:
            given["files"] = files
        elif json is not None:
            given["content"] = _body(json)
            given["headers"]["content-type"] = "application/json"
        try:
            try:
                answer = ask(self._client, method, path, seconds=self._timeout, **given)
            except httpx.TimeoutException:
                raise
            except httpx.TransportError:
                if not again:
                    raise
                answer = ask(self._client, method, path, seconds=self._timeout, **given)
        except httpx.TimeoutException as error:
            raise self._away(f"did not answer within {self._timeout:g} seconds") from error
        except httpx.HTTPError as error:
            raise self._away(f"does not answer ({error or type(error).__name__})") from error
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code == 204:
            return {}
        try:
            document = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise self.unexpected(f"status {answer.status_code}")
        if answer.is_success:
            return document
        detail = document.get("detail")
        if answer.headers.get("content-type") != _PROBLEM or not isinstance(detail, str):
            raise self.unexpected(f"status {answer.status_code}")
        kind = _KINDS.get(answer.status_code, self.failure)
        if kind is NotFoundError and not str(document.get("type")).startswith(_OWN):
            raise self.unexpected(detail)  # nothing is served at this path: another service, or another version
        if kind is self.failure:
            raise self.failure(f"The {self.service} service at {self.url} cannot answer: {detail}")
        raise kind(detail)

    def unexpected(self, what: str) -> MatineeError:
        """The error for an unexpected answer."""
        return self.failure(
            f"What answers at {self.url} is not the {self.service} service of this version ({what}).",
            f"Check {self.setting}.",
        )

    def _away(self, what: str) -> MatineeError:
        return self.failure(
            f"The {self.service} service at {self.url} {what}.",
            f"Start it (`{self.start}`), or check {self.setting}.",
        )
