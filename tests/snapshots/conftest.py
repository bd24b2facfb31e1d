from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from matinee import models as model_package
from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import SnapshotError
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores, State
from matinee.snapshots import write_snapshot


class CountConfig(ModelConfig):
    power: float = 1.0
    words: tuple[str, ...] = ("a",)


class Count(Model[CountConfig]):
    """Scores films by their number of ratings; its state has arrays of every awkward shape."""

    name = "count"
    Config = CountConfig
    counts: NDArray[np.float32]
    extra: State

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self.counts = dataset.ratings.counts.astype(np.float32) ** np.float32(self.config.power)
        self.extra = {
            "empty": np.zeros((0, 3), dtype=np.float32),
            "scalar": np.array(2.5),
            "words": np.array(["ä", "日本"]),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "strided": np.arange(20)[::3],
            "flags.set": np.array([True, False]),
        }

    def score(self, queries: Sequence[Query]) -> Scores:
        return np.tile(self.counts, (len(queries), 1))

    def state(self) -> State:
        return {"counts": self.counts, **self.extra}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        if len(state["counts"]) != len(catalog):
            raise SnapshotError("counts does not fit the catalog.")
        model = cls(config)  # type: ignore[arg-type]
        model.n_items = len(catalog)
        model.counts = state["counts"]
        model.extra = {name: values for name, values in state.items() if name != "counts"}
        return model


class TwiceConfig(ModelConfig):
    of: str = "count"


class Twice(Model[TwiceConfig]):
    """Twice the scores of another model."""

    name = "twice"
    Config = TwiceConfig
    part: Model[Any] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.config.of,)

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        bound = self._copy()
        bound.part = models[self.config.of]
        return bound

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        pass

    def score(self, queries: Sequence[Query]) -> Scores:
        assert self.part is not None
        return self.part.score(queries) * 2

    def state(self) -> State:
        return {}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        model = cls(config)  # type: ignore[arg-type]
        model.n_items = len(catalog)
        return model


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model_package.MODELS, "count", Count)
    monkeypatch.setitem(model_package.MODELS, "twice", Twice)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "snapshots"


def make_models(dataset: Dataset) -> dict[str, Model[Any]]:
    # In this order a part comes after its wholes.
    return {
        "four": Twice(of="two").fit(dataset),
        "two": Twice(of="popular").fit(dataset),
        "popular": Count(power=0.5, words=("x", "ü")).fit(dataset),
    }


@pytest.fixture
def models(dataset: Dataset) -> dict[str, Model[Any]]:
    return make_models(dataset)


@pytest.fixture(scope="session")
def templates(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four snapshots, oldest first; tests copy them, because writing waits for the disk."""
    root = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model_package.MODELS, "count", Count)
        patch.setitem(model_package.MODELS, "twice", Twice)
        ids = [
            write_snapshot(
                root,
                dataset,
                make_models(dataset),
                default_model="two",
                metrics={"popular": {"ndcg": 0.25, "rmse": float("nan")}},
                seconds={"popular": 0.5, "total": 2.0},
                watermark=17 + n,
                seed=3,
                settings={"data": Path("x"), "limit": float("inf")},
            )
            for n in range(4)
        ]
    return [root / snapshot_id for snapshot_id in ids]


@pytest.fixture
def snapshot_id(root: Path, templates: list[Path]) -> str:
    """One snapshot below `root`."""
    shutil.copytree(templates[0], root / templates[0].name)
    return templates[0].name


@pytest.fixture
def ids(root: Path, templates: list[Path]) -> list[str]:
    """Four snapshots below `root`, oldest first."""
    for path in templates:
        shutil.copytree(path, root / path.name)
    return [path.name for path in templates]
