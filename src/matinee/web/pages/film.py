"""The film page: poster, facts, ratings, your stars, and similar movies."""

from __future__ import annotations

from typing import Any

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed
from matinee.web.pages.film_data import film_page, rating_changed, starters, unknown_film, update, yours
from matinee.web.shell import Page, Params, Shell, address_of, trouble
from matinee.web.titlebox import MAX_TITLE, chosen, film_meant, is_unknown, title_box
from matinee.web.views import make_view


def build(shell: Shell) -> Page:  # noqa: C901 - one function for each event of the page
    """The page."""
    box = title_box(shell, "Find a film", elem_id="film-box", api_name="film_titles", hint="Alien")
    view = make_view("film", events=["greet", "rate", "unrate"], elem_id="film")

    async def page_of(movie_id: str) -> list[Any]:
        """The box and the view for an id."""
        try:
            value = await film_page(shell, movie_id)
            return [chosen(value["film"]), value]
        except MatineeError as error:
            return [{}, unknown_film(movie_id) if is_unknown(error) else trouble(error)]

    async def film(text: str, movie_id: str) -> list[Any]:
        try:
            match = await film_meant(shell, text, movie_id)
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
        title = "No title comes near this."
        return {"error": {"title": title, "hint": "Check the spelling, or type fewer words.", "retry": False}}

    async def film_yours(user: str, movie_id: str) -> dict[str, Any]:
        key = typed(movie_id)[:MAX_TITLE]
        try:
            return update(key, yours=await yours(shell, user, key))
        except MatineeError as error:
            return update(key, trouble=trouble(error)["error"])

    async def rate_film(user: str, movie_id: str, stars: float) -> dict[str, Any]:
        key, name = typed(movie_id)[:MAX_TITLE], typed(user)[:MAX_TITLE]
        if not key or not name or isinstance(stars, bool) or not isinstance(stars, int | float):
            return update(key, trouble=incomplete())
        return await rating_changed(shell, calls.rate, name, key, stars)

    async def unrate_film(user: str, movie_id: str) -> dict[str, Any]:
        key, name = typed(movie_id)[:MAX_TITLE], typed(user)[:MAX_TITLE]
        if not key or not name:
            return update(key, trouble=incomplete())
        return await rating_changed(shell, calls.unrate, name, key)

    def incomplete() -> dict[str, Any]:
        hint = "Give the id of a user, the id of a film, and stars as a number."
        return {"title": "This rating is not complete.", "hint": hint, "retry": False}

    async def restore(params: Params) -> list[Any]:
        if movie_id := typed(params.get("film"))[:MAX_TITLE]:
            return await page_of(movie_id)
        return [{}, await nothing_found("")]

    one = ["user", "film_id"]
    shell.listen(box.view.settle, film, take=box.take, outputs=[box.view, view, shell.address], api_name="film")
    shell.listen(view.greet, film_yours, take=one, outputs=[view], api_name="film_yours", last=True)
    shell.listen(view.rate, rate_film, take=[*one, "stars"], outputs=[view], api_name="rate_film", every=True)
    shell.listen(view.unrate, unrate_film, take=one, outputs=[view], api_name="unrate_film", every=True)
    return Page("film", [box.view, view], restore)
