"""The result of an evaluation, as a record, a table, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from matinee.evaluation.bootstrap import CONFIDENCE
from matinee.evaluation.comparison import Comparison, lower_is_better, metric_of
from matinee.evaluation.environment import Environment
from matinee.evaluation.groups import GroupResult
from matinee.evaluation.peers import Peer
from matinee.evaluation.star_calibration import StarCalibration
from matinee.models.base import Model

_DIGITS = {"ndcg": 4, "rmse": 4, "mae": 4, "map": 4, "novelty": 2}


class ModelResult(BaseModel):
    """What one model reached.

    Attributes:
        kind: of model (`matinee.models.MODELS`).
        metrics: means over the splits.
        deviations: standard deviations over the splits; empty for one split.
        per_split: metrics of each split.
        fit_seconds: mean over the splits, its parts' included.
        score_seconds: mean over the splits: scoring, ranking and measuring all users.
        bytes: of the fitted parameters, without those of its parts.
        intervals: of the means, by resampling users (`matinee.evaluation.bootstrap`).
        comparisons: with the report's reference, by figure; empty for the reference itself.
        groups: figures of groups of users and movies.
        calibration: of predicted stars.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    config: dict[str, Any]
    metrics: dict[str, float]
    deviations: dict[str, float]
    per_split: tuple[dict[str, float], ...]
    fit_seconds: float
    score_seconds: float
    bytes: int = 0
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    comparisons: dict[str, Comparison] = Field(default_factory=dict)
    groups: tuple[GroupResult, ...] = ()
    calibration: StarCalibration | None = None

    @classmethod
    def of(
        cls,
        name: str,
        model: Model[Any],
        per_split: Sequence[dict[str, float]],
        seconds: Sequence[tuple[float, float]],
    ) -> Self:
        """Summarize the splits of one model; `seconds` holds (fit, score) of each."""
        values = {key: np.array([split[key] for split in per_split]) for key in per_split[0]}
        several = len(per_split) > 1
        return cls(
            name=name,
            kind=model.name,
            config=model.config.model_dump(mode="json"),
            metrics={key: float(by_split.mean()) for key, by_split in values.items()},
            deviations={key: float(by_split.std(ddof=1)) for key, by_split in values.items()} if several else {},
            per_split=tuple(per_split),
            fit_seconds=float(np.mean([fit for fit, _ in seconds])),
            score_seconds=float(np.mean([score for _, score in seconds])),
            bytes=sum(array.nbytes for array in model.state().values()),
        )


