"""The title box: a text field with completion of titles, tolerating typos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import typed
from matinee.web.shell import Shell, select, trouble
from matinee.web.views import make_view

SUGGESTIONS = 8
MAX_TITLE = 300
"""Maximum length of a title. The longest in MovieLens has 158 characters."""

MIN_SCORE = 0.5
"""Minimum score of a title search for a match; below it, movies are only suggested."""


@dataclass(frozen=True)
class TitleBox:
    """A text field with completion of titles.

    Attributes:
        view: the component. Its events:
            `complete`: the text has changed (handled by the box itself);
            `choose`: a movie was chosen from the list;
            `submit`: Enter without a choice, with any text;
            `settle`: after either of the two.
            `restore` of a page sets it with a value `{"text": "Alien (1979)", "movie_id": "1214"}`; `{}` clears it.
        take: names of the box's values, for `shell.listen(…, take=box.take)`: the text, and the id of the chosen movie
            ("" if it was only typed). Both are None before the box was first drawn.
    """

    view: gr.HTML
    take: tuple[str, str]


def title_box(shell: Shell, label: str, *, elem_id: str, api_name: str, hint: str = "") -> TitleBox:
    """Add a title box to the current layout.

    Args:
        label: label of the box, also for screen readers.
        elem_id: id of the component; its names in `matinee.args` are `<elem_id>_text` and `<elem_id>_movie_id`.
        api_name: endpoint of the completion: text → `{"for": text, "options": [{"movie_id", "title", "year"}]}`.
        hint: placeholder, for example "Alien".
    """
    view = make_view(
        "titlebox",
        events=["complete", "choose", "submit", "settle"],
        label=label,
        show_label=False,
        elem_id=elem_id,
        elem_classes=["title-box"],
        box=elem_id,
        hint=hint,
    )
    take = (f"{elem_id}_text", f"{elem_id}_movie_id")

    async def complete(text: str) -> dict[str, Any]:
        return await completion(shell, text)

    shell.listen(view.complete, complete, take=take[:1], outputs=[view], api_name=api_name, last=True)
    return TitleBox(view, take)


async def completion(shell: Shell, text: object) -> dict[str, Any]:
    """Movies with similar titles: `{"for": text, "options": [...]}`, with a `note` on errors."""
    query = typed(text)
    answer: dict[str, Any] = {"for": query[:MAX_TITLE], "options": []}
    if len(query) > MAX_TITLE:
        return answer | {"note": "This is longer than any title."}
    if not query:
        return answer
    try:
        [hits] = await shell.ask(calls.search(query, by="title", n=SUGGESTIONS))
    except MatineeError as error:
        return answer | {"note": trouble(error)["error"]["title"]}
    return answer | {"options": [select(item) for item in hits["items"]]}


async def find_movie(shell: Shell, text: object, movie_id: object) -> dict[str, Any] | None:
    """The movie of a title box: the chosen one, else the best match of the text.

    Returns:
        A record with at least `movie_id`, `title` and `year`; None if the box is empty or no title matches.

    Raises:
        MatineeError: the core fails, or the id is unknown.
    """
    if key := typed(movie_id)[:MAX_TITLE]:
        [movie] = await shell.ask(calls.movie(key))
        return dict(movie)
    query = typed(text)
    if not query or len(query) > MAX_TITLE:
        return None
    [hits] = await shell.ask(calls.search(query, by="title", n=1))
    items = [item for item in hits["items"] if item["score"] >= MIN_SCORE]
    return dict(items[0]) if items else None


def is_unknown(error: MatineeError) -> bool:
    """Whether a call failed because its id is unknown or not valid."""
    return isinstance(error, InvalidInputError) or (isinstance(error, RefusedError) and error.status in (400, 404, 422))


def box_value(movie: dict[str, Any]) -> dict[str, str]:
    """The value of a title box for a movie."""
    return {"text": with_year(movie), "movie_id": str(movie["movie_id"])}


def with_year(movie: dict[str, Any]) -> str:
    """A title with its year: "Alien (1979)"."""
    return f"{movie['title']} ({movie['year']})" if movie.get("year") is not None else str(movie["title"])
