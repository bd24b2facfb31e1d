"""Search spaces from settings, samplers, and a search that finds what is there to find on validation data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st
from pydantic import Field

from matinee.data.dataset import Dataset
from matinee.errors import InvalidInputError, MissingExtraError, UnknownModelError
from matinee.evaluation.protocols import EvaluationSource, get_protocol
from matinee.evaluation.samplers import OptunaSampler, RandomSampler, Sampler, make_sampler, sampler_name
from matinee.evaluation.search_space import Choice, Range, search_space
from matinee.evaluation.tune import tune
from matinee.models import MODELS, Blend, Ease, Popularity, Stars
from matinee.models.base import Model, ModelConfig, Progress, Query, Scores
from matinee.models.ease import EaseConfig
from matinee.settings import Settings
from support import random_dataset


class DialConfig(ModelConfig):
    dial: float = Field(1.0, gt=0, le=100)
    steps: int = Field(4, ge=1)
    epochs: int = Field(6, ge=6, le=6)
    share: float = Field(0.2, ge=0, lt=1)
    kind: Literal["a", "b"] = "a"
    on: bool = True
    seed: int = 3
    name: str = "x"
    optional: float | None = None


class Dial(Model[DialConfig]):
    """The better, the nearer the dial is to 10: scores of EASE, disturbed by the distance."""

    name = "dial"
    Config = DialConfig

    def memory_needed(self, dataset: Dataset) -> int:
        return 1 << 50 if self.config.kind == "b" else 0

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        self.ease = Ease().fit(dataset)
        wrong = abs(math.log(self.config.dial / 10))
        self.values = (wrong * np.random.default_rng(0).random(len(dataset.catalog))).astype(np.float32)

    def score(self, queries: Sequence[Query]) -> Scores:
        return self.ease.score(queries) + self.values

    def state(self) -> dict[str, np.ndarray]:
        return {"values": self.values}


def lineup(_: Dataset) -> dict[str, Model[Any]]:
    return {"dial": Dial(), "popular": Popularity(), "stars": Stars(n_factors=2)}


class Learner(Dial):
    """Trained in epochs: the loss falls to the distance of the dial from 10, and is known after each."""

    name = "learner"
    search_ranges = {"dial": "0.1:100"}
    epochs_run: ClassVar[list[int]] = []

    def validation_loss(self, dataset: Dataset, on_epoch: Callable[[int, float | None], None]) -> float:
        distance = abs(math.log(self.config.dial / 10))
        self.epochs_run.append(0)
        for epoch in range(1, self.config.epochs + 1):
            self.epochs_run[-1] = epoch
            on_epoch(epoch, distance + 1 / epoch)
        return distance + 1 / self.config.epochs


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(150, 60, 0.4)


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return Settings(offline=True, cache_dir=tmp_path, seed=1)


# --- spaces -----------------------------------------------------------------------------------------------------------
def test_a_space_follows_types_bounds_and_defaults() -> None:
    assert search_space(DialConfig()) == {
        "dial": Range(0.125, 8.0, log=True),
        "steps": Range(1, 32, log=True, whole=True),
        "epochs": Range(6, 6, log=True, whole=True),
        "share": Range(0.0, 0.95),
        "kind": Choice(("a", "b")),
        "on": Choice((False, True)),
    }
    ease = search_space(EaseConfig())
    assert ease["regularization"] == Range(75.0, 4800.0, log=True)
    assert "max_items" not in ease


def test_a_space_as_asked() -> None:
    asked = {"dial": "1:100", "steps": "2:5", "kind": "a, b", "optional": "none,2", "on": "true"}
    assert search_space(DialConfig(), asked) == {
        "dial": Range(1.0, 100.0, log=True),
        "steps": Range(2.0, 5.0, whole=True),
        "kind": Choice(("a", "b")),
        "optional": Choice((None, 2)),
        "on": Choice((True,)),
    }


@pytest.mark.parametrize("kind", [kind for kind, model in MODELS.items() if model.search_ranges])
def test_ranges_of_models_make_sense(kind: str) -> None:
    space = search_space(MODELS[kind]().config, MODELS[kind].search_ranges)
    assert space.keys() == MODELS[kind].search_ranges.keys()
    for name, entry in space.items():
        default = getattr(MODELS[kind]().config, name)
        if isinstance(entry, Range) and default is not None:
            assert entry.low <= default <= entry.high, "Optuna learns from the default as well"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"nothing": "1:2"}, "no setting 'nothing'"),
        ({"dial": "2:1"}, "no range"),
        ({"dial": "x:1"}, "no range"),
        ({"dial": "0:inf"}, "no range"),
        ({"dial": "1:1000"}, "cannot be 1000"),
        ({"kind": "a,c"}, "cannot be 'c'"),
        ({"kind": " , "}, "no values"),
    ],
)
def test_ranges_that_make_no_sense(asked: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        search_space(DialConfig(), asked)


def test_nothing_to_search() -> None:
    class Nothing(ModelConfig):
        seed: int = 0

    with pytest.raises(InvalidInputError, match="no settings to search"):
        search_space(Nothing())


@checks(max_examples=50, deadline=None)
@given(st.integers(0, 1000))
def test_draws_stay_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for entry in search_space(DialConfig()).values():
        value = entry.draw(rng)
        if isinstance(entry, Range):
            assert entry.low <= value <= entry.high
            assert isinstance(value, int) == entry.whole
        else:
            assert value in entry.options


# --- samplers ---------------------------------------------------------------------------------------------------------
SPACE = {"x": Range(0.01, 100.0, log=True), "n": Range(1, 9, whole=True), "c": Choice(("a", "b"))}
DEFAULT = {"x": 1.0, "n": 3, "c": "a"}


def value_of(proposal: dict[str, Any]) -> float:
    return -abs(math.log(proposal["x"] / 10)) - (proposal["c"] == "b")


@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_samplers_begin_with_the_default_and_repeat(kind: Literal["random", "optuna"]) -> None:
    if kind == "optuna":
        pytest.importorskip("optuna")

    def walk(maximize: bool = True) -> list[dict[str, Any]]:
        sampler: Sampler = make_sampler(kind, SPACE, DEFAULT, maximize=maximize, seed=7)
        proposals = []
        for _ in range(20):
            proposal = sampler.ask()
            proposals.append(proposal)
            sampler.should_stop(0, value_of(proposal))
            sampler.tell(value_of(proposal))
        return proposals

    first = walk()
    assert first[0] == DEFAULT
    assert first == walk()
    assert len({round(p["x"], 6) for p in first}) > 10
    if kind == "optuna":
        # What was learned: the last proposals are nearer to the optimum than random ones.
        assert np.mean([value_of(p) for p in first[12:]]) > np.mean([value_of(p) for p in first[1:6]])


@pytest.mark.parametrize("kind", [RandomSampler, OptunaSampler])
def test_trials_below_the_median_are_given_up(kind: Any) -> None:
    if kind is OptunaSampler:
        pytest.importorskip("optuna")
    for maximize in (True, False):
        sign = 1.0 if maximize else -1.0
        sampler = kind(SPACE, DEFAULT, maximize=maximize, seed=0)
        for number in range(6):
            sampler.ask()
            assert not sampler.should_stop(0, sign * number)
            sampler.tell(sign * number)
        sampler.ask()
        assert sampler.should_stop(0, sign * 1.0)
        sampler.tell(None)
        sampler.ask()
        assert not sampler.should_stop(0, sign * 4.0)
        sampler.tell(sign * 4.0)


def test_a_default_outside_of_the_range_is_tried_as_well() -> None:
    pytest.importorskip("optuna")
    sampler = OptunaSampler({"x": Range(5.0, 6.0)}, {"x": 1.0}, maximize=True, seed=0)
    assert sampler.ask() == {"x": 1.0}
    assert not sampler.should_stop(0, 0.5)
    sampler.tell(0.5)
    assert 5.0 <= sampler.ask()["x"] <= 6.0


def test_optuna_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.evaluation.samplers.find_spec", lambda name: None)
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None)
    assert sampler_name(None) == "random"
    assert sampler_name("random") == "random"
    with pytest.raises(MissingExtraError, match="tune"):
        sampler_name("optuna")


# --- searches ---------------------------------------------------------------------------------------------------------
def test_a_search_finds_the_better_dial(data: Dataset, own: Settings) -> None:
    found = tune(
        "dial", data=data, trials=16, ranges={"dial": "0.1:100"}, sampler="random", settings=own, lineup=lineup,
        resamples=200,
    )  # fmt: skip
    assert found.metric == "ndcg@10"
    assert found.trials[0].settings == {"dial": 1.0}
    assert abs(math.log(found.best.settings["dial"] / 10)) < math.log(10)
    assert found.best.value is not None
    assert found.trials[0].value is not None
    assert found.best.value > found.trials[0].value
    assert {trial.state for trial in found.trials} == {"complete", "pruned"}
    report = found.evaluation.report
    assert report.validation
    assert report.reference == "dial"
    assert [entry.name for entry in report.results] == ["dial", "dial-tuned"]
    assert report.result("dial-tuned").metrics["ndcg@10"] == pytest.approx(found.best.value)
    assert report.result("dial").metrics["ndcg@10"] == pytest.approx(found.trials[0].value)
    again = tune(**found.search, data=data, settings=own, lineup=lineup)
    assert [trial.settings for trial in again.trials] == [trial.settings for trial in found.trials]
    assert [trial.values for trial in again.trials] == [trial.values for trial in found.trials]


def test_poor_trials_end_between_epochs(data: Dataset, own: Settings) -> None:
    """By the validation loss, over the model's own ranges; what is reported on the way only grows."""
    Learner.epochs_run.clear()
    shares: list[float] = []

    def progress(what: str, share: float) -> None:
        if what == "tuning learner":
            shares.append(share)

    found = tune(
        "learner", data=data, trials=16, sampler="random", settings=own, resamples=0, progress=progress,
        lineup=lambda _: {"learner": Learner()},
    )  # fmt: skip
    assert found.metric == "validation_loss"
    assert {name for trial in found.trials for name in trial.settings} == {"dial"}
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.value is None for trial in pruned)
    complete = [trial for trial in found.trials if trial.state == "complete"]
    assert len(complete) + len(pruned) == 16
    assert {run for run in Learner.epochs_run if run < 6} == {3}
    assert found.best.value == min(trial.value for trial in complete if trial.value is not None)
    assert shares == sorted(shares)
    assert len(shares) > 16 * 3
    again = tune(**found.search, data=data, settings=own, lineup=lambda _: {"learner": Learner()})
    assert [trial.values for trial in again.trials] == [trial.values for trial in found.trials]


