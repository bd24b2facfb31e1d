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
    """Kinds of index whose libraries are installed; `exact` is always available."""
    return ("exact", *(kind for kind, (library, _, _) in LIBRARIES.items() if importlib.util.find_spec(library)))


def known_kind(kind: str) -> Kind:
    """Validate the name of a kind. Raises InvalidInputError."""
    for name in ("exact", *LIBRARIES):
        if kind == name:
            return name
    raise InvalidInputError(
        f"There is no index of the kind {kind!r}.", f"Choose one of: exact, {', '.join(LIBRARIES)}."
    )


def class_of(kind: Kind) -> type[Approximate]:
    """The class of an approximate kind. Imports its library."""
    _, module, name = LIBRARIES[kind]
    class_: type[Approximate] = getattr(import_module(module), name)
    return class_


def config_of(kind: Kind, settings: dict[str, Any]) -> IndexConfig:
    """Validated settings of a kind. Raises InvalidInputError."""
    try:
        return class_of(kind).Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        fields = ", ".join(class_of(kind).Config.model_fields)
        raise InvalidInputError(f"{kind}, {where}: {first['msg']}.", f"Its settings are: {fields}.") from error


def build_approximate(recipe: Recipe, main: ExactIndex) -> Approximate | None:
    """The search structure over the rows of an index; None if none is needed (exact, or the index is empty)."""
    if recipe.config is None or recipe.given_up or len(main) == 0:
        return None
    return class_of(recipe.kind).build(main.matrix, recipe.config, recipe.seed)
