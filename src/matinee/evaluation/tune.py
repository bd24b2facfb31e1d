"""Search for better settings of a model, on validation data only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from matinee._util.progress import Progress, silent
from matinee.data.dataset import Dataset
from matinee.errors import DataError, InvalidInputError, MemoryLimitError, UnknownModelError
from matinee.evaluation.bootstrap import RESAMPLES
from matinee.evaluation.comparison import lower_is_better
from matinee.evaluation.experiment import Evaluation, evaluate_in_detail, examine, load_source
from matinee.evaluation.measure import Fitted, fit_models
from matinee.evaluation.protocols import Protocol, Split, check_tasks, get_protocol
from matinee.evaluation.samplers import SamplerName, make_sampler, sampler_name
from matinee.evaluation.search_space import search_space
from matinee.models import MODELS, create
from matinee.models.base import Model
from matinee.models.lineup import Lineup, lineup_for
from matinee.settings import Settings

TUNED = "{}-tuned"
LOSS = "validation_loss"
"""The figure of models that have it as a method: by what they stop training. It is known after each epoch."""
_WARM_UP = 2
"""Epochs after which a trial may be given up."""


class Trial(BaseModel):
    """One try.

    Attributes:
        values: the figure on each split that was measured.
        value: their mean; None where the trial was given up or failed.
        problem: why it failed.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    settings: dict[str, Any]
    values: tuple[float, ...]
    value: float | None
    state: Literal["complete", "pruned", "failed"]
    problem: str = ""
    seconds: float


@dataclass(frozen=True)
class Tuning:
    """The result of a search.

    Attributes:
        metric: the figure that was searched by.
        best: the best complete trial; the first, with the settings as they were, where none is better.
        config: the model's whole configuration with these settings.
        evaluation: of the model as it was and tuned, on the same validation parts. The tuned figure was chosen on them,
            so that it flatters; `evaluate` without `--validation` says what it is worth.
        search: arguments of `tune` that repeat it.
    """

    model: str
    metric: str
    trials: tuple[Trial, ...]
    best: Trial
    config: dict[str, Any]
    evaluation: Evaluation
    search: dict[str, Any]