def test_a_kind_outside_of_the_lineup(data: Dataset, own: Settings) -> None:
    found = tune(
        "itemknn",
        data=data,
        trials=2,
        ranges={"neighbors": "5:50"},
        sampler="random",
        settings=own,
        lineup=lineup,
        resamples=0,
    )
    assert found.config["neighbors"] == found.best.settings["neighbors"]
    assert [entry.name for entry in found.evaluation.report.results] == ["itemknn", "itemknn-tuned"]


def test_a_search_reads_no_test_rating(data: Dataset, own: Settings) -> None:
    """All that a search is asked or told is the same where the stars of the test part are others."""
    source = EvaluationSource(data)
    hidden = np.zeros((data.ratings.n_users, data.ratings.n_items), dtype=bool)
    asked = np.zeros_like(hidden)
    for split in get_protocol("ml-1m-ratings").splits(source):
        hidden |= split.test.matrix(binary=True).toarray() > 0
    for split in get_protocol("ml-1m-ratings").splits(source, validation=True):
        asked |= split.test.matrix(binary=True).toarray() > 0
    found = tune("stars", protocol="ml-1m-ratings", data=data, trials=2, settings=own, lineup=lineup, resamples=0)
    assert found.metric == "rmse"
    assert not (hidden & asked).any()
    users = np.concatenate([split.users for split in found.evaluation.figures["stars"]])
    assert set(users) <= set(np.flatnonzero(asked.any(axis=1)))


