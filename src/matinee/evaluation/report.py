"""The result of an evaluation, as a record, a table, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from matinee.evaluation.peers import Peer
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
        )


class EvaluationReport(BaseModel):
    """Everything needed to judge and to repeat an evaluation."""

    model_config = ConfigDict(frozen=True)

    protocol: str
    description: str
    dataset: str
    fingerprint: str
    films: int
    users: int
    ratings: int
    validation: bool
    splits: tuple[str, ...]
    results: tuple[ModelResult, ...]
    peers: tuple[Peer, ...]
    versions: dict[str, str]
    created: str
    notes: tuple[str, ...] = ()

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
        names = list(dict.fromkeys(key for entry in self.results for key in entry.metrics))
        first = names[0]
        lower_is_better = first in ("rmse", "mae")
        worst = float("inf") if lower_is_better else float("-inf")
        ordered = sorted(self.results, key=lambda entry: entry.metrics.get(first, worst), reverse=not lower_is_better)
        rows = [
            [
                entry.name,
                *(_cell(key, entry.metrics, entry.deviations) for key in names),
                f"{entry.fit_seconds:.2f}",
                f"{entry.score_seconds:.2f}",
            ]
            for entry in ordered
        ]
        rows += [
            [f"{peer.name} ({peer.source})", *(_cell(key, peer.metrics, {}) for key in names), "", ""]
            for peer in self.peers
        ]
        return ["model", *names, "fit s", "score s"], rows

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
            "",
            ", ".join(f"{name} {version}" for name, version in self.versions.items()),
        ]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """Indented JSON; `EvaluationReport.model_validate_json` reads it back."""
        return self.model_dump_json(indent=2)


def _cell(key: str, values: dict[str, float], deviations: dict[str, float]) -> str:
    if key not in values:
        return ""
    digits = _DIGITS.get(key.partition("@")[0], 3)
    spread = f" ± {deviations[key]:.{digits}f}" if deviations.get(key) else ""
    return f"{values[key]:.{digits}f}{spread}"