def tune(
    model: str,
    *,
    protocol: str = "likes",
    data: Dataset | Path | str | None = None,
    trials: int = 30,
    ranges: Mapping[str, str] | None = None,
    metric: str | None = None,
    sampler: SamplerName | None = None,
    settings: Settings | None = None,
    lineup: Lineup | None = None,
    resamples: int = RESAMPLES,
    fingerprint: str | None = None,
    progress: Progress | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> Tuning:
    """Search for better settings of a model. Its parts, if any, keep theirs.

    Args:
        model: a name of the line-up, or of a kind of model, which is then searched from its usual settings.
        protocol: whose validation parts are asked.
        trials: how many settings to try, the present ones first.
        ranges: setting → "LOW:HIGH" or "A,B,C"; only these are searched. None: the model's `search_ranges`, or where it
            names none all with bounds, around their values.
        metric: the figure to search by; None: "validation_loss" where the model has it, else the first of the protocol.
            By the former, trials are given up between epochs.
        sampler: None: Optuna where it is installed, else at random.
        settings: of which `seed` is that of the search.
        fingerprint: of the data, where they must be the same as before.
        on_trial: called after each trial.

    Raises:
        UnknownModelError: there is no such model.
        InvalidInputError: nothing to search, a range that makes no sense, or no such figure.
    """
    chosen, settings = get_protocol(protocol), settings or Settings()
    on_progress = progress or silent
    loaded = load_source(chosen, data, settings, progress, validation=True, fingerprint=fingerprint)
    known = chosen.data(loaded.source)
    lineup = _with_kind(lineup or lineup_for(settings), model)
    stages = []
    for split in chosen.splits(loaded.source, validation=True):
        check_tasks(chosen, split)
        stages.append(_Stage.of(split, known, lineup, model, settings.memory_limit, on_progress))
    start = stages[0].unfitted
    space = search_space(start.config, ranges or start.search_ranges)
    default = {name: getattr(start.config, name) for name in space}
    figure = metric or _usual_metric(start, chosen)
    if figure == LOSS and not hasattr(start, LOSS):
        raise InvalidInputError(f"{model} has no validation loss.", "Choose another --metric.")
    kind = sampler_name(sampler)
    searcher = make_sampler(kind, space, default, maximize=not lower_is_better(figure), seed=settings.seed)
    done: list[Trial] = []
    for number in range(trials):
        on_progress(f"tuning {model}", number / trials)
        proposal = searcher.ask()

        def report(share: float, number: int = number) -> None:
            on_progress(f"tuning {model}", (number + share) / trials)

        if figure == LOSS:
            measure = _by_loss(stages, searcher.should_stop, settings.memory_limit, report)
        else:
            measure = _by_figure(stages, chosen, known, figure, searcher.should_stop, settings.memory_limit)
        trial = _try(number, proposal, measure)
        searcher.tell(trial.value)
        done.append(trial)
        if on_trial is not None:
            on_trial(trial)
    on_progress(f"tuning {model}", 1.0)
    best = _best(done, figure)
    config = type(start.config).model_validate(start.config.model_dump() | best.settings)
    tuned = TUNED.format(model)

    def both(dataset: Dataset) -> dict[str, Model[Any]]:
        candidates = lineup(dataset)
        return candidates | {tuned: type(start)(config)}

    evaluation = evaluate_in_detail(
        protocol,
        [model, tuned],
        data=data,
        settings=settings,
        validation=True,
        lineup=both,
        baseline=model,
        resamples=resamples,
        progress=progress,
    )
    search = {"model": model, "protocol": protocol, "trials": trials, "ranges": dict(ranges or {}) or None}
    search |= {"metric": figure, "sampler": kind, "resamples": resamples}
    return Tuning(model, figure, tuple(done), best, config.model_dump(mode="json"), evaluation, search)


@dataclass(frozen=True)
class _Stage:
    """One split, with the model before it is fitted and its fitted parts."""

    split: Split
    dataset: Dataset
    unfitted: Model[Any]
    parts: Mapping[str, Fitted]

    @classmethod
    def of(
        cls, split: Split, known: Dataset, lineup: Lineup, name: str, memory_limit: int, progress: Progress
    ) -> _Stage:
        dataset = known.with_ratings(split.train)
        candidates = lineup(dataset)
        model = candidates[name]
        parts = fit_models(candidates, model.parts, dataset, memory_limit=memory_limit, progress=progress)
        missing = [part for part in model.parts if part not in parts]
        smaller = model.without(missing) if missing else model
        why = model.unsuited(dataset)
        if smaller is None or why:
            raise InvalidInputError(f"{name} cannot be fitted on this data. {why or ''}".strip(), "Tune another model.")
        return cls(split, dataset, smaller, parts)

    def model(self, settings: Mapping[str, Any]) -> Model[Any]:
        """The model with these settings, unfitted."""
        config = type(self.unfitted.config).model_validate(self.unfitted.config.model_dump() | dict(settings))
        model: Model[Any] = type(self.unfitted)(config)
        if model.parts:
            model = model.bind({name: self.parts[name].model for name in model.parts})
        return model


class _GivenUpError(Exception):
    """A trial is worse than others were at the same step."""


Measure = Callable[[dict[str, Any]], Iterator[float]]
"""Settings → the figure on one split after the other. May raise `_GivenUpError`."""


def _by_figure(
    stages: Sequence[_Stage],
    protocol: Protocol,
    known: Dataset,
    figure: str,
    should_stop: Callable[[int, float], bool],
    memory_limit: int,
) -> Measure:
    """Fitted and asked, split by split; given up between splits, by the mean so far."""

    def measure(settings: dict[str, Any]) -> Iterator[float]:
        values: list[float] = []
        for step, stage in enumerate(stages):
            fitted = stage.model(settings).fit(stage.dataset, memory_limit=memory_limit)
            values.append(_value(examine(fitted, stage.split, known, protocol).metrics, figure))
            yield values[-1]
            if should_stop(step, float(np.mean(values))) and step + 1 < len(stages):
                raise _GivenUpError

    return measure


def _by_loss(
    stages: Sequence[_Stage],
    should_stop: Callable[[int, float], bool],
    memory_limit: int,
    report: Callable[[float], None],
) -> Measure:
    """What training stops by, of ratings that the model holds out itself; given up between epochs of the first split.

    Args:
        report: told which share of the trial is done, at most.
    """

    def measure(settings: dict[str, Any]) -> Iterator[float]:
        for step, stage in enumerate(stages):
            model: Any = stage.model(settings)
            model.check_memory(stage.dataset, memory_limit)

            def on_epoch(epoch: int, loss: float | None, step: int = step, epochs: int = model.config.epochs) -> None:
                report((step + epoch / epochs) / len(stages))
                if step == 0 and loss is not None and epoch > _WARM_UP and should_stop(epoch, loss):
                    raise _GivenUpError

            yield model.validation_loss(stage.dataset, on_epoch)

    return measure


def _try(number: int, settings: dict[str, Any], measure: Measure) -> Trial:
    begun = time.perf_counter()
    values: list[float] = []
    state: Literal["complete", "pruned", "failed"] = "complete"
    problem = ""
    try:
        values.extend(measure(settings))  # those before an error stay
    except _GivenUpError:
        state = "pruned"
    except (MemoryLimitError, ValidationError, DataError) as error:
        state, problem = "failed", str(error).splitlines()[0]
    return Trial(
        number=number,
        settings=settings,
        values=tuple(values),
        value=float(np.mean(values)) if state == "complete" else None,
        state=state,
        problem=problem,
        seconds=time.perf_counter() - begun,
    )


def _with_kind(lineup: Lineup, name: str) -> Lineup:
    """The line-up with a model of this kind, as it usually is, where it has none of this name."""

    def whole(dataset: Dataset) -> dict[str, Model[Any]]:
        candidates = lineup(dataset)
        if name in candidates:
            return candidates
        try:
            return candidates | {name: create(name)}
        except UnknownModelError:
            raise UnknownModelError(name, list({**candidates, **MODELS})) from None

    return whole


def _usual_metric(model: Model[Any], protocol: Protocol) -> str:
    if hasattr(model, LOSS):
        return LOSS
    return "rmse" if protocol.tasks == ("stars",) else _first_metric(protocol)


def _first_metric(protocol: Protocol) -> str:
    return f"ndcg@{protocol.k}"


def _value(metrics: Mapping[str, float], figure: str) -> float:
    """The figure; where there is one for each length of history ("ndcg@10/3"), their mean."""
    if figure in metrics:
        return metrics[figure]
    several = [value for name, value in metrics.items() if name.startswith(f"{figure}/")]
    if not several:
        raise InvalidInputError(f"There is no figure {figure!r} here.", f"Choose one of: {', '.join(metrics)}.")
    return float(np.mean(several))


def _best(trials: Sequence[Trial], figure: str) -> Trial:
    complete = [trial for trial in trials if trial.value is not None]
    if not complete:
        problem = next((trial.problem for trial in trials if trial.problem), "no trial was complete")
        raise InvalidInputError(f"No settings could be measured: {problem}.", "Give narrower ranges: --search.")
    sign = -1.0 if lower_is_better(figure) else 1.0
    return max(complete, key=lambda trial: sign * (trial.value or 0.0))
