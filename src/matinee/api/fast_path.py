"""The short way for the request that is asked most, `GET /v1/users/{user_id}/recommendations`.

FastAPI takes some tenths of a millisecond to route, resolve and check a request: half of what the whole list costs.
A request in the plain form, with `n` and `model` at most, is read here instead. Whatever else a request says or gets
wrong goes the ordinary way, where it is checked, and answered with the same bytes or a problem document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from matinee.api.render import answer_record, dumps
from matinee.data.ids import USER_ID
from matinee.engine import Engine
from matinee.engine.types import Request as Options

ROUTE = "/v1/users/{user_id}/recommendations"
_PATH = re.compile(r"/v1/users/([^/]{1,64})/recommendations")
_QUERY = re.compile(rb"(?:n=([1-9]\d{0,2}|1000))?(?:(?(1)&)model=([A-Za-z0-9_-]{1,100}))?")
_ID = re.compile(USER_ID)

Work = Callable[[], tuple[bytes, bool]]
"""Gives an answer's bytes, and whether they may be kept."""


class Plan(NamedTuple):
    """What a plain request asks for."""

    user_id: str
    work: Work
    heavy: bool


def is_heavy(options: Options, metadata: bool = False) -> bool:
    """Whether an answer with these options surely takes more than a millisecond or two."""
    return options.explain or metadata or options.diversity > 0 or options.n > 100 or bool(options.filter)


def recommend_work(engine: Engine, user_id: str, options: Options, metadata: bool = False) -> Work:
    """Computes a recommendation's bytes."""

    def work() -> tuple[bytes, bool]:
        answer = engine.recommend(user_id, options)
        # What depends on everybody's ratings, as the popular films do, the version of one user does not tell; and
        # nothing tells when a film gets a poster, of which the metadata speak.
        return dumps(answer_record(engine, answer, metadata)), not answer.volatile and not metadata

    return work


def plan(engine: Engine, path: str, query: bytes) -> Plan | None:
    """How to answer a plain request, None for every other."""
    found, asked = _PATH.fullmatch(path), _QUERY.fullmatch(query)
    if found is None or asked is None or _ID.fullmatch(found[1]) is None:
        return None
    n, model = asked.groups()
    options = Options(n=int(n) if n else 10, model=model.decode() if model else None)
    return Plan(found[1], recommend_work(engine, found[1], options), is_heavy(options))
