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
LIKENESSES: dict[str, tuple[str, str | None, str | None]] = {
    "content": ("All that they are about", None, None),
    "words": ("Plot: words", "plot", "tfidf"),
    "meaning": ("Plot: meaning", "plot", "embedding"),
}
"""Name of a likeness → its label, space and method."""
MAX_N, DEFAULT_N = 15, 5
UNKNOWN = "Movie Unrecognized. Try Again"
FIELDS = ("movie_id", "title", "year", "rank", "similarity", "imdb_id", "imdb_url", "reason")
LIST, MAP = "list", "map"
COMPARED = "What is compared."
ABOUT = "What finds the films. All find the same; on millions of films some are quicker."
SPACE = "content"
"""The default space of the map."""


def model_of(value: Any) -> str:
    """The name of an index, in lower case; not validated."""
    return typed(value).lower()[:40] or "faiss"


def shown_model(value: Any) -> str:
    """The label of an index; the default if unknown."""
    return MODELS.get(model_of(value), MODELS["faiss"])


def likeness_of(value: Any) -> str:
    """The name of a likeness, by name or label; the default if unknown."""
    text = typed(value)
    return next((name for name, (label, _, _) in LIKENESSES.items() if text in (name, label)), "content")


async def recommended(shell: Shell, model: Any, number: Any, title: Any, likeness: Any = None) -> dict[str, Any]:
    """Movies similar to a title.

    Returns:
        `{"links", "matched", "items", "asked", "model", "index", "space", "fallback", "method", …}`, or, if nothing
        matches, `{"error", "links": []}`.
    """
    query = typed(title)
    name = model_of(model)
    n = whole(number, 1, MAX_N, DEFAULT_N)
    alike = likeness_of(likeness)
    _, space, method = LIKENESSES[alike]
    asked = {"model": name, "number": n, "title": query[:MAX_TITLE], "likeness": alike}
    if not query:
        return _unknown("Type the title of a film, or a part of it.", asked)
    if len(query) > MAX_TITLE:
        return _unknown("This is longer than any title.", asked)
    try:
        [answer] = await shell.ask(calls.similar_titles(name, n, query, space=space, method=method))
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
        "method": answer.get("method"),
    }


def plotted(answer: dict[str, Any]) -> dict[str, Any]:
    """The value of the map: space, movie and neighbors.

    For an unknown or empty title the map shows all movies. Other errors are shown instead of the map.
    """
    if "matched" in answer:
        neighbors = [select(item, ("movie_id", "title", "year", "similarity")) for item in answer["items"]]
        return {"space": _laid_out(answer), "query": answer["matched"], "neighbours": neighbors}
    if answer["error"]["title"] != UNKNOWN:
        return {"error": answer["error"]}
    asked = answer["asked"]
    note = answer["error"]["title"] if asked["title"] else ""
    return {"space": SPACE, "query": None, "neighbours": [], "note": note}


def _laid_out(answer: dict[str, Any]) -> str:
    """The space of the map: of plots the vectors that were compared, or else that of contents."""
    if answer["space"] != "plot":
        return str(answer["space"])
    return "text" if answer["method"] == "embedding" else SPACE


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
                labels = [label for label, _, _ in LIKENESSES.values()]
                likeness = gr.Radio(labels, value=labels[0], label="Alike by", info=COMPARED, elem_id="similar-by")
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
    # Events of the classic endpoints, which programs call; the page calls those that know what is compared.
    classic, classic_plot = gr.Button(visible=False), gr.Button(visible=False)

    def address(answer: dict[str, Any], view: str = "") -> str:
        asked = answer["asked"]
        return address_of(
            "similar",
            {
                "title": asked["title"],
                "by": asked["model"] if asked["model"] != "faiss" else None,
                "n": asked["number"] if asked["number"] != DEFAULT_N else None,
                "like": asked["likeness"] if asked["likeness"] != "content" else None,
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

    async def similar_by(model: Any, number: Any, title: Any, likeness: Any) -> tuple[Any, str]:
        """As `Recommender`, by what films are about or by their plots.

        Args:
            model: Faiss, Annoy, Exact or HNSW; words of plots have no index.
            number: number of films, 1 to 15.
            title: with or without its year; typos are tolerated.
            likeness: content, words or meaning.
        """
        answer = await recommended(shell, model, number, title, likeness)
        return answer, address(answer)

    async def plot_by(model: Any, number: Any, title: Any, likeness: Any) -> tuple[Any, Any, str]:
        """As `plot`; arguments as of `similar_by`."""
        answer = await recommended(shell, model, number, title, likeness)
        return plotted(answer), answer if answer["asked"]["title"] else {}, address(answer, MAP)

    async def restore(params: Params) -> list[Any]:
        on_map, title = params.get("view") == MAP, params.get("title", "")
        by, n = params.get("by", ""), whole(params.get("n"), 1, MAX_N, DEFAULT_N)
        alike = likeness_of(params.get("like"))
        answer = await recommended(shell, by if model_of(by) in MODELS else "faiss", n, title, alike)
        return [
            gr.Tabs(selected=MAP if on_map else LIST),
            LIKENESSES[alike][0],
            shown_model(by),
            n,
            {"text": title[:MAX_TITLE], "movie_id": ""},
            answer if title.strip() else {},
            plotted(answer) if on_map else {},
        ]

    count = whole_js("number", 1, MAX_N, DEFAULT_N)
    text = f"matinee.args['{box.take[0]}'] ?? ''"
    options: dict[str, Any] = {"last": True, "preprocess": False}  # invalid values are reported by the page
    controls = {"inputs": [model, number, title, likeness], **options}
    controls["js"] = f"(model, number, title, likeness) => [model, {count}, {text}, likeness]"
    for_programs = {"inputs": [model, number, title], **options}
    shell.listen(classic.click, recommender, api_name="Recommender", outputs=[results, shell.address], **for_programs)
    shell.listen(go.click, similar_by, api_name="similar_by", outputs=[results, shell.address], **controls)
    found = [film_map, results, shell.address]
    shell.listen(classic_plot.click, plot, api_name="plot", outputs=found, **for_programs)
    shell.listen(plot_button.click, plot_by, api_name="plot_by", outputs=found, **controls)
    for event in (box.view.submit, box.view.choose):
        event(None, js="() => document.querySelector('#similar-go').click()", queue=False, show_progress="hidden")
    outputs = [cast(Component, views), likeness, model, number, box.view, results, film_map]
    return Page("similar", outputs, restore)
