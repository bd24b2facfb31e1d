"""A title box: type a few letters of a film's name, choose it from a list; typing errors are forgiven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import typed
from matinee.web.shell import Shell, trouble
from matinee.web.views import make_view

SUGGESTIONS = 8
MAX_TITLE = 300
"""Characters of a text that can be a title; the longest of MovieLens has 158."""

MIN_ALIKE = 0.5
"""Score of a search by title from which on a text is taken for the film; below that it is only suggested."""


@dataclass(frozen=True)
class TitleBox:
    """A text field that completes titles.

    Attributes:
        view: the component. Its events:
            `complete`: the text has changed (answered by the box itself);
            `choose`: a film was chosen from the list;
            `submit`: Enter without a choice, the text may be anything;
            `settle`: comes after each of these two, for whom both are one.
            `restore` of a page sets it by a value `{"text": "Alien (1979)", "movie_id": "1214"}`; `{}` empties it.
        take: names of what is in the box at any time, for `shell.listen(…, take=box.take)`: the text, and the id of
            the film that it was chosen for ("" where it was only typed). Both are None in a box that was never seen.
    """

    view: gr.HTML
    take: tuple[str, str]


def title_box(shell: Shell, label: str, *, elem_id: str, api_name: str, hint: str = "") -> TitleBox:
    """A title box on the page that is being built.

    Args:
        label: what the box is for; seen above it and read aloud.
        elem_id: id of the component; its names in `matinee.args` are `<elem_id>_text` and `<elem_id>_movie_id`.
        api_name: endpoint of its completion: text → `{"for": text, "options": [{"movie_id", "title", "year"}]}`.
        hint: shown in the empty box, as "Alien".
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
    """Films whose titles come near a text: `{"for": text, "options": [...]}`, on trouble with a `note` to be shown."""
    wanted = typed(text)
    answer: dict[str, Any] = {"for": wanted[:MAX_TITLE], "options": []}
    if len(wanted) > MAX_TITLE:
        return answer | {"note": "This is longer than any title."}
    if not wanted:
        return answer
    try:
        [found] = await shell.ask(calls.search(wanted, by="title", n=SUGGESTIONS))
    except MatineeError as error:
        return answer | {"note": trouble(error)["error"]["title"]}
    return answer | {"options": [{key: item[key] for key in ("movie_id", "title", "year")} for item in found["items"]]}


async def film_meant(shell: Shell, text: object, movie_id: object) -> dict[str, Any] | None:
    """The film that a box stands for: the one chosen, else the one whose title is nearest to the text, if near enough.

    Returns:
        a record with at least `movie_id`, `title` and `year`; None where nothing is typed or no title comes near.

    Raises:
        MatineeError: the core fails, or the id is unknown.
    """
    if key := typed(movie_id)[:MAX_TITLE]:
        [film] = await shell.ask(calls.movie(key))
        return dict(film)
    wanted = typed(text)
    if not wanted or len(wanted) > MAX_TITLE:
        return None
    [found] = await shell.ask(calls.search(wanted, by="title", n=1))
    items = [item for item in found["items"] if item["score"] >= MIN_ALIKE]
    return dict(items[0]) if items else None


def is_unknown(error: MatineeError) -> bool:
    """Whether a call failed for its id: no film has it, or none can have it."""
    return isinstance(error, InvalidInputError) or (isinstance(error, RefusedError) and error.status in (400, 404, 422))


def chosen(film: dict[str, Any]) -> dict[str, str]:
    """The value of a box that stands for a film."""
    return {"text": named(film), "movie_id": str(film["movie_id"])}


def named(film: dict[str, Any]) -> str:
    """A film as "Alien (1979)"."""
    return f"{film['title']} ({film['year']})" if film.get("year") is not None else str(film["title"])
