"""One-line descriptions of the kinds of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {
    "popularity": "The films with the most ratings, the same for everybody.",
    "itemknn": "Films that the same people rated.",
    "ease": "A linear model that predicts each film of a history from the others; every film's share is exact.",
    "ials": "Factors of users and films, learned from which films were rated.",
    "graph": "A history smoothed over the graph of users and films; the shorter it is, the more.",
    "userkernel": "Kernel regression over the users: what people with similar histories rated.",
    "content": "Films about the same things: genres, people, tags, words, texts, posters.",
    "coldstart": "Factors of films predicted from their content, for films that nobody has rated.",
    "bayes": "Predicted stars: biases and factors with their uncertainty, so that they come with a margin.",
    "stars": "Predicted stars: biases of user and film, and factors.",
    "blend": "A weighted mean of other models, whose weights depend on the length of the history.",
}

CHARTS = {
    "liked": "Films that many people liked, the same for everybody.",
    "trending": "The films with the most ratings lately, the same for everybody.",
    "top_rated": "The best rated films by IMDb's weighted score, the same for everybody.",
}
"""Popularity, by its setting `by`."""


def what_it_does(model: Mapping[str, Any]) -> str | None:
    """The description of a model of `/v1/models`; None if its kind is unknown."""
    kind = model["kind"]
    if kind == "popularity" and (line := CHARTS.get((model.get("config") or {}).get("by", ""))):
        return line
    return KINDS.get(kind)
