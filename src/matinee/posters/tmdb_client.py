"""Talking to The Movie Database (TMDB), API version 3: paced, patient, and discreet about the key.

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
"""Size of the posters, of those that TMDB keeps ready: 342 pixels wide."""

ATTEMPTS = 4
"""Times that a request is tried where the server fails or does not answer."""
MAX_WAITS = 20
"""Times that one request obeys 429, "too many requests"."""
MAX_PAUSE = 120.0
"""Seconds that are waited when TMDB asks for a pause; it does not, as a rule, for more than ten."""
MAX_JSON = 1 << 20
"""Bytes of an answer that is no picture."""
_LONG = 40
"""Keys are 32 characters; tokens are hundreds, and go into a header."""


class StopError(FetchError):
    """TMDB wants no more requests: the key is not accepted, or a long pause is asked for."""


class TmdbRefusedError(MatineeError):
    """An answer that says that this one thing cannot be had: a status of 4xx, or nonsense."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RateLimit:
    """Lets through so many requests a second, evenly, and none while the server asks for a pause."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = monotonic()
        at = max(self._next, now)
        self._next = at + self._gap
        await asyncio.sleep(at - now)

    def pause(self, seconds: float) -> None:
        """Let nobody through for a while."""
        self._next = max(self._next, monotonic() + seconds)


class TmdbClient:
    """Requests to TMDB, each limited in bytes and seconds, tried again where that can help.

    Args:
        key: an API key (32 characters, sent as `api_key`) or a read access token (sent as a bearer).
        url: of the API.
        rate: requests to the API a second.
        timeout: seconds that one attempt may take in all.
        backoff: seconds before the second attempt; doubles with each.
    """

    def __init__(self, key: str, *, url: str, rate: float, timeout: float, backoff: float) -> None:
        token = len(key) > _LONG or "." in key
        self._key = {} if token else {"api_key": key}
        self._bearer = {"authorization": f"Bearer {key}"} if token else {}
        self._url = url.rstrip("/")
        self._pace = RateLimit(rate)
        self._timeout, self._backoff = timeout, backoff
        self._http = httpx.AsyncClient(timeout=timeout, headers={"user-agent": "matinee"}, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, path: str, **params: str) -> dict[str, Any]:
        """An object of the API: `ask("/3/configuration")`.

        Raises:
            RefusedError: 4xx, or an answer that is no object.
            StopError: no more should be asked.
            FetchError: no answer after all attempts.
        """
        body = await self._get(self._url + path, params | self._key, self._bearer, MAX_JSON, paced=True)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise TmdbRefusedError("TMDB answered with what is no JSON object.")
        return answer

    async def picture(self, url: str, max_bytes: int) -> bytes:
        """The bytes of a picture; the key is not sent.

        Raises:
            TooLargeError: more than `max_bytes`; besides what `ask` raises.
        """
        return await self._get(url, {}, {}, max_bytes, paced=False)

    async def _get(  # noqa: C901 - one answer after another, as TMDB gives them
        self, url: str, params: dict[str, str], headers: dict[str, str], max_bytes: int, *, paced: bool
    ) -> bytes:
        failures = waits = 0
        while True:
            if paced:
                await self._pace.turn()
            try:
                async with asyncio.timeout(self._timeout):
                    status, answer, body = await self._once(url, params, headers, max_bytes)
            # The request's address, which may hold the key, must not reach anybody with the error.
            except (httpx.TransportError, TimeoutError) as error:
                problem = f"{type(error).__name__}"
            except (httpx.HTTPError, httpx.InvalidURL, ValueError):
                raise TmdbRefusedError("TMDB named an address that cannot be read.") from None
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
    """Seconds of the header `Retry-After`, which has seconds or a date; 1 where it is absent or nonsense."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - time()
    except (ValueError, TypeError):
        seconds = 1.0
    return max(seconds, 0.0)


@contextmanager
def discreet(key: str) -> Iterator[None]:
    """Drop log records that hold the key: httpx logs the address of every request, and a v3 key is part of it."""

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
