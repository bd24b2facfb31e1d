"""Three favorites: recommendations from three movies, by content or by collaborative filtering."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import gradio as gr

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed
from matinee.web.shell import Page, Params, Shell, address_of, error_value, select, trouble
from matinee.web.titlebox import MAX_TITLE, box_value, find_movie, is_unknown, title_box, with_year
from matinee.web.views import make_view

ALGORITHMS = {"content": "Content Based Filtering", "collab": "Collaborative Based Filtering"}
ORDINALS = ("First", "Second", "Third")
HINTS = ("Toy Story", "Alien", "Heat")
TOP_N = 10
HEADING = "<h2>Enter Your Three Favorite Movies</h2>"


def build(shell: Shell) -> Page:
    """The page."""
    choices = [(label, name) for name, label in ALGORITHMS.items()]
    model = gr.Radio(choices, value="content", label="Select an algorithm", elem_id="favourites-model")
    gr.HTML(HEADING, elem_id="favourites-heading", apply_default_css=False)
    with gr.Row(elem_id="favourites-boxes"):
        boxes = [
            title_box(
                shell,
                f"{ORDINALS[i]} favourite",
                elem_id=f"favourite-{i + 1}",
                api_name=f"favourite_titles_{i + 1}",
                hint=HINTS[i],
            )
            for i in range(3)
        ]
    button = gr.Button("Recommend", variant="primary", elem_id="favourites-go")
    view = make_view("favourites", elem_id="favourites")

    async def favourites(
        film_1: str = "",
        film_1_id: str = "",
        film_2: str = "",
        film_2_id: str = "",
        film_3: str = "",
        film_3_id: str = "",
        model: str = "content",
    ) -> list[Any]:
        """Ten films for three favorites, each a title or an id; fewer than three do as well."""
        inputs = [(film_1, film_1_id), (film_2, film_2_id), (film_3, film_3_id)]
        values, answer, address = await _recommended(shell, inputs, _algorithm(model))
        return [*values, answer, address]

    async def restore(params: Params) -> list[Any]:
        name = _algorithm(params.get("model")) or "content"
        inputs = [("", params.get(f"film{number}", "")) for number in (1, 2, 3)]
        if not any(typed(movie_id) for _, movie_id in inputs):
            return [name, {}, {}, {}, {"items": None}]
        values, answer, _ = await _recommended(shell, inputs, name)
        return [name, *values, answer]

    shell.listen(
        button.click,
        favourites,
        take=[name for box in boxes for name in box.take],
        inputs=[model],
        outputs=[*(box.view for box in boxes), view, shell.address],
        api_name="favourites",
        last=True,
        preprocess=False,  # an unknown algorithm is reported by the page, not by Gradio
    )
    return Page("favourites", [model, *(box.view for box in boxes), view], restore)


def _algorithm(value: object) -> str | None:
    """The algorithm by its label or short name; None if unknown."""
    text = typed(value).lower()
    return next((name for name, label in ALGORITHMS.items() if text in (name, label.lower())), None)


async def _recommended(
    shell: Shell, inputs: list[tuple[str, str]], model: str | None
) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Values of the three boxes, of the view, and the address.

    Args:
        inputs: text and movie id of each box.

    Returns:
        The view's value is `{"model", "items": [film with rank], "titles", "chosen": [film], "notes": [sentence]}`, or
        an error value. `at` makes every value unique, so that it is always redrawn.
    """
    at = {"at": time.time()}
    values = [{"text": typed(text)[:MAX_TITLE], "movie_id": typed(key)[:MAX_TITLE]} for text, key in inputs]
    address = address_of("favourites", {"model": model})
    if model is None:
        hint = f"Choose {' or '.join(f'“{label}”' for label in ALGORITHMS.values())}."
        return values, at | error_value("There is no such algorithm.", hint), address_of("favourites")
    try:
        resolved = await asyncio.gather(*(_resolve(shell, text, key) for text, key in inputs))
        movies = [movie for movie, _ in resolved if movie is not None]
        notes = [note for _, note in resolved if note]
        values = [
            value if movie is None else box_value(movie) for value, (movie, _) in zip(values, resolved, strict=True)
        ]
        ids = {f"film{number}": movie["movie_id"] for number, (movie, _) in enumerate(resolved, 1) if movie is not None}
        address = address_of("favourites", {"model": model} | ids)
        if not movies:
            hint = " ".join(notes) or "Type a title into one of the boxes, and choose it from the list."
            return values, at | error_value("There is no favourite film yet.", hint), address
        call = calls.favourites(movie_ids=[movie["movie_id"] for movie in movies], model=model, top_n=TOP_N)
        [answer] = await shell.ask(call)
    except MatineeError as error:
        return values, at | trouble(error), address
    notes += _notes(answer, len(movies))
    fields = {name: answer[name] for name in ("model", "items", "titles", "fallback", "cold")}
    return values, at | fields | {"chosen": [select(movie) for movie in movies], "notes": notes}, address


async def _resolve(shell: Shell, text: object, movie_id: object) -> tuple[dict[str, Any] | None, str]:
    """The movie of a box, and a note about it.

    Raises:
        MatineeError: the core fails.
    """
    query, key = typed(text), typed(movie_id)
    shortened = query if len(query) <= 60 else query[:60] + "…"
    if len(key) > MAX_TITLE:
        return None, "An id was too long to be that of a film, and is left out."
    try:
        movie = await find_movie(shell, query, key)
    except MatineeError as error:
        if not key or not is_unknown(error):
            raise
        return None, f"There is no film with the id “{key[:60]}”; it is left out."
    if movie is None:
        return None, f"No title comes near “{shortened}”; it is left out." if query else ""
    if query and not key and query.casefold() not in (with_year(movie).casefold(), str(movie["title"]).casefold()):
        return movie, f"“{shortened}” was taken for {with_year(movie)}."
    return movie, ""


def _notes(answer: dict[str, Any], count: int) -> list[str]:
    """Notes about an answer: missing favorites and fallbacks."""
    notes = []
    if count < 3:
        more = "one more makes" if count == 2 else "two more make"
        notes.append(f"This is from {count} {'favourite' if count == 1 else 'favourites'}: {more} the list better.")
    if answer["fallback"] == "popular":
        notes.append("Nothing is known of these films yet, so here is what most people like.")
    elif answer["cold"]:
        names = " and ".join(answer["cold"])
        notes.append(f"Nobody has rated {names} yet: the content counts instead.")
    elif answer["fallback"] == "content":
        notes.append("Too little is known of who likes these films: the content counts instead.")
    return notes
