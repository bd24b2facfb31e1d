"""The page "More like this": movies similar to a title, and the map of all movies (classic.md, B3)."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from gradio.components import Component

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed, whole, whole_js
from matinee.web.shell import Page, Params, Shell, address_of, error_value, select, trouble
from matinee.web.titlebox import MAX_TITLE, title_box
from matinee.web.views import make_view

MODELS = {"faiss": "Faiss", "annoy": "Annoy", "exact": "Exact", "hnsw": "HNSW"}
"""Name of an index → its label."""
MAX_N, DEFAULT_N = 15, 5
UNKNOWN = "Movie Unrecognized. Try Again"
FIELDS = ("movie_id", "title", "year", "rank", "similarity", "imdb_id", "imdb_url")
LIST, MAP = "list", "map"
ABOUT = "What finds the films. All find the same; on millions of films some are quicker."
SPACE = "content"
"""The default space of the map."""


def model_of(value: Any) -> str:
    """The name of an index, in lower case; not validated."""
    return typed(value).lower()[:40] or "faiss"


def shown_model(value: Any) -> str:
    """The label of an index; the default if unknown."""
    return MODELS.get(model_of(value), MODELS["faiss"])


async def recommended(shell: Shell, model: Any, number: Any, title: Any) -> dict[str, Any]:
    """Movies similar to a title.

    Returns:
        `{"links", "matched", "items", "asked", "model", "index", "space", "fallback", …}`, or, if nothing matches,
        `{"error", "links": []}`.
    """
    query = typed(title)
    name = model_of(model)
    n = whole(number, 1, MAX_N, DEFAULT_N)
    asked = {"model": name, "number": n, "title": query[:MAX_TITLE]}
    if not query:
        return _unknown("Type the title of a film, or a part of it.", asked)
    if len(query) > MAX_TITLE:
        return _unknown("This is longer than any title.", asked)
    try:
        [answer] = await shell.ask(calls.similar_titles(name, n, query))
    except MatineeError as error:
        if isinstance(error, RefusedError) and error.status == 404:
            return _unknown("No title comes near this. Check the spelling, or type fewer words.", asked)
        return trouble(error) | {"links": [], "asked": asked}
    items = [select(item, FIELDS) for item in answer["recommendations"]]
    return {
        "links": [item["imdb_url"] for item in items if item["imdb_url"]],
        "matched": answer["matched"],
        "items": items,
        "asked": asked,
        "model": answer["model"],
        "index": answer["index"],
        "space": answer["space"],
        "fallback": answer.get("fallback"),
    }


def plotted(answer: dict[str, Any]) -> dict[str, Any]:
    """The value of the map: space, movie and neighbors.

    For an unknown or empty title the map shows all movies. Other errors are shown instead of the map.
    """
    if "matched" in answer:
        neighbors = [select(item, ("movie_id", "title", "year", "similarity")) for item in answer["items"]]
        return {"space": answer["space"], "query": answer["matched"], "neighbours": neighbors}
    if answer["error"]["title"] != UNKNOWN:
        return {"error": answer["error"]}
    asked = answer["asked"]
    note = answer["error"]["title"] if asked["title"] else ""
    return {"space": SPACE, "query": None, "neighbours": [], "note": note}


def _unknown(hint: str, asked: dict[str, Any]) -> dict[str, Any]:
    return error_value(UNKNOWN, hint) | {"links": [], "asked": asked}


def build(shell: Shell) -> Page:
    """The page."""
    with gr.Tabs(elem_id="similar-views") as views:
        with gr.Tab("Movie Recommender", id=LIST), gr.Row(elem_classes="similar-page"):
            with gr.Column(scale=2, min_width=300):
                make_view("similartop", elem_id="similar-top")
                box = title_box(
                    shell, "Title of a film", elem_id="similar-title", api_name="similar_titles", hint="Alien"
                )
                model = gr.Radio(list(MODELS.values()), value=MODELS["faiss"], label="Index", info=ABOUT)
                number = gr.Slider(1, MAX_N, DEFAULT_N, step=1, label="How many films", elem_id="similar-n")
                go = gr.Button("Get Recommendations", variant="primary", elem_id="similar-go")
            with gr.Column(scale=5, min_width=300):
                results = make_view("similar", elem_id="similar-found")
        with gr.Tab("Plot Query and Neighbors", id=MAP):
            plot_button = gr.Button("Plot", variant="primary", elem_id="similar-plot")
            film_map = make_view("map", elem_id="similar-map")
    # Hidden, because the classic endpoint has the order model, number, title, and the title is in a separate box.
    title = gr.Textbox(visible=False, label="title")

    def address(answer: dict[str, Any], view: str = "") -> str:
        asked = answer["asked"]
        return address_of(
            "similar",
            {
                "title": asked["title"],
                "by": asked["model"] if asked["model"] != "faiss" else None,
                "n": asked["number"] if asked["number"] != DEFAULT_N else None,
                "view": view,
            },
        )

    async def recommender(model: Any, number: Any, title: Any) -> tuple[Any, str]:
        """Films similar to a title, with links to IMDb.

        Args:
            model: Faiss, Annoy, Exact or HNSW.
            number: number of films, 1 to 15.
            title: with or without its year; typos are tolerated.
        """
        answer = await recommended(shell, model, number, title)
        return answer, address(answer)

    async def plot(model: Any, number: Any, title: Any) -> tuple[Any, Any, str]:
        """The film that a title means and its neighbors on the map of all films; arguments as of `Recommender`.

        The places of all films are at `/media/map/<space>`.
        """
        answer = await recommended(shell, model, number, title)
        return plotted(answer), answer if answer["asked"]["title"] else {}, address(answer, MAP)

    async def restore(params: Params) -> list[Any]:
        on_map, title = params.get("view") == MAP, params.get("title", "")
        by, n = params.get("by", ""), whole(params.get("n"), 1, MAX_N, DEFAULT_N)
        answer = await recommended(shell, by if model_of(by) in MODELS else "faiss", n, title)
        return [
            gr.Tabs(selected=MAP if on_map else LIST),
            shown_model(by),
            n,
            {"text": title[:MAX_TITLE], "movie_id": ""},
            answer if title.strip() else {},
            plotted(answer) if on_map else {},
        ]

    count = whole_js("number", 1, MAX_N, DEFAULT_N)
    controls: dict[str, Any] = {
        "inputs": [model, number, title],
        "js": f"(model, number) => [model, {count}, matinee.args['{box.take[0]}'] ?? '']",
        "last": True,
        "preprocess": False,  # invalid values are reported by the page
    }
    shell.listen(go.click, recommender, api_name="Recommender", outputs=[results, shell.address], **controls)
    shell.listen(plot_button.click, plot, api_name="plot", outputs=[film_map, results, shell.address], **controls)
    for event in (box.view.submit, box.view.choose):
        event(None, js="() => document.querySelector('#similar-go').click()", queue=False, show_progress="hidden")
    outputs = [cast(Component, views), model, number, box.view, results, film_map]
    return Page("similar", outputs, restore)
