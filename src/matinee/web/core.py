"""The core as the web app asks it. Visitors are not told where it runs or what ails it: that goes to the log."""

from __future__ import annotations

import logging
from typing import Any

import httpx

from matinee.client import AsyncClient, Call
from matinee.errors import MatineeError, ServiceError

AWAY = "The film service does not answer right now."
"""What visitors read of an outage."""
MAX_TOLD = 100
"""Troubles that are remembered as told."""
_NOBODY = "no connection"

log = logging.getLogger("matinee.web")


class Core(AsyncClient):
    """The client, which logs each outage once, however many calls meet it: address and reason, for operators.

    An outage of the connection ends with any answer; a trouble that the core tells of itself (503), with an answer to
    such a call.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._told: dict[str, tuple[str, ...]] = {}  # trouble → kind of call that met it first

    async def send(self, call: Call) -> Any:
        """See `AsyncClient.send`."""
        try:
            answer = await super().send(call)
        except ServiceError as error:
            self._met(error, call)
            raise
        except MatineeError:
            self._told.pop(_NOBODY, None)
            raise
        self._answered(call)
        return answer

    async def response(self, call: Call) -> httpx.Response:
        """See `AsyncClient.response`."""
        try:
            answer = await super().response(call)
        except ServiceError as error:
            self._met(error, call)
            raise
        self._told.pop(_NOBODY, None)
        return answer

    def _met(self, error: ServiceError, call: Call) -> None:
        trouble = _NOBODY if isinstance(error.__cause__, httpx.HTTPError) else str(error)
        if trouble in self._told:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[trouble] = _kind(call)
        log.warning("%s", error)

    def _answered(self, call: Call) -> None:
        if self._told:
            over = _kind(call)
            self._told = {trouble: kind for trouble, kind in self._told.items() if trouble != _NOBODY and kind != over}


def _kind(call: Call) -> tuple[str, ...]:
    """A call without what it is about: `GET v1 users … recommendations`."""
    parts = call.path.strip("/").split("/")
    return (call.method, *parts[:2], *parts[3:4])
