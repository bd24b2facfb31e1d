"""What the page "More like this" shows: the core's answer to a title, in the shape that its views draw."""

from __future__ import annotations

from typing import Any

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed, whole
from matinee.web.shell import Shell, trouble
from matinee.web.titlebox import MAX_TITLE

MODELS = {"faiss": "Faiss", "annoy": "Annoy", "exact": "Exact", "hnsw": "HNSW"}
"""Name for the core → name on the screen."""
MOST, USUAL = 15, 5
UNKNOWN = "Movie Unrecognized. Try Again"
FIELDS = ("movie_id", "title", "year", "rank", "similarity", "imdb_id", "imdb_url")


def model_of(value: Any) -> str:
    """The core's name of a model that somebody names in any case; as it is where there is none such."""
    return typed(value).lower()[:40] or "faiss"


def shown_model(value: Any) -> str:
    """The choice on the screen for a model; the first where there is none such."""
    return MODELS.get(model_of(value), MODELS["faiss"])


SPACE = "content"
"""The space of the map before any answer."""


async def recommended(shell: Shell, model: Any, number: Any, title: Any) -> dict[str, Any]:
    """Films similar to a title.

    Returns:
        `{"links", "matched", "items", "asked", "model", "index", "space", "fallback", …}`; where nothing is found
        `{"error", "links": []}`.
    """
    wanted = typed(title)
    name = model_of(model)
    n = whole(number, 1, MOST, USUAL)
    asked = {"model": name, "number": n, "title": wanted[:MAX_TITLE]}
    if not wanted:
        return _unknown("Type the title of a film, or a part of it.", asked)
    if len(wanted) > MAX_TITLE:
        return _unknown("This is longer than any title.", asked)
    try:
        [answer] = await shell.ask(calls.similar_titles(name, n, wanted))
    except RefusedError as error:
        if error.status == 404:
            return _unknown("No title comes near this. Check the spelling, or type fewer words.", asked)
        return trouble(error) | {"links": [], "asked": asked}
    except MatineeError as error:
        return trouble(error) | {"links": [], "asked": asked}
    items = [{field: item.get(field) for field in FIELDS} for item in answer["recommendations"]]
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
    """The value of the map for an answer: which space, which film, which neighbors.

    A title that is unknown, or none, leaves the map of all films; other trouble is the map's trouble too.
    """
    if "matched" in answer:
        films = [
            {field: item[field] for field in ("movie_id", "title", "year", "similarity")} for item in answer["items"]
        ]
        return {"space": answer["space"], "query": answer["matched"], "neighbours": films}
    if answer["error"]["title"] != UNKNOWN:
        return {"error": answer["error"]}
    asked = answer["asked"]
    note = answer["error"]["title"] if asked["title"] else ""
    return {"space": SPACE, "query": None, "neighbours": [], "note": note}


def _unknown(hint: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"title": UNKNOWN, "hint": hint, "retry": False}, "links": [], "asked": asked}
