"""Log stored runs to MLflow: one run each, and one below it for each model."""

from __future__ import annotations

import json
from typing import Any

from matinee.evaluation.html_report import charts
from matinee.evaluation.report import EvaluationReport, ModelResult
from matinee.settings import Settings
from matinee.tracking.mlflow_store import (
    FINGERPRINT,
    RUN,
    connect,
    experiment,
    failures,
    flat,
    log_dataset,
    log_metrics,
    log_params,
    store_url,
)
from matinee.tracking.recording import report_of
from matinee.tracking.runs import RECORD, REPORT, VALUES, RunRecord, RunStore
from matinee.tracking.signature import model_signature

_PARENT = "mlflow.parentRunId"


def log_run(store: RunStore, record: RunRecord, settings: Settings) -> str:
    """Log a run and return its id in MLflow; one that is there already is not logged twice.

    Parameters, figures with intervals, the data set's fingerprint, the signature of the models, and as artifacts the
    report, its charts and the files that repeat the run.

    Raises:
        MissingExtraError: MLflow is not installed.
        TrackingError: MLflow does not answer, or refuses.
    """
    client = connect(settings)
    report = report_of(record)
    with failures(store_url(settings)):
        place = experiment(client, settings, experiment_name(report))
        there = client.search_runs([place], f"tags.`{RUN}` = '{record.id}' and tags.`matinee.kind` = '{record.kind}'")
        finished = [run for run in there if run.info.status == "FINISHED"]
        if finished:
            return str(finished[0].info.run_id)
        tags = {RUN: record.id, "matinee.kind": record.kind, FINGERPRINT: report.fingerprint}
        tags |= {"mlflow.note.content": report.description, "matinee.part": report.part}
        run_id = str(client.create_run(place, tags=tags, run_name=f"{record.kind} {record.id}").info.run_id)
        try:
            _log_whole(client, run_id, store, record, report)
            for result in report.results:
                _log_model(client, place, run_id, record, report, result)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
    return run_id


def experiment_name(report: EvaluationReport) -> str:
    """Runs of one protocol on data of one name, which can be compared, are together."""
    return f"matinee: {report.protocol} on {report.dataset}{' (validation)' if report.validation else ''}"


def _log_whole(client: Any, run_id: str, store: RunStore, record: RunRecord, report: EvaluationReport) -> None:
    params = record.request.model_dump(mode="json", exclude={"search"}) | flat(record.request.search or {}, "search.")
    params["splits"] = ", ".join(report.splits)
    if report.environment is not None:
        params |= {f"version.{name}": version for name, version in report.environment.versions.items()}
        params |= {"blas_threads": report.environment.blas_threads, "machine": report.environment.machine}
    log_params(client, run_id, params)
    profile = {"users": report.users, "films": report.films, "ratings": report.ratings}
    log_dataset(client, run_id, report.dataset, report.fingerprint, record.request.data, json.dumps(profile))
    best = report.result(report.reference)
    log_metrics(client, run_id, {**best.metrics, **_ends(best)})
    for step, trial in enumerate(record.trials):
        log_metrics(client, run_id, {"trial": trial["value"]}, step=step)
    # What is predicted is stars or scores of all movies; both have the same form.
    client.log_dict(run_id, model_signature(report.films, report.scale), "signature.json")
    for name in (RECORD, VALUES, REPORT):
        client.log_artifact(run_id, str(store.root / record.id / name))
    for name, svg in charts(report).items():
        client.log_text(run_id, svg, f"charts/{name}.svg")


def _log_model(
    client: Any, place: str, parent: str, record: RunRecord, report: EvaluationReport, result: ModelResult
) -> None:
    tags = {_PARENT: parent, RUN: record.id, "matinee.model": result.name, FINGERPRINT: report.fingerprint}
    run_id = str(client.create_run(place, tags=tags, run_name=result.name).info.run_id)
    log_params(client, run_id, {"model": result.name, "kind": result.kind} | flat(result.config, "config."))
    metrics: dict[str, float | None] = {**result.metrics, **_ends(result)}
    metrics |= {"fit_seconds": result.fit_seconds, "score_seconds": result.score_seconds, "bytes": float(result.bytes)}
    for name, comparison in result.comparisons.items():
        metrics |= {f"{name}.difference": comparison.difference, f"{name}.p_holm": comparison.p_holm}
    for group in result.groups:
        metrics[f"{group.metric}/{group.dimension}/{group.group}"] = group.value
    if result.calibration is not None:
        metrics |= {"calibration.slope": result.calibration.slope}
        metrics |= {"calibration.intercept": result.calibration.intercept}
    log_metrics(client, run_id, metrics)
    for step, split in enumerate(result.per_split):
        log_metrics(client, run_id, {f"{name}.split": value for name, value in split.items()}, step=step)
    profile = {"users": report.users, "films": report.films, "ratings": report.ratings}
    log_dataset(client, run_id, report.dataset, report.fingerprint, record.request.data, json.dumps(profile))
    client.set_terminated(run_id, "FINISHED")


def _ends(result: ModelResult) -> dict[str, float | None]:
    ends: dict[str, float | None] = {}
    for name, (low, high) in result.intervals.items():
        ends |= {f"{name}.low": low, f"{name}.high": high}
    return ends
