"""The core service, asked from Python over HTTP.

    >>> from matinee.client import Client, calls
    >>> with Client("http://127.0.0.1:8000") as core:  # doctest: +SKIP
    ...     core.send(calls.recommendations("42", n=3))["items"]

`calls` describes every call once; `Client` sends it and waits, `AsyncClient` sends it from an event loop.
"""

from __future__ import annotations

from matinee.client import calls
from matinee.client.calls import Call
from matinee.client.http import AsyncClient, Client, RefusedError, core_url

__all__ = ["AsyncClient", "Call", "Client", "RefusedError", "calls", "core_url"]
