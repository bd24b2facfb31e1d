"""The page "Poster match": movies with posters similar to a picture (classic.md, B1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import whole, whole_js
from matinee.web.shell import Page, Params, Shell, address_of, error_value, select, trouble
from matinee.web.views import make_view

MAX_N, DEFAULT_N = 15, 5
STARTERS = 8
MAX_ID = 200
FIELDS = ("movie_id", "title", "year", "similarity", "distance", "rank", "imdb_id", "imdb_url", "poster_kind")


def build(shell: Shell) -> Page:  # noqa: C901 - one function for each event of the page
    """The page."""
    with gr.Row(elem_classes="match-page"):
        with gr.Column(scale=2, min_width=300):
            drop = make_view("drop", events=["match", "film"], elem_id="match-drop")
            k = gr.Slider(1, MAX_N, DEFAULT_N, step=1, label="How many films", elem_id="match-k")
        with gr.Column(scale=5, min_width=300):
            results = make_view("matches", elem_id="match-found")
            start = make_view("starters", elem_id="match-start")

    async def by_picture(image: bytes, k: Any, about: dict[str, Any]) -> dict[str, Any]:
        number = whole(k, 1, MAX_N, DEFAULT_N)
        try:
            [answer] = await shell.ask(calls.poster_search(image, k=number, metadata=True))
        except RefusedError as error:
            return _refused(error)
        items = [select(item, FIELDS) for item in answer["items"]]
        return {"items": items, "k": number, "query": about, "index": answer["index"], "snapshot": answer["snapshot"]}

    async def by_movie(movie_id: str, k: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Id, title and year of a movie, and the answer for its poster."""
        try:
            [record] = await shell.ask(calls.movie(movie_id))
            response = await shell.core.response(calls.poster(movie_id))
        except MatineeError as error:
            return None, trouble(error)
        about = select(record)
        if response.headers.get("x-matinee-poster") != "file":
            title = f"There is no poster of {record['title']} here."
            return about, error_value(title, "Choose another film, or a picture.")
        try:
            return about, await by_picture(response.content, k, about)
        except MatineeError as error:
            return about, trouble(error)

    async def match(image: Any, k: Any) -> tuple[Any, str]:
        """The films whose posters look most like a picture.

        Args:
            image: an uploaded file: JPEG, PNG, WebP or AVIF.
            k: number of films, 1 to 15.
        """
        address = address_of("match", {"k": _n_param(k)})
        try:
            return await by_picture(content(image), k, {}), address
        except MatineeError as error:
            return trouble(error), address

    async def match_film(film: Any, k: Any) -> tuple[Any, Any, str]:
        """The films whose posters look most like the poster of a film, given by its id."""
        film = str(film if film is not None else "")[:MAX_ID]
        about, answer = await by_movie(film, k)
        return {"film": about}, answer, address_of("match", {"film": film, "k": _n_param(k)})

    async def restore(params: Params) -> list[Any]:
        film, number = params.get("film", "")[:MAX_ID], whole(params.get("k"), 1, MAX_N, DEFAULT_N)
        about, answer = await by_movie(film, number) if film else (None, {})
        return [{"film": about}, number, answer, await starters() if "error" not in answer else {}]

    async def starters() -> dict[str, Any]:
        try:
            [movies] = await shell.ask(calls.movies(sort="ratings", limit=STARTERS))
        except MatineeError as error:
            return trouble(error)
        return {"items": [select(item) for item in movies["items"]]}

    picture, film = upload("image"), gr.JSON(visible=False, label="film")
    number = whole_js("k", 1, MAX_N, DEFAULT_N)
    by_picture_listener = shell.listen(
        drop.match,
        match,
        api_name="match",
        js=f"(image, k) => [matinee.args.image, {number}]",
        inputs=[picture, k],
        outputs=[results, shell.address],
        last=True,
        preprocess=False,
    )
    by_movie_listener = shell.listen(
        drop.film,
        match_film,
        api_name="match_film",
        js=f"(film, k) => [matinee.args.film, {number}]",
        inputs=[film, k],
        outputs=[drop, results, shell.address],
        last=True,
        preprocess=False,
    )
    for listener in (by_picture_listener, by_movie_listener):
        listener.then(None, js="() => matinee.matched?.()", queue=False, show_progress="hidden")
    k.input(None, inputs=[k], js=f"(k) => matinee.matchAgain?.({number})", queue=False, show_progress="hidden")
    return Page("match", [drop, k, results, start], restore)


def _n_param(k: Any) -> int | None:
    number = whole(k, 1, MAX_N, DEFAULT_N)
    return None if number == DEFAULT_N else number


def _refused(error: RefusedError) -> dict[str, Any]:
    """The error value for a rejected picture, where the core's message is too general."""
    if error.status == 413 and error.problem.get("type", "about:blank") == "about:blank":
        return error_value(
            "This picture is too large: 8 MB is the most.", "Save it smaller, or take a screenshot of it."
        )
    if "no space 'poster'" in error.message:
        hint = "Whoever runs Matinee can add posters: `matinee posters add FOLDER`."
        return error_value("There are no posters to compare with yet.", hint)
    return trouble(error)


AGAIN = "Choose the picture again."


def upload(label: str) -> gr.JSON:
    """A hidden input for one uploaded file. The listener gets the reference and reads it with `content`.

    A `gr.File` would check and copy the file before the listener runs, and raise if there is none.
    """
    reference = gr.JSON(label=label, visible=False)
    schema = FileData.model_json_schema()
    setattr(reference, "api_info", lambda: schema)  # noqa: B010 – describes the input as a file in the API
    return reference


def content(reference: Any) -> bytes:
    """The bytes of an uploaded file.

    Args:
        reference: `{"path": …}` of a file in Gradio's upload folder.

    Raises:
        InvalidInputError: the reference is not valid, or the file no longer exists.
    """
    path = reference.get("path") if isinstance(reference, dict) else None
    if not path or not isinstance(path, str):
        raise InvalidInputError("There is no picture yet.", "Drop, paste, photograph or choose a poster.")
    if path.lower().startswith(("http://", "https://")):
        raise InvalidInputError("A link is not a picture.", "Save the picture, and choose the file.")
    try:
        file = Path(path).resolve()
        # Requests may contain any path, but only uploaded files may be read.
        if not file.is_relative_to(Path(get_upload_folder()).resolve()):
            raise InvalidInputError("This file was not uploaded here.", AGAIN)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError("The picture did not arrive, or was dropped meanwhile.", AGAIN) from error
