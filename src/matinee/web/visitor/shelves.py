"""The rows of the first page: which there are for a user, and the films of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from matinee.client import AsyncClient, calls
from matinee.errors import InvalidInputError
from matinee.web.pages.foryou.filter import quoted
from matinee.web.visitor.facets import Facets
from matinee.web.visitor.marks import history, in_state

SIZE = 20
ALL = 60
"""Films of the one list that filters give."""
LOVED = 2
"""Rows of films like one that the user loved."""
OLDEST, NEWEST = 1930, 1990
"""Decades that make a row."""
DEFAULT_DECADE = 1970
LEAST = 6
"""Films of the sample in a language that make a row."""
SHORT = 95
"""Minutes of a short film, at most."""
NEAR, K = 60, 60
"""Films near one in content that a row like it chooses from, and the constant of reciprocal rank fusion."""
NEW_TO_YOU = {"adventurous": 1.0, "diversity": 0.3}
KINDS = ("for-you", "watchlist", "because", "new", "decade", "language", "short", "genre")


def loved(rated: Sequence[dict[str, Any]], most: int = LOVED) -> list[dict[str, Any]]:
    """The films that a user rated best, of equal ones the newest first."""
    if not rated:
        return []
    mean = sum(row["rating"] for row in rated) / len(rated)
    best = sorted(rated, key=lambda row: -row["rating"])  # stable: the history has the newest first
    return [row for row in best if row["rating"] >= mean][:most]


async def plan(facets: Facets, rated: Sequence[dict[str, Any]], watchlist: int) -> list[dict[str, Any]]:
    """The rows for a user, in their order: `{"kind", "value", "name"}`.

    Raises:
        MatineeError: the core fails.
    """
    values = await facets.values()
    rows: list[dict[str, Any]] = [{"kind": "for-you"}]
    if watchlist:
        rows.append({"kind": "watchlist"})
    because = [{"kind": "because", "value": row["movie_id"], "name": row["title"]} for row in loved(rated)]
    rows += [*because[:1], {"kind": "new"}, *because[1:]]
    known = {movie["movie_id"]: movie for movie in await facets.movies()}
    liked = [known[row["movie_id"]] for row in loved(rated, len(rated)) if row["movie_id"] in known]
    if decade := _decade(liked, values["decades"]):
        rows.append({"kind": "decade", "value": str(decade), "name": str(decade)})
    if language := await facets.rarer_language(LEAST):
        rows.append({"kind": "language", "value": language, "name": language})
    if values["runtimes"]:
        rows.append({"kind": "short"})
    genres = Counter(genre for movie in liked for genre in movie["genres"]).most_common(2)
    rows += [{"kind": "genre", "value": genre, "name": genre} for genre, _ in reversed(genres)]
    return [{"value": "", "name": ""} | row for row in rows]


def _decade(liked: list[dict[str, Any]], decades: list[int]) -> int | None:
    """The decade before 2000 that a user likes most; else the seventies."""
    fit = [decade for decade in decades if OLDEST <= decade <= NEWEST]
    counts = Counter(movie["year"] // 10 * 10 for movie in liked if movie.get("year"))
    best = max(fit, key=lambda decade: (counts[decade], decade == DEFAULT_DECADE), default=None)
    return best if best is not None and (counts[best] or DEFAULT_DECADE not in fit) else DEFAULT_DECADE if fit else None


def clause(kind: str, value: str) -> str:
    """What a row adds to the filter; "" for none."""
    if kind == "decade":
        if not value.isdigit():
            raise InvalidInputError(f"{value[:40]!r} is no decade.", "Give its first year, such as 1970.")
        return f"decade = {int(value)}"
    if kind == "short":
        return f"runtime <= {SHORT}"
    return f"{kind} = {quoted(value)}" if kind in ("language", "genre") else ""


def joined(*clauses: str) -> str:
    """Clauses joined by `and`; those with `or` in parentheses."""
    return " and ".join(f"({one})" if len(clauses) > 1 and " or " in one.lower() else one for one in clauses if one)


async def shelf(
    core: AsyncClient, user: str, kind: str, value: str, filter: str = "", *, states: bool = False, n: int = SIZE
) -> dict[str, Any]:
    """The films of a row.

    Args:
        kind: of `KINDS`.
        value: id of a movie, decade, language or genre.
        filter: in the filter language, besides.
        states: whether the core knows states.

    Raises:
        InvalidInputError: there is no such row.
        MatineeError: the core fails.
    """
    if kind == "watchlist":
        rows = await in_state(core, user, "watchlist", 100) if states else []
        rated = {row["movie_id"] for row in await history(core, user)}
        return {"items": [row for row in rows if row["movie_id"] not in rated]}
    if kind == "because":
        return await _like(core, user, value, filter, n)
    if kind not in KINDS:
        raise InvalidInputError(f"There is no row {kind[:40]!r}.", f"Choose of {', '.join(KINDS)}.")
    options: dict[str, Any] = NEW_TO_YOU if kind == "new" else {}
    narrowed = joined(filter, clause(kind, value))
    answer = await core.send(calls.recommendations(user, n=n, filter=narrowed, explain=True, **options))
    return {"items": answer["items"], "fallback": answer.get("fallback")}


async def _like(core: AsyncClient, user: str, movie_id: str, filter: str, n: int) -> dict[str, Any]:
    """Films like one for a user: those nearest in content, by their place there and by the user's taste.

    Both places count by reciprocal rank. The taste space alone puts films beside each other that the same people saw in
    the same year ("The Mask" beside "Tombstone"); what is known, seen or not wanted, recommendations leave out.
    """
    near = await _near(core, movie_id, filter, "content") or await _near(core, movie_id, filter, "blend")
    if not near:
        return {"items": []}
    among = f"movie_id in ({', '.join(quoted(one) for one in near)})"
    answer = await core.send(calls.recommendations(user, n=len(near), filter=among))
    places = {near_id: place for place, near_id in enumerate(near)}
    items = [(1 / (K + rank) + 1 / (K + places[item["movie_id"]]), item) for rank, item in enumerate(answer["items"])]
    return {"items": [item for _, item in sorted(items, key=lambda pair: -pair[0]) if item["movie_id"] != movie_id][:n]}


async def _near(core: AsyncClient, movie_id: str, filter: str, by: str) -> list[str]:
    answer = await core.send(calls.similar(movie_id, by=by, n=NEAR, filter=filter))
    return [item["movie_id"] for item in answer["items"]]
