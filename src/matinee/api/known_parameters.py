"""Query parameters that a route does not declare are refused, with the one that was likely meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote_plus
from weakref import WeakKeyDictionary

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

from matinee.api.errors import problems

LENIENT = frozenset({"/", "/health", "/ready", "/metrics"})
"""Paths of probes, whose senders add what they like. Like classic routes, they ignore what they do not know."""
SAME = (
    {"n", "k", "limit", "count", "top", "top_n", "topn", "size", "max"},
    {"offset", "skip", "start", "from", "page"},
)
"""Names that other services have for one thing."""

_names: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()
"""Of the parameters, by the function that answers."""


def _declared(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        yield parameter.alias
    for part in dependant.dependencies:
        yield from _declared(part)


def _given(query: bytes) -> Iterator[str]:
    """Names in a query, in order; of an empty part none."""
    for part in query.split(b"&"):
        name = part.partition(b"=")[0]
        if name:
            text = name.decode("latin-1")
            yield unquote_plus(text) if b"%" in name or b"+" in name else text


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was likely meant, by its spelling or its meaning; None: none is near.

    Examples:
        >>> nearest("fliter", ["filter", "n"]), nearest("limit", ["filter", "n"]), nearest("xyz", ["filter", "n"])
        ('filter', 'n', None)
    """
    for names in SAME:
        if name.lower() in names:
            same = [one for one in known if one in names]
            if same:
                return same[0]
    near = get_close_matches(name.lower(), known, 1)
    return near[0] if near else None


async def refuse_unknown(request: Request) -> None:
    """A dependency of every route: raise RequestValidationError (422) where the query names what it does not declare.

    Costs a microsecond where there is no query, and a few where there is one.
    """
    query: bytes = request.scope["query_string"]
    if not query:
        return
    route, endpoint = request.scope["route"], request.scope["endpoint"]
    known = _names.get(endpoint)
    if known is None:
        known = _names[endpoint] = frozenset(_declared(route.dependant))
    unknown = [name for name in dict.fromkeys(_given(query)) if name not in known]
    if unknown and not request.app.is_lenient(route.path):
        raise RequestValidationError([_error(name[:100], sorted(known)) for name in unknown])


def _error(name: str, known: list[str]) -> dict[str, Any]:
    near = nearest(name, known)
    if near is not None:
        hint = f"did you mean {near!r}?"
    else:
        hint = f"there are {', '.join(map(repr, known))}" if known else "there are none here"
    return {"loc": ("query", name), "msg": f"There is no such parameter; {hint}", "type": "extra_forbidden"}


def describe_refusals(document: dict[str, Any], lenient: Collection[str]) -> None:
    """Add to an OpenAPI document that strict routes refuse unknown parameters."""
    refusal = {str(status): answer for status, answer in problems(422).items()}
    for path, operations in document["paths"].items():
        if path not in lenient:
            for operation in operations.values():
                operation["responses"] = refusal | operation["responses"]
