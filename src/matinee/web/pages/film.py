"""The film page: poster, facts, ratings, your stars, and similar movies."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from matinee.client import Call, RefusedError, calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed
from matinee.web.pages.foryou.options import user_name
from matinee.web.shell import Page, Params, Shell, address_of, error_value, trouble
from matinee.web.titlebox import MAX_TITLE, box_value, find_movie, is_unknown, title_box, with_year
from matinee.web.views import make_view

ALIKE = 6
STARTERS, OTHERS = 12, 6
"""Number of popular movies on the empty page, and of movies in each other chart."""
CHARTS = ("trending", "top_rated")
"""Other charts."""
COLUMNS = ("taste", "content", "poster")
"""Likenesses, a column each."""
PLOTS = ("embedding", "tfidf")
"""How plots can be compared, the first shown first."""
INCOMPLETE = error_value(
    "This rating is not complete.", "Give the id of a user, the id of a film, and stars as a number."
)["error"]


async def answer_or_none(shell: Shell, call: Call) -> Any:
    """The answer to a call; None if the core rejects it."""
    try:
        [answer] = await shell.ask(call)
    except RefusedError:
        return None
    return answer


async def movie_page(shell: Shell, movie_id: str) -> dict[str, Any]:
    """The movie's record, its ratings, and lists of similar movies.

    Returns:
        `{"film": record with links, "ratings": {"count", "mean", "histogram"} or None, "similar": [{"by", "note_key",
        "items"}]}`; `note_key` names what explains a list that is empty or from a fallback (`film.note.…` in
        `web/strings`). A list for each method that knows the movie's plot follows, with its `method`.

    Raises:
        MatineeError: the movie is unknown, or the core fails.
    """
    [movie] = await shell.ask(calls.movie(movie_id))
    ratings, plots, *answers = await asyncio.gather(
        answer_or_none(shell, calls.movie_ratings(movie_id)),
        _similar_plots(shell, movie),
        *(_similar(shell, movie_id, by) for by in COLUMNS),
    )
    rated = bool(ratings and ratings["count"])
    columns = [_column(by, movie_id, answer, rated) for by, answer in zip(COLUMNS, answers, strict=True)]
    return {"film": movie | _links(movie), "ratings": ratings, "similar": [*columns, *plots]}


def unknown_movie(movie_id: str) -> dict[str, Any]:
    """The error value for an unknown id."""
    shortened = movie_id if len(movie_id) <= 40 else movie_id[:40] + "…"
    hint = "The link may be old or mistyped. Find the film by its title above."
    return error_value(f"There is no film with the id “{shortened}”.", hint, kind="unknown-movie")


async def starters(shell: Shell) -> dict[str, Any]:
    """Movies of the empty page: `starters`, the popular ones, and other `charts`."""
    popular, *others = await shell.ask(calls.popular(n=STARTERS), *(calls.popular(by=by, n=OTHERS) for by in CHARTS))
    charts = [{"by": by, "items": chart["items"]} for by, chart in zip(CHARTS, others, strict=True)]
    return {"starters": popular["items"], "charts": charts}


async def yours(shell: Shell, user: object, movie_id: str) -> dict[str, Any]:
    """A visitor's rating of a movie, and the predicted stars with reasons.

    Returns:
        `{"rating": the visitor's stars or None, "stars": the predicted stars or None, "because": titles of movies that
        the visitor liked, "reason": the sentence}` and `Shell.stars`.

    Raises:
        MatineeError: the core fails.
    """
    value: dict[str, Any] = {"rating": None, "stars": None, "because": [], "reason": ""} | await shell.stars()
    if not (name := typed(user)[:MAX_TITLE]):
        return value
    try:
        [why] = await shell.ask(calls.explanation(name, movie_id))
    except RefusedError as error:
        if error.status == 404 and "unknown-user" not in str(error.problem.get("type")):
            value["rating"] = await _own_rating(shell, name, movie_id)
        return value
    titles = [reason["title"] for reason in why.get("because") or [] if reason.get("movie_id") != movie_id]
    reasons = {"because": titles[:3], "reason": why.get("reason") or ""}
    return value | {"rating": why.get("rating"), "stars": why.get("stars"), **reasons}


def update(movie_id: str, **values: Any) -> dict[str, Any]:
    """An update of the film page. The time makes it unique, because Gradio does not redraw equal values."""
    return {"movie_id": movie_id, **values, "at": time.time()}


async def rating_changed(
    shell: Shell, change: Callable[..., Call], user: object, movie_id: object, *stars: object
) -> dict[str, Any]:
    """Store or delete a rating (`calls.rate` or `calls.unrate`). Returns the update of the page, or an error."""
    key, name = typed(movie_id)[:MAX_TITLE], typed(user)[:MAX_TITLE]
    if not key or not name or any(isinstance(one, bool) or not isinstance(one, int | float) for one in stars):
        return update(key, trouble=INCOMPLETE)
    try:
        try:
            await shell.ask(change(user_name(name), key, *stars))
        except RefusedError as error:
            if stars or error.status != 404:  # 404: the rating is deleted already
                raise
        mine, ratings = await asyncio.gather(yours(shell, name, key), answer_or_none(shell, calls.movie_ratings(key)))
    except MatineeError as error:
        return update(key, trouble=trouble(error)["error"])
    return update(key, yours=mine, ratings=ratings)


async def _own_rating(shell: Shell, user: str, movie_id: str) -> float | None:
    history = await answer_or_none(shell, calls.history(user))
    for item in (history or {}).get("items") or []:
        if item.get("movie_id") == movie_id:
            return float(item["rating"])
    return None


async def _similar(shell: Shell, movie_id: str, by: str) -> dict[str, Any]:
    asked = "look" if by == "poster" else by
    return await answer_or_none(shell, calls.similar(movie_id, by=asked, n=ALIKE)) or {"items": []}


def _column(by: str, movie_id: str, answer: dict[str, Any], rated: bool) -> dict[str, Any]:
    """A list as the page takes it; see `movie_page`."""
    # Another row of the same film may have the same poster; a film is not like itself.
    items, key = [item for item in answer["items"] if item["movie_id"] != movie_id], ""
    if not items or answer.get("fallback"):
        # A few ratings after training are not enough for a taste vector.
        key = f"{by}{'.few' if by == 'taste' and rated else ''}{'.instead' if items else ''}"
    return {"by": by, "note_key": key, "items": items}


async def _similar_plots(shell: Shell, movie: dict[str, Any]) -> list[dict[str, Any]]:
    """A list for each method that knows the movie's plot."""
    if not movie.get("overview"):
        return []
    movie_id = str(movie["movie_id"])
    some = (calls.similar(movie_id, by="plot", method=method, n=ALIKE) for method in PLOTS)
    answers = await asyncio.gather(*(answer_or_none(shell, call) for call in some))
    return [
        {"by": "plot", "method": answer["method"], "items": answer["items"]}
        for answer in answers
        if answer and answer.get("method") and answer["items"]
    ]


