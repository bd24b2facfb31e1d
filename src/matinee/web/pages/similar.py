"""The page "More like this": movies similar to a title, and the map of all movies (classic.md, B3)."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr
from gradio.components import Component

from matinee.web.inputs import whole, whole_js
from matinee.web.pages.similar_data import MODELS, MOST, USUAL, model_of, plotted, recommended, shown_model
from matinee.web.shell import Page, Params, Shell, address_of
from matinee.web.titlebox import MAX_TITLE, title_box
from matinee.web.views import make_view

LIST, MAP = "list", "map"
ABOUT = "What finds the films. All find the same; on millions of films some are quicker."


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
                number = gr.Slider(1, MOST, USUAL, step=1, label="How many films", elem_id="similar-n")
                go = gr.Button("Get Recommendations", variant="primary", elem_id="similar-go")
            with gr.Column(scale=5, min_width=300):
                found = make_view("similar", elem_id="similar-found")
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
                "n": asked["number"] if asked["number"] != USUAL else None,
                "view": view,
            },
        )

    async def recommender(model: Any, number: Any, title: Any) -> tuple[Any, str]:
        """Films similar to a title, with links to IMDb.

        Args:
            model: Faiss, Annoy, Exact or HNSW.
            number: films wanted, 1 to 15.
            title: with or without its year; typing errors are forgiven.
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
        by, n = params.get("by", ""), whole(params.get("n"), 1, MOST, USUAL)
        answer = await recommended(shell, by if model_of(by) in MODELS else "faiss", n, title)
        return [
            gr.Tabs(selected=MAP if on_map else LIST),
            shown_model(by),
            n,
            {"text": title[:MAX_TITLE], "movie_id": ""},
            answer if title.strip() else {},
            plotted(answer) if on_map else {},
        ]

    controls: dict[str, Any] = {
        "inputs": [model, number, title],
        "js": f"(model, number) => [model, {whole_js('number', 1, MOST, USUAL)}, matinee.args['{box.take[0]}'] ?? '']",
        "last": True,
        "preprocess": False,  # invalid values are reported by the page
    }
    shell.listen(go.click, recommender, api_name="Recommender", outputs=[found, shell.address], **controls)
    shell.listen(plot_button.click, plot, api_name="plot", outputs=[film_map, found, shell.address], **controls)
    for event in (box.view.submit, box.view.choose):
        event(None, js="() => document.querySelector('#similar-go').click()", queue=False, show_progress="hidden")
    outputs = [cast(Component, views), model, number, box.view, found, film_map]
    return Page("similar", outputs, restore)
