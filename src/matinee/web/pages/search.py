"""The search page: by title, tolerating typos, and by meaning."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import gradio as gr

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import number, typed
from matinee.web.shell import Page, Params, Shell, address_of, error_value, filter_trouble, select
from matinee.web.views import make_view

WAYS = {"both": "Title and meaning", "title": "Title", "meaning": "Meaning"}
DEFAULT_WAY, DEFAULT_N, MAX_N = "both", 12, 60
FIELDS = ("movie_id", "title", "year", "genres", "ratings", "mean")
"""Fields of a movie that results show."""
MAX_TEXT, MAX_FILTER = 500, 2000
WAITING = """(...given) => {
  document.getElementById("search-results")?.classList.add("waiting");
  return given;
}"""


def build(shell: Shell) -> Page:
    """The page."""
    with gr.Row(equal_height=False, elem_id="search-line"):
        text = gr.Textbox(
            label="What are you looking for?",
            placeholder="slow-burn heist in the rain",
            elem_id="search-text",
            scale=5,
            min_width=200,
            lines=1,
            max_lines=1,
        )
        button = gr.Button("Search", variant="primary", elem_id="search-go", scale=1, min_width=120)
    with gr.Row(elem_id="search-options"):
        choices = [(label, name) for name, label in WAYS.items()]
        by = gr.Radio(choices, value=DEFAULT_WAY, label="Search by", elem_id="search-by", scale=2, min_width=260)
        count = gr.Slider(
            1, MAX_N, DEFAULT_N, step=1, label="Films at most", elem_id="search-n", scale=1, min_width=200
        )
        only = gr.Textbox(
            label="Only films where",
            placeholder='genre = "Crime" and year >= 1990',
            elem_id="search-filter",
            scale=2,
            min_width=240,
            lines=1,
            max_lines=1,
        )
    results = make_view("search", elem_id="search-results")

    async def search(q: str, by: str = DEFAULT_WAY, n: float = DEFAULT_N, filter: str = "") -> list[Any]:
        """Films by title and by meaning; without a text the films that the filter allows, most rated first."""
        query = _query(q, by, n, filter)
        return [await _results(shell, **query), address_of("search", _params(query))]

    async def restore(params: Params) -> list[Any]:
        query = _query(params.get("q"), params.get("by", DEFAULT_WAY), params.get("n"), params.get("filter"))
        way = query["by"] if query["by"] in WAYS else DEFAULT_WAY
        return [query["q"], way, query["n"], query["filter"], await _results(shell, **query | {"by": way})]

    triggers = [text.submit, button.click, only.submit, by.input, count.release]
    shell.listen(
        partial(gr.on, triggers),
        search,
        inputs=[text, by, count, only],
        outputs=[results, shell.address],
        api_name="search",
        last=True,
        js=WAITING,
        preprocess=False,  # invalid values are reported by the page, not by Gradio
    )
    return Page("search", [text, by, count, only, results], restore)


def _query(q: object, by: object, n: object, filter: object) -> dict[str, Any]:
    way = typed(by) or DEFAULT_WAY
    return {"q": typed(q), "by": way[:40], "n": int(number(n, DEFAULT_N, 1, MAX_N)), "filter": typed(filter)}


def _params(query: dict[str, Any]) -> dict[str, object]:
    """Parameters of the address: values that are not the default and not too long."""
    return {
        "q": query["q"] if len(query["q"]) <= MAX_TEXT else "",
        "by": query["by"] if query["by"] != DEFAULT_WAY else "",
        "n": query["n"] if query["n"] != DEFAULT_N else "",
        "filter": query["filter"] if len(query["filter"]) <= MAX_FILTER else "",
    }


async def _results(shell: Shell, q: str, by: str, n: int, filter: str) -> dict[str, Any]:
    """`{"q", "by", "n", "filter", "items": [film with matched and how], "total"}`, or an error value.

    `items` is None for an empty query. `at` makes every value unique, so that it is always redrawn.
    """
    at = {"at": time.time()}
    if by not in WAYS:
        return at | error_value(f"There is no search by “{by}”.", "Choose both, title or meaning.")
    if len(q) > MAX_TEXT:
        title = f"This text has {len(q):,} characters; at most {MAX_TEXT} can be searched for."
        return at | error_value(title, "Say it in a sentence or two.")
    if len(filter) > MAX_FILTER:
        title = f"This filter has {len(filter):,} characters; at most {MAX_FILTER:,} can be read."
        return at | error_value(title, "Use fewer conditions.")
    answer: dict[str, Any] = {"q": q, "by": by, "n": n, "filter": filter, "items": None, "total": None}
    try:
        if q:
            [result] = await shell.ask(calls.search(q, n=n, by=by, filter=filter))
            answer["items"] = result["items"]
        elif filter:
            [result] = await shell.ask(calls.movies(filter=filter, sort="ratings", limit=n))
            answer |= {"items": [select(film, FIELDS) for film in result["items"]], "total": result["total"]}
    except MatineeError as error:
        return filter_trouble(error, filter)
    return at | answer
