"""Requests that schemathesis makes up from a service's own OpenAPI document, as bytes."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisException
from schemathesis import GenerationMode
from wire import Request

AT_ONCE = 40
"""Cases of one operation that are made at a time."""


@schemathesis.serializer("application/x-ndjson", "image/avif", "image/jpeg", "image/png", "image/webp")  # type: ignore[arg-type]
def _as_it_is(context: object, value: Any) -> bytes:
    del context
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def cases(url: str, rng: random.Random) -> Iterator[Request]:
    """Requests without end, valid and invalid ones of all operations in turn.

    Args:
        url: of the service, whose document is at `/openapi.json`.
        rng: where the seeds of Hypothesis come from.
    """
    logging.getLogger("schemathesis").setLevel(logging.ERROR)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    sources = [
        (f"{operation.ok().method.upper()} {operation.ok().path}", operation.ok().as_strategy(generation_mode=mode))
        for operation in schema.get_all_operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    while sources:
        rng.shuffle(sources)
        useless = set()
        for name, strategy in sources:
            made: list[Request] = []
            with suppress(HypothesisException, NotImplementedError):  # nothing to negate in it, or too rarely found
                _draw(name, strategy, url, rng.getrandbits(32), made)
            if not made:
                useless.add((name, id(strategy)))
            yield from made
        sources = [(name, strategy) for name, strategy in sources if (name, id(strategy)) not in useless]


def _draw(name: str, strategy: Any, url: str, number: int, made: list[Request]) -> None:
    """Append some cases of one operation."""

    @seed(number)
    @settings(
        max_examples=AT_ONCE,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(case: schemathesis.Case) -> None:
        words = case.as_transport_kwargs(base_url=url)
        words["headers"] = {key: value for key, value in words["headers"].items() if key != "X-Schemathesis-TestCaseId"}
        try:
            prepared = requests.Request(**words).prepare()
            parts = urlsplit(prepared.url or "")
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = tuple((_latin(key), _latin(value)) for key, value in prepared.headers.items())
        except (requests.exceptions.RequestException, ValueError):  # no client can send it; mutants can
            return
        body = prepared.body or b""
        if not isinstance(body, (bytes, str)):
            body = b"".join(part if isinstance(part, bytes) else part.encode() for part in body)
        kept = tuple(pair for pair in headers if pair[0].lower() not in (b"content-length", b"host"))
        made.append(
            Request(
                name,
                (prepared.method or "GET").encode(),
                target.encode("utf-8", "replace"),
                tuple(pair for pair in kept if b"\n" not in pair[1] and b"\r" not in pair[1]),
                body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"),
            )
        )

    draw()


def _latin(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
