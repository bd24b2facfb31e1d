"""Compare models of stored runs, by the values of the same users, without fitting anything."""

from __future__ import annotations

from collections.abc import Sequence

from matinee.errors import RunError
from matinee.evaluation.bootstrap import CONFIDENCE, RESAMPLES, resample
from matinee.evaluation.comparison import compare
from matinee.evaluation.figures import UserFigures, aligned
from matinee.evaluation.report import EvaluationReport, ModelResult
from matinee.evaluation.summary import best_model
from matinee.tracking.recording import report_of, unpacked
from matinee.tracking.runs import RunStore

_SAME = ("protocol", "dataset", "fingerprint", "validation", "splits")


def compare_runs(
    store: RunStore,
    run_ids: Sequence[str],
    models: Sequence[str] | None = None,
    *,
    baseline: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> EvaluationReport:
    """A report of the models of several runs of one protocol on the same data.

    Args:
        models: names; None: all. A name that several runs have is followed by the end of the run's id: "ease@1f0c3a9b".

    Raises:
        RunError: the runs cannot be compared, or have no such model.
    """
    records = [store.show(run_id) for run_id in dict.fromkeys(run_ids)]
    reports = [report_of(record) for record in records]
    for report in reports[1:]:
        for field in _SAME:
            if getattr(report, field) != getattr(reports[0], field):
                raise RunError(
                    f"The runs cannot be compared: their {field} differ.",
                    "Choose runs of one protocol and one data set.",
                )
    counts: dict[str, int] = {}
    for report in reports:
        for result in report.results:
            counts[result.name] = counts.get(result.name, 0) + 1
    results: dict[str, ModelResult] = {}
    splits: dict[str, list[UserFigures]] = {}
    for record, report in zip(records, reports, strict=True):
        figures = unpacked(record, store.values(record))
        for result in report.results:
            if models is not None and result.name not in models:
                continue
            name = result.name if counts[result.name] == 1 else f"{result.name}@{record.id[-8:]}"
            results[name] = result.model_copy(update={"name": name})
            splits[name] = aligned(figures[result.name])
    missing = [name for name in models or () if name not in counts]
    if missing or not results:
        raise RunError(f"The runs have no model {', '.join(missing)}.", f"Choose among: {', '.join(counts)}.")
    reference = baseline or best_model(results)
    if reference not in results:
        raise RunError(f"The runs have no model {reference!r}.", f"Choose one of: {', '.join(results)}.")
    names = list(dict.fromkeys(name for result in results.values() for name in result.metrics))
    drawn = {
        name: resample(own, [n for n in names if n in own[0].sums], resamples=resamples, seed=seed)
        for name, own in splits.items()
    }
    found = compare(reference, names, splits, drawn)
    return reports[0].model_copy(
        update={
            "results": tuple(
                result.model_copy(update={"comparisons": found[name]}) for name, result in results.items()
            ),
            "reference": reference,
            "resamples": resamples,
            "seed": seed,
            "confidence": CONFIDENCE,
        }
    )
