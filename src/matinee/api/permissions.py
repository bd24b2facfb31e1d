"""Which role each route of every service needs, in one table.

A route that is not in the table needs the role admin; `tests/api/test_permissions.py` fails until it is entered. What
leads to no route at all (404, 405) needs any key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from matinee.access import Role
from matinee.data.ids import ENCODED_SLASH


class Need(NamedTuple):
    """What a request must show.

    Attributes:
        role: that its key must have; None: nothing is needed.
        of_user: whether the key of one user does: for nothing of this route (`none`), for what is that user's
            (`own`; the path names the user), or for everything (`all`).
        from_here: no key is needed on the same machine.
    """

    role: Role | None
    of_user: Literal["none", "own", "all"] = "none"
    from_here: bool = False


OPEN = Need(None)
METRICS = Need("read", from_here=True)
READ = Need("read")
CATALOG = Need("read", "all")
OWN_READ = Need("read", "own")
WRITE = Need("write")
OWN_WRITE = Need("write", "own")
ADMIN = Need("admin")
NOWHERE = CATALOG
"""What leads to no route."""

NEEDS: dict[str, Need] = {
    # Every service. The pages hold no data, and a browser that opens them cannot send a key.
    "GET /": OPEN,
    "GET /health": OPEN,
    "GET /ready": OPEN,
    "GET /docs": OPEN,
    "GET /redoc": OPEN,
    "GET /openapi.json": OPEN,
    "GET /static-docs/{file}": OPEN,
    "GET /metrics": METRICS,
    # Core: the catalog, and what asks about nobody.
    "GET /v1/movies": CATALOG,
    "GET /v1/movies/{movie_id}": CATALOG,
    "GET /v1/movies/{movie_id}/similar": CATALOG,
    "GET /v1/movies/{movie_id}/ratings": CATALOG,
    "GET /v1/movies/{movie_id}/poster": CATALOG,
    "GET /v1/titles": CATALOG,
    "GET /v1/search": CATALOG,
    "GET /v1/people": CATALOG,
    "GET /v1/popular": CATALOG,
    "GET /v1/map": CATALOG,
    "GET /v1/models": CATALOG,
    "POST /v1/posters/search": CATALOG,
    "POST /v1/recommendations": CATALOG,
    "PUT /v1/movies/{movie_id}": WRITE,
    "PATCH /v1/movies/{movie_id}": WRITE,
    "DELETE /v1/movies/{movie_id}": WRITE,
    "PUT /v1/movies/{movie_id}/poster": WRITE,
    "DELETE /v1/movies/{movie_id}/poster": WRITE,
    # Core: users.
    "GET /v1/users": READ,
    "GET /v1/users/{user_id}": OWN_READ,
    "DELETE /v1/users/{user_id}": ADMIN,
    "GET /v1/users/{user_id}/ratings": OWN_READ,
    "PUT /v1/users/{user_id}/ratings/{movie_id}": OWN_WRITE,
    "DELETE /v1/users/{user_id}/ratings/{movie_id}": OWN_WRITE,
    "POST /v1/users/{user_id}/import": OWN_WRITE,
    "GET /v1/users/{user_id}/export": OWN_READ,
    "GET /v1/users/{user_id}/states": OWN_READ,
    "POST /v1/users/{user_id}/states": OWN_WRITE,
    "POST /v1/users/{user_id}/claim": OWN_WRITE,
    "POST /v1/recommendations/group": READ,
    "PUT /v1/users/{user_id}/states/{state}/{movie_id}": OWN_WRITE,
    "DELETE /v1/users/{user_id}/states/{state}/{movie_id}": OWN_WRITE,
    "GET /v1/users/{user_id}/recommendations": OWN_READ,
    "GET /v1/users/{user_id}/explanations/{movie_id}": OWN_READ,
    "GET /v1/users/{user_id}/neighbors": READ,
    "POST /v1/ratings": WRITE,
    "POST /v1/imports": ADMIN,
    "GET /v1/imports/{key}": WRITE,
    # Core: the whole of it.
    "GET /v1/statistics": READ,
    "GET /v1/report": READ,
    "GET /v1/runs": READ,
    "GET /v1/runs/{run_id}": READ,
    "GET /v1/experiments": ADMIN,
    "POST /v1/experiments": ADMIN,
    "GET /v1/experiments/{experiment}": ADMIN,
    "POST /v1/experiments/{experiment}/stop": ADMIN,
    "GET /v1/experiments/{experiment}/logged": ADMIN,
    "GET /v1/experiments/{experiment}/arms/{arm}/lists/{user_id}": ADMIN,
    "GET /v1/snapshots": READ,
    "POST /v1/snapshots/{snapshot_id}/promote": ADMIN,
    "POST /v1/snapshots/rollback": ADMIN,
    # Core: classic routes, at the root and below /classic.
    "GET /recommendations/{user_id}": OWN_READ,
    "GET /feature/{user_id}": OWN_READ,
    "GET /recommendations": READ,
    "GET /features": READ,
    "POST /update_ratings": WRITE,
    "POST /update_movie": WRITE,
    "POST /favourites": CATALOG,
    "POST /recommendation": CATALOG,
    # Recommender.
    "POST /recommend": READ,
    "POST /v1/scores": READ,
    "POST /v1/contributions": READ,
    "POST /v1/user-factors": READ,
    # Vectors.
    "POST /reco": READ,
    "POST /search": READ,
    "POST /vectors": READ,
    "GET /spaces": READ,
    "GET /items": READ,
    "GET /items/{item}": READ,
    "GET /items/{item}/poster": READ,
    "POST /items": WRITE,
    "PUT /items/{item}": WRITE,
    "DELETE /items/{item}": WRITE,
    "POST /delete": WRITE,
    # Encoder.
    "POST /generate": READ,
    "POST /embed": READ,
    "GET /encoders": READ,
}

_CLASSIC = re.compile(r"/classic(?:/titles)?(?=/|$)")


def _pattern(template: str, parameter: str = "", group: str = "") -> str:
    """The regular expression of a path's template; the parameter of this name becomes the group."""
    parts = re.split(r"\{(\w+)\}", template)
    several = {parameter: group, "file": ".+"}
    return "".join(several.get(part, "[^/]+") if i % 2 else re.escape(part) for i, part in enumerate(parts))