class EvaluationReport(BaseModel):
    """Everything needed to judge an evaluation; a stored run has what repeats it too.

    Attributes:
        reference: the model that the others are compared with.
        confidence: of the intervals; `resamples` and `seed` are those of the bootstrap (0 resamples: no intervals).
        group_notes: how users were put into groups.
    """

    model_config = ConfigDict(frozen=True)

    protocol: str
    description: str
    dataset: str
    fingerprint: str
    films: int
    users: int
    ratings: int
    scale: tuple[float, float] = (0.5, 5.0)
    validation: bool
    splits: tuple[str, ...]
    results: tuple[ModelResult, ...]
    peers: tuple[Peer, ...]
    versions: dict[str, str]
    created: str
    notes: tuple[str, ...] = ()
    reference: str = ""
    confidence: float = CONFIDENCE
    resamples: int = 0
    seed: int = 0
    group_notes: tuple[str, ...] = ()
    environment: Environment | None = None

    @property
    def part(self) -> str:
        """Which part of the data the figures are of, in words."""
        return "validation part (a fifth of the users)" if self.validation else "test"

    def result(self, name: str) -> ModelResult:
        """The result of one model, by name.

        Raises:
            KeyError: it was not measured.
        """
        for entry in self.results:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Column names and rows of text: our models (best first by the first metric), then the published figures."""
        names = self.metric_names
        rows = [
            [
                entry.name,
                *(_cell(key, entry.metrics, entry.intervals) for key in names),
                *self._p_cell(entry),
                f"{entry.fit_seconds:.2f}",
                f"{entry.score_seconds:.2f}",
            ]
            for entry in self.ordered
        ]
        width = len(self._p_column)
        rows += [
            [f"{peer.name} ({peer.source})", *(_cell(key, peer.metrics, {}) for key in names), *[""] * (width + 2)]
            for peer in self.peers
        ]
        return ["model", *names, *self._p_column, "fit s", "score s"], rows

    @property
    def metric_names(self) -> list[str]:
        """Names of all figures, the main one first."""
        return list(dict.fromkeys(key for entry in self.results for key in entry.metrics))

    @property
    def ordered(self) -> list[ModelResult]:
        """The results, best first by the first figure; those without it last."""
        first = self.metric_names[0]
        sign = 1.0 if lower_is_better(first) else -1.0
        return sorted(self.results, key=lambda entry: sign * entry.metrics.get(first, -sign * float("inf")))

    @property
    def _p_column(self) -> list[str]:
        return ["p"] if any(entry.comparisons for entry in self.results) else []

    def _p_cell(self, entry: ModelResult) -> list[str]:
        comparison = entry.comparisons.get(self.metric_names[0])
        return [_p(comparison.p_holm) if comparison else ""] if self._p_column else []

    @property
    def reading(self) -> list[str]:
        """How to read intervals and tests, in sentences; empty without them."""
        if not self.resamples:
            return []
        first = self.metric_names[0]
        lines = [
            f"[ ]: {self.confidence:.0%} intervals (BCa, {self.resamples:,} resamples of users, seed {self.seed}): "
            "other users, the same models and splits."
        ]
        if self._p_column:
            lines.append(
                f"p: {first} against {self.reference}, Wilcoxon's signed-rank test over users, corrected by Holm."
            )
        return lines

    def comparison_table(self, metrics: Sequence[str] | None = None) -> tuple[list[str], list[list[str]]]:
        """Every model beside the reference: differences with intervals, p-values, and users for whom it is better.

        Args:
            metrics: figures; None: all that were compared.
        """
        rows = [
            [
                entry.name,
                name,
                f"{entry.metrics[name]:.{_digits(name)}f}",
                comparison.reference,
                f"{comparison.difference:+.{_digits(name)}f}"
                + (_interval(comparison.interval, _digits(name), sign="+") if comparison.interval else ""),
                _p(comparison.p),
                _p(comparison.p_holm),
                f"{comparison.better}:{comparison.worse}:{comparison.equal}",
            ]
            for entry in self.ordered
            for name, comparison in entry.comparisons.items()
            if metrics is None or name in metrics
        ]
        return ["model", "figure", "value", "compared with", "difference", "p", "p (Holm)", "better:worse:equal"], rows

    def calibration_table(self) -> tuple[list[str], list[list[str]]]:
        """Actual on predicted stars: the line over all ratings of each model; of a single model over each tenth too."""
        found = [(entry.name, entry.calibration) for entry in self.ordered if entry.calibration is not None]
        rows = [[name, "all", "", "", f"{one.slope:.3f}", f"{one.intercept:+.3f}"] for name, one in found]
        if len(found) == 1:
            name, one = found[0]
            rows += [
                [
                    name,
                    f"tenth {number}",
                    f"{part.predicted:.3f}",
                    f"{part.actual:.3f}",
                    f"{part.slope:.3f}",
                    f"{part.intercept:+.3f}",
                ]
                for number, part in enumerate(one.bins, 1)
            ]
        return ["model", "predictions", "predicted", "actual", "slope", "intercept"], rows

    def to_markdown(self) -> str:
        """A Markdown section with the table and what is needed to repeat it."""
        columns, rows = self.table()
        lines = [
            f"### {self.protocol} on {self.dataset}",
            "",
            f"{self.description} ({self.part}). {self.users:,} users, {self.films:,} films, {self.ratings:,} ratings; "
            f"splits: {', '.join(self.splits)}; data {self.fingerprint[:12]}.",
            "",
            "| " + " | ".join(columns) + " |",
            "|---" + "|---:" * (len(columns) - 1) + "|",
            *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
            *(("", *(f"* {note}" for note in self.notes)) if self.notes else ()),
            *(("", *(f"* {line}" for line in self.reading)) if self.resamples else ()),
            "",
            ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Indented JSON; `EvaluationReport.model_validate_json` reads it back."""
        return self.model_dump_json(indent=2)


def _digits(name: str) -> int:
    return _DIGITS.get(metric_of(name), 3)


def _cell(key: str, values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> str:
    if key not in values:
        return ""
    digits = _digits(key)
    interval = _interval(intervals[key], digits) if key in intervals else ""
    return f"{values[key]:.{digits}f}{interval}"


def _interval(ends: tuple[float, float], digits: int, sign: str = "") -> str:
    low, high = (f"{end:{sign}.{digits}f}" for end in ends)
    return f" [{low}, {high}]"


def _p(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
