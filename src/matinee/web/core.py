"""The web app's client of the core. Addresses and reasons of failures are logged and not shown to visitors."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import httpx

from matinee._util.request_context import active, background
from matinee.client import AsyncClient, Call
from matinee.errors import MatineeError, ServiceError

AWAY = "The film service does not answer right now."
"""Message to visitors during an outage."""
MAX_LOGGED = 100
"""Maximum number of remembered problems."""
_NO_CONNECTION = "no connection"

log = logging.getLogger("matinee.web")


class Core(AsyncClient):
    """A client that logs each outage once, with address and reason, however many calls fail.

    A connection failure ends with any answer. A problem that the core reports (503) ends with an answer to a call of
    the same kind.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        super().__init__(url, api_key)
        self._logged: dict[str, tuple[str, ...]] = {}  # problem → kind of the first call that failed

    async def send(self, call: Call) -> Any:
        """See `AsyncClient.send`."""
        # An event of Gradio's queue has no request: what is logged here and there has one id all the same.
        with nullcontext() if active() is not None else background():
            try:
                answer = await super().send(call)
            except ServiceError as error:
                self._log_failure(error, call)
                raise
            except MatineeError:
                self._logged.pop(_NO_CONNECTION, None)
                raise
        self._answered(call)
        return answer

    async def response(self, call: Call) -> httpx.Response:
        """See `AsyncClient.response`."""
        try:
            answer = await super().response(call)
        except ServiceError as error:
            self._log_failure(error, call)
            raise
        self._logged.pop(_NO_CONNECTION, None)
        return answer

    def _answer(self, call: Call, response: httpx.Response) -> Any:
        if response.status_code == 401:  # of the key of this app, of which visitors know nothing
            raise ServiceError(
                f"The core service at {self.url} demands an API key, and does not accept that of MATINEE_API_KEY.",
                "Make one with `matinee keys create NAME --role write`.",
            )
        return super()._answer(call, response)

    def _log_failure(self, error: ServiceError, call: Call) -> None:
        problem = _NO_CONNECTION if isinstance(error.__cause__, httpx.HTTPError) else str(error)
        if problem in self._logged:
            return
        if len(self._logged) >= MAX_LOGGED:
            self._logged.clear()
        self._logged[problem] = _kind(call)
        log.warning("%s", error)

    def _answered(self, call: Call) -> None:
        if self._logged:
            answered = _kind(call)
            self._logged = {
                problem: kind
                for problem, kind in self._logged.items()
                if problem != _NO_CONNECTION and kind != answered
            }


def _kind(call: Call) -> tuple[str, ...]:
    """The kind of a call, without ids: `GET v1 users … recommendations`."""
    parts = call.path.strip("/").split("/")
    return (call.method, *parts[:2], *parts[3:4])
