"""Sending calls to the core: one connection pool, every failure as a `MatineeError`."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from matinee._util.bounded_http import ask, ask_async, bounded
from matinee._util.request_context import outgoing_headers
from matinee._util.secrets import bearer
from matinee.client.calls import Call
from matinee.errors import InvalidInputError, MatineeError, ServiceError
from matinee.settings import Settings

SECONDS = 30.0
"""Time that the core gets to answer; the first search by meaning loads its encoder."""
CONNECT_SECONDS = 3.0
UPLOAD_SECONDS = 300.0
"""Time for which an upload may stand still: the core stores what it has before it reads on."""
UNAVAILABLE = (502, 503, 504)
OVERLOADED = "urn:matinee:problem:overloaded"
"""Type of the problem of a core that has refused a call before it began with it."""
RETRIES = 3
"""How often a call that was refused for overload, or for too many calls, is sent again."""
MAX_PAUSE = 3.0
"""Seconds before that, at most; the core says how many."""


class RefusedError(MatineeError):
    """The core understood the call and refuses it (a 4xx or 500 problem document).

    Args:
        status: the HTTP status.
        problem: the problem document, {} where there was none.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"The core service answered {status}.")
        super().__init__(detail)
        self.status = status
        self.problem = problem


def core_url(settings: Settings) -> str:
    """Address of the core service: the setting `core_url`, or this machine's port `port`."""
    return settings.core_url.rstrip("/") or f"http://127.0.0.1:{settings.port}"


class _Sender:
    """What the two clients share: requests out of calls, answers and errors out of responses."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self.url = url.rstrip("/")
        self._key = bearer(Settings().api_key if api_key is None else api_key)

    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self.url,
            "timeout": httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
            "headers": {"user-agent": "matinee-client"} | self._key,
            "trust_env": False,  # proxies of the environment are for other hosts
        }

    def _request(self, call: Call) -> dict[str, Any]:
        headers = outgoing_headers()
        request: dict[str, Any] = {"method": call.method, "url": call.path, "params": dict(call.params)}
        if call.image is not None:
            request["content"] = call.image
            headers["content-type"] = "application/octet-stream"
        elif call.json is not None:
            request["content"] = _json(call.json)
            headers["content-type"] = "application/json"
        return request | {"headers": headers}

    def _answer(self, call: Call, response: httpx.Response) -> Any:
        if response.is_success:
            if call.raw:
                return response.content
            if not response.content:
                return None
            try:
                return orjson.loads(response.content)
            except orjson.JSONDecodeError as error:
                raise self._silent("it does not speak JSON") from error
        problem: Any = {}
        if "json" in response.headers.get("content-type", ""):
            try:
                problem = orjson.loads(response.content)
            except orjson.JSONDecodeError:
                problem = {}
        problem = problem if isinstance(problem, dict) else {}
        if response.status_code in UNAVAILABLE:
            raise ServiceError(str(problem.get("detail") or f"The core service at {self.url} is not ready."))
        raise RefusedError(response.status_code, problem)

    def _pause(self, response: httpx.Response, attempt: int) -> float | None:
        """Seconds after which a call that was refused, and so not begun, is sent again; None: never.

        For overload (503), and for too many calls (429) where the next is allowed soon.
        """
        too_many = response.status_code == 429
        overloaded = response.status_code == 503 and OVERLOADED.encode() in response.content
        if attempt >= RETRIES or not (too_many or overloaded):
            return None
        text = response.headers.get("retry-after", "")
        wait = float(text) if text.isdigit() else 1.0
        if too_many:
            return wait if wait <= MAX_PAUSE else None
        seconds = min(wait, MAX_PAUSE)
        return seconds * random.uniform(0.5, 1)  # not all at once

    def _silent(self, why: object) -> ServiceError:
        return ServiceError(
            f"The core service at {self.url} does not answer ({why or 'no connection'}).",
            "Start it with `matinee serve`, or set MATINEE_CORE_URL to where it is.",
        )

    def _failed(self, error: httpx.HTTPError | httpx.InvalidURL) -> MatineeError:
        if isinstance(error, httpx.InvalidURL):  # which is not an HTTPError: nothing was sent
            return InvalidInputError(f"This cannot be asked: {error}.", "Use a shorter text.")
        return self._silent(error)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, or a number beyond 64 bits, which the core refuses
        return json.dumps(value).encode()


class Client(_Sender):
    """Sends calls and waits for the answer. Safe to share between threads.

    Args:
        url: address of the core, `http://host:8000`.
        api_key: that it sends; None: the setting `MATINEE_API_KEY`; "": none.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        super().__init__(url, api_key)
        self._http = bounded(httpx.Client(**self._options()))

    def send(self, call: Call) -> Any:
        """The answer: JSON as Python values, bytes of a `raw` call, None where there is no content.

        Raises:
            ServiceError: the core does not answer, or is not ready.
            RefusedError: it refuses the call.
            InvalidInputError: a text is too long for an address.
        """
        for attempt in count():
            try:
                response = ask(self._http, **self._request(call), seconds=SECONDS)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._failed(error) from error
            pause = self._pause(response, attempt)
            if pause is None:
                break
            time.sleep(pause)
        return self._answer(call, response)

    def upload(self, call: Call, body: Iterator[bytes]) -> Any:
        """The answer to a call that streams, whose body is sent while it is made. It is not sent again.

        Raises:
            ServiceError, RefusedError: as `send`.
        """
        request = self._request(call) | {"content": body}
        request["headers"]["content-type"] = "application/x-ndjson"
        try:
            timeout = httpx.Timeout(UPLOAD_SECONDS, connect=CONNECT_SECONDS)
            response = ask(self._http, **request, seconds=None, timeout=timeout)
        except httpx.HTTPError as error:
            raise self._failed(error) from error
        return self._answer(call, response)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Sender):
    """Sends calls from an event loop; arguments and errors as `Client`."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        super().__init__(url, api_key)
        self._http = httpx.AsyncClient(**self._options())

    async def send(self, call: Call) -> Any:
        """See `Client.send`."""
        return self._answer(call, await self._sent(call))

    async def response(self, call: Call) -> httpx.Response:
        """The bare response, for handing on: its status and headers too.

        Raises:
            ServiceError, InvalidInputError: as `Client.send`.
        """
        return await self._sent(call)

    async def _sent(self, call: Call) -> httpx.Response:
        for attempt in count():
            try:
                response = await ask_async(self._http, **self._request(call), seconds=SECONDS)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._failed(error) from error
            pause = self._pause(response, attempt)
            if pause is None:
                break
            await asyncio.sleep(pause)
        return response

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
