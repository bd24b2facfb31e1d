"""The search page: by title, tolerating typos, by meaning, by what a wish says, and by filters alone."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import gradio as gr

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import number, typed
from matinee.web.shell import Page, Params, Shell, address_of, error_value, filter_trouble, select
from matinee.web.views import make_view
from matinee.web.visitor.facets import Facets
from matinee.web.visitor.find import FIELDS, SORTS, WAYS

DEFAULT_WAY, DEFAULT_N, MAX_N = "both", 12, 60
MAX_TEXT, MAX_FILTER = 500, 2000


def build(shell: Shell) -> Page:
    """The page."""
    facets = Facets(shell.core)
    results = make_view("search", elem_id="search-results")
    # The endpoint for programs; the page opens addresses.
    program = gr.Button(visible=False)
    text, by = gr.Textbox(visible=False, label="q"), gr.Textbox(visible=False, label="by")
    count, only = gr.Number(visible=False, label="n"), gr.Textbox(visible=False, label="filter")

    async def search(q: str, by: str = DEFAULT_WAY, n: float = DEFAULT_N, filter: str = "") -> list[Any]:
        """Films by title and by meaning; without a text the films that the filter allows, most rated first."""
        query = _query(q, by, n, filter)
        return [await _results(shell, **query), address_of("search", _params(query))]

    async def restore(params: Params) -> list[Any]:
        query = _query(params.get("q"), params.get("by", DEFAULT_WAY), params.get("n"), params.get("filter"))
        way = query["by"] if query["by"] in WAYS else DEFAULT_WAY
        sort = params.get("sort", "") if params.get("sort", "") in SORTS else ""
        plain = params.get("plain") == "1"
        asked = query | {"by": way}
        value = await _results(shell, **asked, sort=sort, plain=plain)
        with suppress(MatineeError):  # the results tell it
            value["facets"] = await facets.values()
        shown = asked | {"sort": sort, "plain": plain} | value
        return [query["q"], way, query["n"], query["filter"], shown]

    shell.listen(
        program.click,
        search,
        inputs=[text, by, count, only],
        outputs=[results, shell.address],
        api_name="search",
        last=True,
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


async def _results(
    shell: Shell, q: str, by: str, n: int, filter: str, sort: str = "", plain: bool = False
) -> dict[str, Any]:
    """`{"q", "by", "n", "filter", "items": [film with matched and how], "total"}`, or an error value.

    `items` is None for an empty query; `understood` and `suggestions` are the core's, where it has them. `at` makes
    every value unique, so that it is always redrawn.
    """
    at = {"at": time.time()}
    if by not in WAYS:
        return at | error_value(f"There is no search by “{by}”.", "Choose both, title or meaning.", kind="search-way")
    if len(q) > MAX_TEXT:
        title = f"This text has {len(q):,} characters; at most {MAX_TEXT} can be searched for."
        return at | error_value(title, "Say it in a sentence or two.", kind="long-text")
    if len(filter) > MAX_FILTER:
        title = f"This filter has {len(filter):,} characters; at most {MAX_FILTER:,} can be read."
        return at | error_value(title, "Use fewer conditions.", kind="long-filter")
    answer: dict[str, Any] = {"q": q, "by": by, "n": n, "filter": filter, "items": None, "total": None}
    try:
        if q:
            [result] = await shell.ask(calls.search(q, n=n, by=by, filter=filter, plain=plain or None))
            answer["items"] = result["items"]
            answer |= {name: result[name] for name in ("understood", "suggestions") if result.get(name)}
        elif filter or sort:
            [result] = await shell.ask(calls.movies(filter=filter, sort=SORTS[sort], limit=n))
            answer |= {"items": [select(film, FIELDS) for film in result["items"]], "total": result["total"]}
    except MatineeError as error:
        return filter_trouble(error, filter)
    return at | answer
