"""The recommenders, one file each, behind the contract of `matinee.models.base`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from matinee.errors import PluginError, UnknownModelError
from matinee.models.base import Model, ModelConfig, Query
from matinee.models.bayesian import BayesianStars
from matinee.models.blend.model import Blend
from matinee.models.coldstart import ColdStart
from matinee.models.content.model import Content
from matinee.models.ease import Ease
from matinee.models.feature_als import FeatureALS
from matinee.models.forest_stars import ForestStars
from matinee.models.graph_filter import GraphFilter
from matinee.models.higher_order_ease import HigherOrderEase
from matinee.models.ials import ImplicitALS
from matinee.models.item_knn import ItemKNN
from matinee.models.item_knn_stars import ItemKnnStars
from matinee.models.lineup import default_lineup
from matinee.models.neural.multvae import MultVAE
from matinee.models.neural.ncf import NCF
from matinee.models.neural.recommender_net import RecommenderNet
from matinee.models.neural.recvae import RecVAE
from matinee.models.popularity import Popularity, weighted_score
from matinee.models.ridge_stars import RidgeStars
from matinee.models.rp3beta import RP3Beta
from matinee.models.slim import Slim
from matinee.models.stars import Stars
from matinee.models.svd import Svd
from matinee.models.svd_plus_plus import SvdPlusPlus
from matinee.models.user_kernel import UserKernel
from matinee.models.user_knn_stars import UserKnnStars

MODELS: dict[str, type[Model[Any]]] = {
    model.name: model
    for model in (
        Popularity,
        ItemKNN,
        Ease,
        HigherOrderEase,
        ImplicitALS,
        FeatureALS,
        Slim,
        RP3Beta,
        GraphFilter,
        UserKernel,
        Content,
        ColdStart,
        Stars,
        BayesianStars,
        Svd,
        SvdPlusPlus,
        ItemKnnStars,
        UserKnnStars,
        ForestStars,
        RidgeStars,
        Blend,
        RecommenderNet,
        MultVAE,
        RecVAE,
        NCF,
    )
}
"""Kind of model (`Model.name`) → class, of those that come with Matinee."""


PLUGINS = "matinee.models"
"""Entry point group in which installed packages name further kinds: `corated = "my_package:CoRated"`."""


def model_class(kind: str) -> type[Model[Any]]:
    """The class of a kind: of `MODELS`, or else a plug-in's, imported when it is first asked for.

    Raises:
        UnknownModelError: no such kind.
        PluginError: the plug-in cannot be imported, or is not a model of this kind.
    """
    return MODELS[kind] if kind in MODELS else _plugin(kind)


@cache
def _plugin(kind: str) -> type[Model[Any]]:
    points = entry_points(group=PLUGINS)
    if kind not in points.names:
        raise UnknownModelError(kind, [*MODELS, *points.names])
    point = points[kind]
    try:
        plugin = point.load()
    except Exception as error:  # whatever importing another package's code raises
        raise PluginError(kind, point.value, f"it cannot be imported ({type(error).__name__}: {error})") from error
    if not (isinstance(plugin, type) and issubclass(plugin, Model)):
        raise PluginError(kind, point.value, "it is not a `matinee.models.Model`")
    if plugin.name != kind:
        raise PluginError(kind, point.value, f"its name is {plugin.name!r}")
    return plugin


def create(kind: str, **settings: Any) -> Model[Any]:
    """An unfitted model of a kind of `MODELS` or of a plug-in, e.g. `create("ease", regularization=300)`.

    Raises:
        UnknownModelError: no such kind.
        PluginError: a broken plug-in.
        pydantic.ValidationError: a setting that the kind does not have, or out of range.
    """
    return model_class(kind)(**settings)


__all__ = [
    "MODELS",
    "NCF",
    "BayesianStars",
    "Blend",
    "ColdStart",
    "Content",
    "Ease",
    "FeatureALS",
    "ForestStars",
    "GraphFilter",
    "HigherOrderEase",
    "ImplicitALS",
    "ItemKNN",
    "ItemKnnStars",
    "Model",
    "ModelConfig",
    "MultVAE",
    "Popularity",
    "Query",
    "RP3Beta",
    "RecVAE",
    "RecommenderNet",
    "RidgeStars",
    "Slim",
    "Stars",
    "Svd",
    "SvdPlusPlus",
    "UserKernel",
    "UserKnnStars",
    "create",
    "default_lineup",
    "model_class",
    "weighted_score",
]
