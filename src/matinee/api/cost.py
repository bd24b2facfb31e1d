"""What a request costs, told by its method, path and query: the queue that it takes (`admission`), and whether its work
takes a thread (`fast_path`). One table and one rule for both.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Cost = Literal["light", "list", "heavy", "write", "import", "stream"]
"""light: a look-up. list: milliseconds. heavy: tens or hundreds of milliseconds. write: one small transaction.
import: a body of many rows, or a picture. stream: a body without end, whose transactions take turns with imports."""
COSTS: tuple[Cost, ...] = get_args(Cost)
MANY = 100
"""Items in a list, at most, for it not to be heavy."""
STREAM_PATH = "/v1/imports"
"""Its POST is answered while its body is read."""

ROUTES: dict[str, Cost | Literal["free", "by query"]] = {
    # What operators ask an overloaded service: never refused.
    "GET /health": "free",
    "GET /ready": "free",
    "GET /metrics": "free",
    "GET /v1/users/{user_id}/recommendations": "by query",
    "GET /v1/movies/{movie_id}/similar": "by query",
    "GET /v1/search": "by query",
    "GET /v1/people": "by query",
    "POST /v1/recommendations": "heavy",
    "POST /v1/recommendations/group": "heavy",
    "POST /v1/posters/search": "heavy",
    "GET /v1/popular": "heavy",
    "GET /v1/map": "heavy",
    "GET /v1/statistics": "heavy",
    "GET /v1/report": "heavy",
    "GET /v1/movies/{movie_id}/ratings": "heavy",
    "GET /v1/users/{user_id}/neighbors": "heavy",
    "GET /v1/experiments/{experiment}": "heavy",
    "GET /v1/experiments/{experiment}/logged": "heavy",
    "GET /v1/experiments/{experiment}/arms/{arm}/lists/{user_id}": "by query",
    "GET /v1/users/{user_id}/explanations/{movie_id}": "heavy",
    "GET /v1/movies": "list",
    "GET /v1/users": "list",
    "GET /v1/titles": "list",
    "GET /v1/movies/{movie_id}": "light",
    "GET /v1/movies/{movie_id}/poster": "light",
    "GET /v1/users/{user_id}": "light",
    "GET /v1/users/{user_id}/ratings": "light",
    "GET /v1/users/{user_id}/export": "light",
    "GET /v1/users/{user_id}/states": "light",
    "GET /v1/imports/{key}": "light",
    "GET /v1/models": "light",
    "GET /v1/snapshots": "light",
    "GET /v1/runs": "light",
    "GET /v1/runs/{run_id}": "light",
    "GET /v1/experiments": "light",
    "POST /v1/experiments": "write",
    "POST /v1/experiments/{experiment}/stop": "write",
    "PUT /v1/movies/{movie_id}": "write",
    "PATCH /v1/movies/{movie_id}": "write",
    "DELETE /v1/movies/{movie_id}": "write",
    "DELETE /v1/movies/{movie_id}/poster": "write",
    "DELETE /v1/users/{user_id}": "write",
    "PUT /v1/users/{user_id}/ratings/{movie_id}": "write",
    "DELETE /v1/users/{user_id}/ratings/{movie_id}": "write",
    "PUT /v1/users/{user_id}/states/{state}/{movie_id}": "write",
    "DELETE /v1/users/{user_id}/states/{state}/{movie_id}": "write",
    "POST /v1/snapshots/{snapshot_id}/promote": "write",
    "POST /v1/snapshots/rollback": "write",
    "POST /v1/ratings": "import",
    "POST /v1/users/{user_id}/import": "import",
    "POST /v1/users/{user_id}/states": "import",
    "POST /v1/users/{user_id}/claim": "import",
    "PUT /v1/movies/{movie_id}/poster": "import",
    f"POST {STREAM_PATH}": "stream",
    # Classic routes, also below /classic, and with a slash at their end.
    "GET /recommendations/{user_id}": "by query",
    "GET /recommendations": "by query",
    "GET /feature/{user_id}": "light",
    "GET /features": "light",
    "POST /recommendation": "heavy",
    "POST /favourites": "heavy",
    "POST /update_ratings": "write",
    "POST /update_movie": "write",
}
"""Cost by method and path, of every route in the OpenAPI document; "by query" is a list, or heavy (`is_heavy`)."""

_PAGES = re.compile(r"/(?:docs|redoc|openapi\.json|static-docs/.*|classic/?|classic/titles/?)?")
_CLASSIC = re.compile(r"/classic(?:/titles)?(?=/)")
_BY_GROUP = {f"c{number}": cost for number, cost in enumerate(ROUTES.values())}
_ROUTE = re.compile(
    "|".join(
        f"(?P<{group}>{re.sub(r'{[a-z_]+}', '[^/]+', route)}{'' if '/v1/' in route else '/?'})"
        for group, route in zip(_BY_GROUP, ROUTES, strict=True)
    )
)
_COUNT = re.compile(rb"(?:^|&)(?:n|topN|top_n)=0*(\d+)")
_DIVERSITY = re.compile(rb"(?:^|&)diversity=(?!0(?:\.0*)?(?:&|$))")
_FLAG = rb"(?:^|&)%s=(?!false|0)"
_EXPLAIN, _METADATA = re.compile(_FLAG % b"explain"), re.compile(_FLAG % b"(?:return)?[mM]etadata")
_FILTER = re.compile(rb"(?:^|&)filter=[^&]")


def is_heavy(n: int, *, explain: bool, metadata: bool, diverse: bool, filtered: bool) -> bool:
    """Whether a list surely takes more than a millisecond or two."""
    return n > MANY or explain or metadata or diverse or filtered


def is_heavy_query(query: bytes) -> bool:
    """`is_heavy` of a list's query, which need not be valid."""
    count = _COUNT.search(query)
    return is_heavy(
        0 if count is None else MANY + 1 if len(count[1]) > 6 else int(count[1]),
        explain=bool(_EXPLAIN.search(query)),
        metadata=bool(_METADATA.search(query)),
        diverse=bool(_DIVERSITY.search(query)),
        filtered=bool(_FILTER.search(query)),
    )


def cost_of(method: str, path: str, query: bytes) -> Cost | None:
    """What a request costs, by its looks; None: it never waits.

    What no route answers costs little, and is answered 404 or 405 in its turn.
    """
    method = "GET" if method == "HEAD" else method
    found = _ROUTE.fullmatch(f"{method} {_CLASSIC.sub('', path, count=1)}")
    if found is None:
        return None if method == "GET" and _PAGES.fullmatch(path) else "light" if method == "GET" else "write"
    assert found.lastgroup is not None
    cost = _BY_GROUP[found.lastgroup]
    if cost == "by query":
        return "heavy" if is_heavy_query(query) else "list"
    return None if cost == "free" else cost
