"""Data of the page "More like this", from the core."""

from __future__ import annotations

from typing import Any

from matinee.client import RefusedError, calls
from matinee.errors import MatineeError
from matinee.web.inputs import typed, whole
from matinee.web.shell import Shell, trouble
from matinee.web.titlebox import MAX_TITLE

MODELS = {"faiss": "Faiss", "annoy": "Annoy", "exact": "Exact", "hnsw": "HNSW"}
"""Name of an index → its label."""
MOST, USUAL = 15, 5
UNKNOWN = "Movie Unrecognized. Try Again"
FIELDS = ("movie_id", "title", "year", "rank", "similarity", "imdb_id", "imdb_url")


def model_of(value: Any) -> str:
    """The name of an index, in lower case; not validated."""
    return typed(value).lower()[:40] or "faiss"


def shown_model(value: Any) -> str:
    """The label of an index; the default if unknown."""
    return MODELS.get(model_of(value), MODELS["faiss"])


SPACE = "content"
"""The default space of the map."""


async def recommended(shell: Shell, model: Any, number: Any, title: Any) -> dict[str, Any]:
    """Movies similar to a title.

    Returns:
        `{"links", "matched", "items", "asked", "model", "index", "space", "fallback", …}`, or, if nothing matches,
        `{"error", "links": []}`.
    """
    query = typed(title)
    name = model_of(model)
    n = whole(number, 1, MOST, USUAL)
    asked = {"model": name, "number": n, "title": query[:MAX_TITLE]}
    if not query:
        return _unknown("Type the title of a film, or a part of it.", asked)
    if len(query) > MAX_TITLE:
        return _unknown("This is longer than any title.", asked)
    try:
        [answer] = await shell.ask(calls.similar_titles(name, n, query))
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
    """The value of the map: space, movie and neighbors.

    For an unknown or empty title the map shows all movies. Other errors are shown instead of the map.
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
