"""Kinds of vector index: their libraries, classes and settings."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from matinee.errors import InvalidInputError
from matinee.indexes.approximate import Approximate, IndexConfig, Recipe
from matinee.indexes.base import Kind
from matinee.indexes.exact import ExactIndex

LIBRARIES: dict[Kind, tuple[str, str, str]] = {
    "faiss": ("faiss", "matinee.indexes.faiss", "FaissIndex"),
    "annoy": ("annoy", "matinee.indexes.annoy", "AnnoyIndex"),
    "hnsw": ("usearch", "matinee.indexes.hnsw", "HnswIndex"),
}
"""Kind → library, module and class of an approximate index."""


def available_kinds() -> tuple[str, ...]:
    """Kinds of index whose libraries are installed; `exact` always is."""
    return ("exact", *(kind for kind, (library, _, _) in LIBRARIES.items() if importlib.util.find_spec(library)))


def known_kind(kind: str) -> Kind:
    """A kind by name. Raises InvalidInputError."""
    for known in ("exact", *LIBRARIES):
        if kind == known:
            return known
    raise InvalidInputError(
        f"There is no index of the kind {kind!r}.", f"Choose one of: exact, {', '.join(LIBRARIES)}."
    )


def class_of(kind: Kind) -> type[Approximate]:
    """The class of an approximate kind; its library is imported here."""
    _, module, name = LIBRARIES[kind]
    found: type[Approximate] = getattr(import_module(module), name)
    return found


def config_of(kind: Kind, settings: dict[str, Any]) -> IndexConfig:
    """Settings of a kind, checked. Raises InvalidInputError."""
    try:
        return class_of(kind).Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(class_of(kind).Config.model_fields)
        raise InvalidInputError(f"{kind}, {where}: {first['msg']}.", f"Its settings are: {known}.") from error


def build_approximate(recipe: Recipe, main: ExactIndex) -> Approximate | None:
    """The search structure over the rows of an index; None where none is needed (exact, or nothing to search)."""
    if recipe.config is None or recipe.given_up or len(main) == 0:
        return None
    return class_of(recipe.kind).build(main.matrix, recipe.config, recipe.seed)