def test_failures_are_trials_too(data: Dataset, own: Settings) -> None:
    found = tune(
        "dial", data=data, trials=12, ranges={"kind": "a,b"}, sampler="random", settings=own, lineup=lineup, resamples=0
    )
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert all("would need" in trial.problem and trial.value is None for trial in failed)
    assert found.best.settings == {"kind": "a"}
    with pytest.raises(InvalidInputError, match="No settings"):
        tune(
            "dial", data=data, trials=2, ranges={"dial": "1:2"}, settings=own, resamples=0,
            lineup=lambda _: {"dial": Dial(kind="b")},
        )  # fmt: skip


def test_searches_that_are_refused(data: Dataset, own: Settings) -> None:
    with pytest.raises(UnknownModelError):
        tune("nope", data=data, settings=own, lineup=lineup)
    with pytest.raises(InvalidInputError, match="no validation loss"):
        tune("dial", data=data, metric="validation_loss", settings=own, lineup=lineup)
    with pytest.raises(InvalidInputError, match="no figure 'auc'"):
        tune("dial", data=data, metric="auc", trials=1, settings=own, lineup=lineup)
    with pytest.raises(InvalidInputError, match="have changed"):
        tune("dial", data=data, fingerprint="0" * 64, settings=own, lineup=lineup)
    flat = random_dataset(60, 30, 0.4)
    ones = flat.ratings
    ones.values[:] = 1.0
    with pytest.raises(InvalidInputError, match="no stars"):
        tune("stars", data=flat, settings=own, lineup=lineup, trials=1)


def test_parts_are_fitted_once(data: Dataset, own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[str] = []
    whole = Ease._fit

    def counted(self: Ease, dataset: Dataset, progress: Progress) -> None:
        fits.append("ease")
        whole(self, dataset, progress)

    monkeypatch.setattr(Ease, "_fit", counted)

    def blended(_: Dataset) -> dict[str, Model[Any]]:
        blend = Blend(weights={"ease": 0.5, "popular": 0.5}, content=None, learn=False)
        return {"ease": Ease(), "popular": Popularity(), "blend": blend}

    tune(
        "blend", protocol="few", data=data, trials=3, ranges={"spread": "1:2"}, settings=own, lineup=blended,
        sampler="random", resamples=0,
    )  # fmt: skip
    assert len(fits) == 2 + 2  # two splits for the trials, two for the report
