"""Repeat a stored run with the same data, configurations, seeds and threads, and compare every digit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from matinee._util.progress import Progress
from matinee.data.dataset import Dataset
from matinee.errors import RunError
from matinee.evaluation.environment import Environment
from matinee.evaluation.experiment import Evaluation, evaluate_in_detail
from matinee.evaluation.tune import tune
from matinee.models import create
from matinee.models.base import Model
from matinee.models.lineup import Lineup
from matinee.settings import Settings
from matinee.tracking.recording import report_of, unpacked, values_differ
from matinee.tracking.runs import RunRecord, RunStore

_NOT_FIGURES = ("fit_seconds", "score_seconds", "seconds", "created", "versions", "environment", "notes")
"""Fields that may differ between equal runs: times, machines, and where credits could not be had."""


@dataclass(frozen=True)
class Repetition:
    """A run and its repetition.

    Attributes:
        figures: how many were compared.
        differences: one line for each that is not the same.
        changes: of the environment: versions, machine, threads.
    """

    evaluation: Evaluation
    figures: int
    differences: tuple[str, ...]
    changes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every figure is the same to the digit."""
        return not self.differences


def rerun(
    store: RunStore,
    run_id: str,
    settings: Settings,
    *,
    data: Dataset | str | None = None,
    progress: Progress | None = None,
) -> Repetition:
    """Repeat a run.

    Args:
        data: where the data are now; None: where they were.

    Raises:
        RunError: no such run, or its data were given as an object.
        InvalidInputError: the data are not what they were.
    """
    record = store.show(run_id)
    arrays = store.values(record)
    request, before = record.request, report_of(record)
    source = data if data is not None else request.data
    if source is None:
        raise RunError("The run was of data in memory, which are not stored.", "Name the data: --data FOLDER.")
    own = settings.model_copy(update={"seed": request.seed, "memory_limit": request.memory_limit})
    threads = before.environment.blas_threads if before.environment else None
    limits: AbstractContextManager[Any] = (
        nullcontext() if threads is None else threadpool_limits(threads, user_api="blas")
    )
    trials: tuple[dict[str, Any], ...] = ()
    with limits:
        if record.kind == "tune":
            found = tune(
                **(request.search or {}), data=source, settings=own, fingerprint=before.fingerprint, progress=progress
            )
            evaluation, trials = found.evaluation, tuple(trial.model_dump(mode="json") for trial in found.trials)
        else:
            evaluation = evaluate_in_detail(
                request.protocol,
                request.models,
                data=source,
                settings=own,
                validation=request.validation,
                lineup=stored_lineup(record),
                baseline=request.baseline,
                resamples=request.resamples,
                fingerprint=before.fingerprint,
                progress=progress,
            )
        environment = Environment.here()
    old = dict(leaves({"report": before.model_dump(mode="json"), "trials": list(record.trials)}))
    new = dict(leaves({"report": evaluation.report.model_dump(mode="json"), "trials": list(trials)}))
    lines = [f"{path}: {old.get(path)!r} → {new.get(path)!r}" for path in {**old, **new} if not _equal(path, old, new)]
    lines += values_differ(unpacked(record, arrays), {name: list(own) for name, own in evaluation.figures.items()})
    n_values = sum(array.size for name, array in arrays.items() if name.endswith(".numerators"))
    changes = environment_changes(before.environment, environment)
    return Repetition(evaluation, len(old) + n_values, tuple(lines), tuple(changes))


def _equal(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return path in old and path in new and bool(old[path] == new[path])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values of the figures in a report as JSON: "results/0/metrics/ndcg@10"."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in _NOT_FIGURES:
                yield from leaves(inner, f"{path}/{name}" if path else name)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{number}")
    else:
        yield path, value


def stored_lineup(record: RunRecord) -> Lineup:
    """Makes the models of a run, split after split, with the configurations that they had."""
    number = 0

    def lineup(_: Dataset) -> dict[str, Model[Any]]:
        nonlocal number
        models = record.lineups[min(number, len(record.lineups) - 1)]
        number += 1
        return {name: create(entry["kind"], **entry["config"]) for name, entry in models.items()}

    return lineup


def environment_changes(before: Environment | None, after: Environment) -> list[str]:
    """What is different now, one line each."""
    if before is None:
        return ["The run does not say where it was made."]
    old, new = before.model_dump(), after.model_dump()
    lines = [
        f"{name}: {old['versions'].get(name, 'none')} then, {new['versions'].get(name, 'none')} now"
        for name in {**old["versions"], **new["versions"]}
        if old["versions"].get(name) != new["versions"].get(name)
    ]
    lines += [f"{name}: {old[name]} then, {new[name]} now" for name in ("system", "machine") if old[name] != new[name]]
    if before.blas_threads != after.blas_threads:
        lines.append(f"BLAS threads: {before.blas_threads} then, {after.blas_threads} now")
    return lines
