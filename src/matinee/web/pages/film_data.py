"""What the film page shows, asked of the core."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from matinee.client import Call, RefusedError, calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed
from matinee.web.shell import Shell, trouble
from matinee.web.titlebox import MAX_TITLE

ALIKE = 6
STARTERS, OTHERS = 12, 6
"""Popular films to begin with, and those of each other chart."""
CHARTS = {"trending": "Trending", "top_rated": "Top rated"}
"""Charts beside the popular films, and what they are called."""
COLUMNS = {
    "taste": ("By taste", "Liked by the same people."),
    "content": ("By content", "Same people, genres, tags and story."),
    "poster": ("By poster", "Posters that look alike."),
}
MISSING = {
    "taste": "Nobody has rated this film yet",
    "content": "Little is known of this film",
    "poster": "There is no poster to compare",
}
STANDS_IN = {"taste": "like it in content", "content": "liked by the same people", "poster": "like it in content"}


async def answered(shell: Shell, call: Call) -> Any:
    """The answer to a call, None where the core refuses it."""
    try:
        [answer] = await shell.ask(call)
    except RefusedError:
        return None
    return answer


async def film_page(shell: Shell, movie_id: str) -> dict[str, Any]:
    """The film's record, its ratings, and three lists of films that are like it.

    Returns:
        `{"film": record with links, "ratings": {"count", "mean", "histogram"} or None, "similar": [{"by", "heading",
        "about", "note", "items"}]}`; `note` says why a list is not what its heading promises.

    Raises:
        MatineeError: the film is unknown, or the core fails.
    """
    [film] = await shell.ask(calls.movie(movie_id))
    ratings, *lists = await asyncio.gather(
        answered(shell, calls.movie_ratings(movie_id)), *(_alike(shell, movie_id, by) for by in COLUMNS)
    )
    if ratings and ratings["count"]:  # a few ratings that came after the training make no taste yet
        for column in lists:
            column["note"] = column["note"].replace("Nobody has", "Too few have")
    return {"film": film | _links(film), "ratings": ratings, "similar": lists}


def unknown_film(movie_id: str) -> dict[str, Any]:
    """What the page says of an id that no film has."""
    shown = movie_id if len(movie_id) <= 40 else movie_id[:40] + "…"
    hint = "The link may be old or mistyped. Find the film by its title above."
    return {"error": {"title": f"There is no film with the id “{shown}”.", "hint": hint, "retry": False}}


async def starters(shell: Shell) -> dict[str, Any]:
    """Films to begin with, where none was asked for: `starters`, the popular ones, and other `charts`."""
    popular, *others = await shell.ask(calls.popular(n=STARTERS), *(calls.popular(by=by, n=OTHERS) for by in CHARTS))
    charts = [
        {"by": by, "heading": heading, "items": chart["items"]}
        for (by, heading), chart in zip(CHARTS.items(), others, strict=True)
    ]
    return {"starters": popular["items"], "charts": charts}


async def yours(shell: Shell, user: object, movie_id: str) -> dict[str, Any]:
    """What a film is to a visitor.

    Returns:
        `{"rating": the stars given or None, "stars": the stars expected or None, "because": titles of films that the
        visitor liked, "reason": the sentence}` and `Shell.stars`.

    Raises:
        MatineeError: the core fails.
    """
    found: dict[str, Any] = {"rating": None, "stars": None, "because": [], "reason": ""} | await shell.stars()
    if not (name := typed(user)[:MAX_TITLE]):
        return found
    try:
        [why] = await shell.ask(calls.explanation(name, movie_id))
    except RefusedError as error:
        if error.status == 404 and "unknown-user" not in str(error.problem.get("type")):
            found["rating"] = await _own_rating(shell, name, movie_id)
        return found
    reasons = [reason["title"] for reason in why.get("because") or [] if reason.get("movie_id") != movie_id]
    told = {"because": reasons[:3], "reason": why.get("reason") or ""}
    return found | {"rating": why.get("rating"), "stars": why.get("stars"), **told}


def behind(movie_id: str, **known: Any) -> dict[str, Any]:
    """What comes behind a film's page. No two are equal: Gradio would not draw the second, and its stars stay lit."""
    return {"movie_id": movie_id, **known, "at": time.time()}


async def rating_changed(
    shell: Shell, change: Callable[..., Call], user: str, movie_id: str, *stars: float
) -> dict[str, Any]:
    """Store or remove a rating (`calls.rate` or `calls.unrate`); what the page then shows anew, or its trouble."""
    try:
        try:
            await shell.ask(change(user, movie_id, *stars))
        except RefusedError as error:
            if stars or error.status != 404:  # what is to be taken back is gone already
                raise
        mine, ratings = await asyncio.gather(
            yours(shell, user, movie_id), answered(shell, calls.movie_ratings(movie_id))
        )
    except MatineeError as error:
        return behind(movie_id, trouble=trouble(error)["error"])
    return behind(movie_id, yours=mine, ratings=ratings)


async def _own_rating(shell: Shell, user: str, movie_id: str) -> float | None:
    history = await answered(shell, calls.history(user))
    for item in (history or {}).get("items") or []:
        if item.get("movie_id") == movie_id:
            return float(item["rating"])
    return None


async def _alike(shell: Shell, movie_id: str, by: str) -> dict[str, Any]:
    heading, about = COLUMNS[by]
    answer = await answered(shell, calls.similar(movie_id, by=by, n=ALIKE)) or {"items": []}
    items, note = answer["items"], ""
    if not items:
        note = f"{MISSING[by]}."
    elif answer.get("fallback"):
        note = f"{MISSING[by]}, so these are {STANDS_IN[by]}."
    return {"by": by, "heading": heading, "about": about, "note": note, "items": items}


def _links(film: dict[str, Any]) -> dict[str, str | None]:
    imdb, tmdb = str(film.get("imdb_id") or ""), str(film.get("tmdb_id") or "")
    return {
        "imdb": f"https://www.imdb.com/title/{imdb}/" if re.fullmatch(r"tt\d{1,12}", imdb, re.ASCII) else None,
        "tmdb": f"https://www.themoviedb.org/movie/{tmdb}" if re.fullmatch(r"\d{1,12}", tmdb, re.ASCII) else None,
    }
