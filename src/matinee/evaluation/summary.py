"""From what was measured on each split to means, intervals, comparisons, groups and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee.evaluation.bootstrap import CONFIDENCE, Resampled, resample
from matinee.evaluation.comparison import best, compare
from matinee.evaluation.figures import UserFigures, aligned, user_means
from matinee.evaluation.groups import GroupKey, GroupResult, UserGroups, group_figures
from matinee.evaluation.measure import Predicted, Ranked
from matinee.evaluation.report import ModelResult
from matinee.evaluation.star_calibration import star_calibration
from matinee.models.base import Model


@dataclass(frozen=True)
class Examined:
    """One model on one split: its figures, those by user, and the lists and predictions they were made of."""

    metrics: dict[str, float]
    figures: UserFigures
    ranked: Ranked | None
    predicted: Predicted | None


@dataclass
class Measured:
    """One model on all splits so far.

    Attributes:
        figures: by user, of each split; those of groups are among them under the names of `keys`.
        seconds: of fitting and of scoring, of each split.
    """

    model: Model[Any] | None = None
    metrics: list[dict[str, float]] = field(default_factory=list)
    figures: list[UserFigures] = field(default_factory=list)
    keys: dict[str, GroupKey] = field(default_factory=dict)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    predicted: list[Predicted] = field(default_factory=list)

    def add(
        self,
        model: Model[Any],
        examined: Examined,
        groups: UserGroups,
        deciles: NDArray[np.int64],
        k: int,
        seconds: tuple[float, float],
    ) -> None:
        """Take in one split."""
        by_group = group_figures(examined.ranked, examined.predicted, groups, deciles, k)
        self.keys |= {key.name: key for key in by_group}
        own = dict(examined.figures.sums) | {key.name: sums for key, sums in by_group.items()}
        self.model = model
        self.metrics.append(examined.metrics)
        self.figures.append(UserFigures(examined.figures.users, own))
        self.seconds.append(seconds)
        if examined.predicted is not None:
            self.predicted.append(examined.predicted)


def summarize(measured: Mapping[str, Measured], *, baseline: str | None, resamples: int, seed: int) -> dict[str, Any]:
    """The fields of a report that are made of the figures of all splits: results, reference, resamples and seed."""
    results = {
        name: ModelResult.of(name, entry.model, entry.metrics, entry.seconds)
        for name, entry in measured.items()
        if entry.model is not None
    }
    reference = baseline or best_model(results)
    if resamples:
        splits = {name: aligned(entry.figures) for name, entry in measured.items()}
        resampled = {
            name: resample(splits[name], _common(splits[name]), resamples=resamples, seed=seed) for name in results
        }
        names = dict.fromkeys(name for result in results.values() for name in result.metrics)
        comparisons = compare(reference, list(names), splits, resampled)
        for name, entry in measured.items():
            own = resampled[name]
            intervals = {
                metric: interval
                for metric in own.names
                if metric not in entry.keys and (interval := own.interval(metric)) is not None
            }
            changes: dict[str, Any] = {
                "intervals": intervals,
                "comparisons": comparisons.get(name, {}),
                "groups": _group_results(entry, own, splits[name]),
            }
            if entry.predicted:
                changes["calibration"] = star_calibration(
                    np.concatenate([part.predicted for part in entry.predicted]),
                    np.concatenate([part.actual for part in entry.predicted]),
                )
            results[name] = results[name].model_copy(update=changes)
    return {
        "results": tuple(results.values()),
        "reference": reference,
        "resamples": resamples,
        "confidence": CONFIDENCE,
        "seed": seed,
    }


def best_model(results: Mapping[str, ModelResult]) -> str:
    """The best by the first figure; of equals the first."""
    first = next(iter(next(iter(results.values())).metrics))
    return best({name: result.metrics[first] for name, result in results.items() if first in result.metrics}, first)


def _common(splits: list[UserFigures]) -> list[str]:
    return [name for name in splits[0].sums if all(name in split.sums for split in splits)]


def _group_results(entry: Measured, own: Resampled, splits: list[UserFigures]) -> tuple[GroupResult, ...]:
    result = []
    for place, name in enumerate(own.names):
        key, value = entry.keys.get(name), float(own.estimates[place])
        if key is not None and np.isfinite(value):
            result.append(
                GroupResult(
                    dimension=key.dimension,
                    group=key.group,
                    metric=key.metric,
                    value=value,
                    interval=own.interval(name),
                    users=int(np.isfinite(user_means(splits, name)).sum()),
                )
            )
    return tuple(result)