def plain(template: str) -> str:
    """A route's template as in the table: without the prefixes of classic routes, and a slash at the end."""
    without = _CLASSIC.sub("", template, count=1)
    return without.removesuffix("/") or "/"


class Permissions:
    """Finds what a request needs.

    Args:
        exists: whether a method and a path lead to a route; asked for what is not in the table.
    """

    def __init__(self, exists: Callable[[str, str], bool]) -> None:
        self._exists = exists
        self._templates = list(dict.fromkeys(key.partition(" ")[2] for key in NEEDS))
        self.of = lru_cache(maxsize=4096)(self._of)
        # The table's templates as alternatives of one pattern, each a group. `snapshots/rollback` is none of
        # `snapshots/{snapshot_id}/promote`, and so on: at most one matches.
        self._all = re.compile("|".join(f"({_pattern(template)})" for template in self._templates))
        self._user = {
            template: re.compile(_pattern(template, "user_id", "([^/]+)"))
            for template in self._templates
            if "{user_id}" in template
        }

    def _of(self, method: str, path: str) -> tuple[Need, str | None]:
        """What a request needs, and the template of its route in the table (None: it is not there)."""
        match = self._all.fullmatch(plain(path))
        template = self._templates[match.lastindex - 1] if match and match.lastindex else None
        need = NEEDS.get(f"{'GET' if method == 'HEAD' else method} {template}") if template else None
        if need is not None:
            return need, template
        return (ADMIN if self._exists(method, path) else NOWHERE), None

    def user_of(self, template: str, path: str) -> str | None:
        """The user that a path names; None: it names none."""
        pattern = self._user.get(template)
        match = pattern.fullmatch(plain(path)) if pattern else None
        return match[1].replace(ENCODED_SLASH, "/") if match else None
