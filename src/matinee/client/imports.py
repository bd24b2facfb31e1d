"""Sending an import of any length, and going on after a break from the line that the core names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from matinee.client import calls
from matinee.client.http import Client, RefusedError
from matinee.errors import InvalidInputError, ServiceError

PATIENCE = 8
"""Attempts in a row that bring the import no further."""
MAX_PAUSE = 10.0
"""Seconds between two of them, at most."""
PART = 1 << 16
"""Bytes that are sent at a time."""
_SLOW = 408

Source = Callable[[int, int], Iterator[bytes]]
"""Gives the import's bytes from a place on: lines and bytes before it."""
Told = Callable[[int, int], None]
"""Is told lines and bytes that are sent or stored."""


def send_import(
    client: Client,
    source: Source,
    key: str,
    *,
    on_error: Literal["stop", "skip"] = "stop",
    told: Told = lambda rows, size: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Send an import, or what the core has not stored of it yet.

    Args:
        key: names the import; the same one goes on with it, also in another process.
        on_error: what follows a line that the core refuses.
        told: called with the lines stored so far, and the bytes sent.

    Returns:
        how far it has come: the core's answer.

    Raises:
        RefusedError: the core refuses it; the message names the line.
        ServiceError: the core does not answer, several times in a row.
    """
    rows, failures = -1, 0
    while True:
        error: ServiceError | RefusedError
        try:
            stored = _stored(client, key)
            failures, rows = (0, stored["rows"]) if stored["rows"] > rows else (failures + 1, rows)
            told(stored["rows"], stored["bytes"])
            parts = _counted(source(stored["rows"], stored["bytes"]), stored, told)
            answer: dict[str, Any] = client.upload(calls.import_lines(key, start=rows, on_error=on_error), parts)
            return answer
        except ServiceError as caught:
            error, failures = caught, failures + (rows < 0)
        except RefusedError as caught:
            if caught.status != _SLOW:
                raise
            error = caught
        if failures >= PATIENCE:
            raise error
        time.sleep(min(0.25 * 2**failures, MAX_PAUSE))


def _stored(client: Client, key: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.send(calls.import_progress(key))
    except RefusedError as error:
        if error.status != 404:
            raise
        return {"rows": 0, "bytes": 0}
    return answer


def _counted(parts: Iterator[bytes], stored: dict[str, Any], told: Told) -> Iterator[bytes]:
    size = int(stored["bytes"])
    for part in parts:
        yield part
        size += len(part)
        told(stored["rows"], size)


def lines_of_file(path: Path) -> Source:
    """The lines of an NDJSON file as they are.

    Raises:
        InvalidInputError: when it is read: it cannot be.
    """

    def read(rows: int, size: int) -> Iterator[bytes]:
        del rows
        try:
            with path.open("rb") as file:
                file.seek(size)
                while part := file.read(PART):
                    yield part
        except OSError as error:
            raise InvalidInputError(
                f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
            ) from error

    return read
