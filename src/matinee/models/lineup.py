"""The models that are trained where nothing else is asked for."""

from __future__ import annotations

from typing import Any

from matinee.data.dataset import Dataset
from matinee.models.base import Model
from matinee.models.blend import Blend
from matinee.models.content import Content
from matinee.models.ease import Ease
from matinee.models.neighbors import ItemKNN
from matinee.models.popularity import Popularity
from matinee.models.stars import Stars


def default_lineup(dataset: Dataset) -> dict[str, Model[Any]]:
    """Unfitted models by name, parts before the blend that is made of them."""
    del dataset
    return {
        "popular": Popularity(),
        "itemknn": ItemKNN(),
        "ease": Ease(min_ratings=3, max_items=12_000),
        "edlae": Ease(regularization=200.0, dropout=0.33, min_ratings=3, max_items=12_000),
        "content": Content(),
        "stars": Stars(),
        "blend": Blend(weights={"ease": 0.5, "edlae": 0.5}),
    }
