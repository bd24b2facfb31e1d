"""From an evaluation to a stored run, and from a stored run back to figures by user."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from matinee.evaluation.experiment import Evaluation
from matinee.evaluation.figures import Sums, UserFigures
from matinee.evaluation.html_report import html_report
from matinee.evaluation.report import EvaluationReport
from matinee.tracking.runs import Arrays, Kind, Request, RunRecord, RunStore, StoredFigures, new_run_id


def record_run(
    store: RunStore,
    kind: Kind,
    evaluation: Evaluation,
    *,
    memory_limit: int,
    baseline: str | None = None,
    search: dict[str, Any] | None = None,
    trials: tuple[dict[str, Any], ...] = (),
) -> RunRecord:
    """Store an evaluation.

    Raises:
        RunError: it cannot be written.
    """
    record, arrays = packed(
        kind, evaluation, memory_limit=memory_limit, baseline=baseline, search=search, trials=trials
    )
    store.save(record, arrays, html_report(evaluation.report, run=record.id, trials=trials))
    return store.show(record.id)


def packed(
    kind: Kind,
    evaluation: Evaluation,
    *,
    memory_limit: int,
    baseline: str | None = None,
    search: dict[str, Any] | None = None,
    trials: tuple[dict[str, Any], ...] = (),
) -> tuple[RunRecord, Arrays]:
    """The record and the arrays of an evaluation, before they are written."""
    report = evaluation.report
    arrays: Arrays = {}
    figures: dict[str, tuple[StoredFigures, ...]] = {}
    numbers = itertools.count()
    for model, splits in evaluation.figures.items():
        stored = []
        for split in splits:
            key, names = f"a{next(numbers)}", tuple(split.sums)
            columns = [split.sums[name] for name in names]
            arrays[f"{key}.users"] = split.users
            arrays[f"{key}.numerators"] = np.column_stack([entry.numerators for entry in columns])
            arrays[f"{key}.denominators"] = np.column_stack([entry.denominators for entry in columns])
            roots = tuple(name for name in names if split.sums[name].root)
            stored.append(StoredFigures(key=key, names=names, roots=roots))
        figures[model] = tuple(stored)
    alike = all(lineup == evaluation.lineups[0] for lineup in evaluation.lineups)
    request = Request(
        protocol=report.protocol,
        models=evaluation.asked,
        data=evaluation.data,
        validation=report.validation,
        baseline=baseline,
        resamples=report.resamples,
        seed=report.seed,
        memory_limit=memory_limit,
        search=search,
    )
    record = RunRecord(
        id=new_run_id(),
        created=datetime.now(UTC),
        kind=kind,
        request=request,
        report=report.model_dump(mode="json"),
        lineups=evaluation.lineups[:1] if alike else evaluation.lineups,
        figures=figures,
        trials=trials,
    )
    return record, arrays


def report_of(record: RunRecord) -> EvaluationReport:
    """The report of a run."""
    return EvaluationReport.model_validate(record.report)


def unpacked(record: RunRecord, arrays: Arrays) -> dict[str, list[UserFigures]]:
    """Figures by user of each model and split, as they were measured."""
    return {
        model: [
            UserFigures(
                arrays[f"{stored.key}.users"],
                {
                    name: Sums(
                        arrays[f"{stored.key}.numerators"][:, place],
                        arrays[f"{stored.key}.denominators"][:, place],
                        name in stored.roots,
                    )
                    for place, name in enumerate(stored.names)
                },
            )
            for stored in splits
        ]
        for model, splits in record.figures.items()
    }


def values_differ(before: Mapping[str, list[UserFigures]], after: Mapping[str, list[UserFigures]]) -> list[str]:
    """Figures of which some user's value is not the same to the last bit: "blend, split 1: ndcg@10 (3 users)"."""
    lines = []
    for model in dict.fromkeys([*before, *after]):
        if model not in before or model not in after:
            lines.append(f"{model}: only in {'the stored run' if model in before else 'the repetition'}")
            continue
        for number, (old, new) in enumerate(zip(before[model], after[model], strict=True), start=1):
            if not np.array_equal(old.users, new.users) or set(old.sums) != set(new.sums):
                lines.append(f"{model}, split {number}: other users or figures")
                continue
            for name, sums in old.sums.items():
                other = new.sums[name]
                unequal = (sums.numerators != other.numerators) | (sums.denominators != other.denominators)
                if unequal.any():
                    lines.append(f"{model}, split {number}: {name} ({int(unequal.sum())} users)")
    return lines
