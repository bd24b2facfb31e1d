"""The recommenders, one file each, behind the contract of `matinee.models.base`."""

from __future__ import annotations

from typing import Any

from matinee.errors import UnknownModelError
from matinee.models.base import Model, ModelConfig, Query
from matinee.models.blend.model import Blend
from matinee.models.coldstart import ColdStart
from matinee.models.content.model import Content
from matinee.models.ease import Ease
from matinee.models.graph_filter import GraphFilter
from matinee.models.ials import ImplicitALS
from matinee.models.item_knn import ItemKNN
from matinee.models.lineup import default_lineup
from matinee.models.popularity import Popularity, weighted_score
from matinee.models.stars import Stars
from matinee.models.user_kernel import UserKernel

MODELS: dict[str, type[Model[Any]]] = {
    model.name: model
    for model in (Popularity, ItemKNN, Ease, ImplicitALS, GraphFilter, UserKernel, Content, ColdStart, Stars, Blend)
}
"""Kind of model (`Model.name`) → class."""


def create(kind: str, **settings: Any) -> Model[Any]:
    """An unfitted model of a kind of `MODELS`, e.g. `create("ease", regularization=300)`.

    Raises:
        UnknownModelError: no such kind.
        pydantic.ValidationError: a setting that the kind does not have, or out of range.
    """
    if kind not in MODELS:
        raise UnknownModelError(kind, list(MODELS))
    return MODELS[kind](**settings)


__all__ = [
    "MODELS",
    "Blend",
    "ColdStart",
    "Content",
    "Ease",
    "GraphFilter",
    "ImplicitALS",
    "ItemKNN",
    "Model",
    "ModelConfig",
    "Popularity",
    "Query",
    "Stars",
    "UserKernel",
    "create",
    "default_lineup",
    "weighted_score",
]