def _links(movie: dict[str, Any]) -> dict[str, str | None]:
    imdb, tmdb = str(movie.get("imdb_id") or ""), str(movie.get("tmdb_id") or "")
    title = str(movie["title"])
    return {
        "justwatch": "https://www.justwatch.com/us/search?" + urlencode({"q": title}),
        "trailer": "https://www.youtube.com/results?" + urlencode({"search_query": f"{with_year(movie)} trailer"}),
        "imdb": f"https://www.imdb.com/title/{imdb}/" if re.fullmatch(r"tt\d{1,12}", imdb, re.ASCII) else None,
        "tmdb": f"https://www.themoviedb.org/movie/{tmdb}" if re.fullmatch(r"\d{1,12}", tmdb, re.ASCII) else None,
    }


def build(shell: Shell) -> Page:  # noqa: C901 - one function for each event of the page
    """The page."""
    box = title_box(shell, "Find a film", elem_id="film-box", api_name="film_titles", hint="Alien")
    view = make_view("film", events=["greet", "rate", "unrate"], elem_id="film")

    async def page_of(movie_id: str) -> list[Any]:
        """The box and the view for an id."""
        try:
            value = await movie_page(shell, movie_id)
            return [box_value(value["film"]), value]
        except MatineeError as error:
            return [{}, unknown_movie(movie_id) if is_unknown(error) else trouble(error)]

    async def film(text: str, movie_id: str) -> list[Any]:
        try:
            match = await find_movie(shell, text, movie_id)
        except MatineeError as error:
            return [{"text": typed(text)[:MAX_TITLE]}, trouble(error), address_of("film")]
        if match is None:
            return [{"text": typed(text)[:MAX_TITLE]}, await nothing_found(text), address_of("film")]
        return [*await page_of(str(match["movie_id"])), address_of("film", {"film": match["movie_id"]})]

    async def nothing_found(text: object) -> dict[str, Any]:
        if not typed(text):
            try:
                return await starters(shell)
            except MatineeError as error:
                return trouble(error)
        return error_value("No title comes near this.", "Check the spelling, or type fewer words.", kind="no-title")

    async def film_yours(user: str, movie_id: str) -> dict[str, Any]:
        key = typed(movie_id)[:MAX_TITLE]
        try:
            return update(key, yours=await yours(shell, user, key))
        except MatineeError as error:
            return update(key, trouble=trouble(error)["error"])

    async def rate_film(user: str, movie_id: str, stars: float) -> dict[str, Any]:
        return await rating_changed(shell, calls.rate, user, movie_id, stars)

    async def unrate_film(user: str, movie_id: str) -> dict[str, Any]:
        return await rating_changed(shell, calls.unrate, user, movie_id)

    async def restore(params: Params) -> list[Any]:
        if movie_id := typed(params.get("film"))[:MAX_TITLE]:
            return await page_of(movie_id)
        return [{}, await nothing_found("")]

    names = ["user", "film_id"]
    shell.listen(box.view.settle, film, take=box.take, outputs=[box.view, view, shell.address], api_name="film")
    shell.listen(view.greet, film_yours, take=names, outputs=[view], api_name="film_yours", last=True)
    shell.listen(view.rate, rate_film, take=[*names, "stars"], outputs=[view], api_name="rate_film", every=True)
    shell.listen(view.unrate, unrate_film, take=names, outputs=[view], api_name="unrate_film", every=True)
    return Page("film", [box.view, view], restore)
