"""Client of The Movie Database (TMDB), API version 3: rate-limited, with retries, and never logging the key.

https://developer.themoviedb.org/docs/rate-limiting and /docs/authentication-application.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Any

import httpx

from matinee.errors import FetchError, MatineeError, TooLargeError

URL = "https://api.themoviedb.org"
WIDTH = "w342"
"""Size of the posters, one of TMDB's predefined sizes: 342 pixels wide."""

ATTEMPTS = 4
"""Maximum number of attempts if the server fails or does not answer."""
MAX_WAITS = 20
"""Maximum number of waits of one request after status 429."""
MAX_PAUSE = 120.0
"""Longest pause that is accepted, in seconds. TMDB usually asks for at most ten."""
MAX_JSON = 1 << 20
"""Maximum size of a JSON answer, in bytes."""
_LONG = 40
"""Keys have 32 characters. Longer ones are tokens, which are sent in a header."""


class StopError(FetchError):
    """No more requests should be sent: the key is rejected, or TMDB asks for a long pause."""


class TmdbRefusedError(MatineeError):
    """One request failed permanently: status 4xx, or an invalid answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RateLimit:
    """Spaces requests evenly at a rate, and blocks them while the server asks for a pause."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until the next request is allowed."""
        now = monotonic()
        at = max(self._next, now)
        self._next = at + self._gap
        await asyncio.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Block all requests for a number of seconds."""
        self._next = max(self._next, monotonic() + seconds)


class TmdbClient:
    """Requests to TMDB with limits of bytes and time, and retries.

    Args:
        key: an API key (32 characters, sent as `api_key`) or a read access token (sent as a bearer token).
        url: address of the API.
        rate: API requests per second.
        timeout: maximum seconds of one attempt.
        backoff: seconds before the first retry; doubles with each.
    """

    def __init__(self, key: str, *, url: str, rate: float, timeout: float, backoff: float) -> None:
        token = len(key) > _LONG or "." in key
        self._key = {} if token else {"api_key": key}
        self._bearer = {"authorization": f"Bearer {key}"} if token else {}
        self._url = url.rstrip("/")
        self.host = httpx.URL(self._url).host
        self._pace = RateLimit(rate)
        self._timeout, self._backoff = timeout, backoff
        self._http = httpx.AsyncClient(timeout=timeout, headers={"user-agent": "matinee"}, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, path: str, **params: str) -> dict[str, Any]:
        """Get a JSON object of the API: `ask("/3/configuration")`.

        Raises:
            TmdbRefusedError: status 4xx, or the answer is not a JSON object.
            StopError: no more requests should be sent.
            FetchError: no answer after all attempts.
        """
        body = await self._get(self._url + path, params | self._key, self._bearer, MAX_JSON, paced=True)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TmdbRefusedError("The answer of TMDB is not a JSON object.")
        return answer

    async def picture(self, url: str, max_bytes: int) -> bytes:
        """The bytes of a picture. The key is not sent.

        Raises:
            TooLargeError: more than `max_bytes`; also all errors of `ask`.
        """
        return await self._get(url, {}, {}, max_bytes, paced=False)

    async def _get(  # noqa: C901 - one branch per kind of answer
        self, url: str, params: dict[str, str], headers: dict[str, str], max_bytes: int, *, paced: bool
    ) -> bytes:
        failures = waits = 0
        while True:
            if paced:
                await self._pace.turn()
            try:
                async with asyncio.timeout(self._timeout):
                    status, answer, body = await self._once(url, params, headers, max_bytes)
            # `from None`, because the error has the request's URL, which may include the key.
            except (httpx.TransportError, TimeoutError) as error:
                problem = f"{type(error).__name__}"
            except (httpx.HTTPError, httpx.InvalidURL, ValueError):
                raise TmdbRefusedError("TMDB sent an address that is not valid.") from None
            else:
                if status == 200:
                    return body
                if status == 429:
                    waits, seconds = waits + 1, _retry_after(answer)
                    if waits > MAX_WAITS or seconds > MAX_PAUSE:
                        raise StopError(f"TMDB asks for a pause of {seconds:.0f} s.", "Repeat the command after it.")
                    self._pace.pause(seconds)
                    if not paced:
                        await self._pace.turn()
                    continue
                if status == 401 and paced:
                    raise StopError(
                        "TMDB does not accept the key.",
                        "Copy it again from themoviedb.org/settings/api into MATINEE_TMDB_KEY or --tmdb-key.",
                    )
                if status < 500:
                    raise TmdbRefusedError(f"TMDB answered {status}.", status)
                problem = f"status {status}"
            failures += 1
            if failures >= ATTEMPTS:
                raise FetchError(f"TMDB does not answer ({problem}).", "Check the network, and try again later.")
            await asyncio.sleep(self._backoff * 2 ** (failures - 1) * random.uniform(0.5, 1.5))

    async def _once(
        self, url: str, params: dict[str, str], headers: dict[str, str], max_bytes: int
    ) -> tuple[int, httpx.Headers, bytes]:
        async with self._http.stream("GET", url, params=params or None, headers=headers) as answer:
            body = bytearray()
            if answer.status_code == 200:
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > max_bytes:
                        raise TooLargeError(f"TMDB sent more than {max_bytes:,} bytes.")
            return answer.status_code, answer.headers, bytes(body)


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds of the header `Retry-After`, which has seconds or a date; 1 if it is missing or not valid."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - time()
    except (ValueError, TypeError):
        seconds = 1.0
    return max(seconds, 0.0)


@contextmanager
def discreet(key: str) -> Iterator[None]:
    """Suppress log records that contain the key. httpx logs the URL of every request, which includes a v3 key."""

    def harmless(record: logging.LogRecord) -> bool:
        return key not in record.getMessage()

    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection")]
    for logger in loggers:
        logger.addFilter(harmless)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(harmless)
