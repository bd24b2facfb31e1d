"""The commands train, evaluate and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matinee.cli.console import (
    NARROW,
    AsJson,
    ColumnMap,
    load_settings,
    note,
    number,
    print_json,
    progress_bar,
    table,
)
from matinee.cli.experiments import print_logged
from matinee.cli.processes import end_with_stdin
from matinee.cli.reading import MapValues, StarScale, Unrated, reading
from matinee.cli.spark import DEFAULT_MASTER, Master, SparkConf, parse_conf
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.evaluation.experiment import Evaluation
    from matinee.evaluation.report import EvaluationReport
    from matinee.settings import Settings
    from matinee.tracking.runs import Kind


class Where(StrEnum):
    """What reads the data and fits the models."""

    local = "local"
    spark = "spark"


DataOption = Annotated[
    str | None, typer.Option("--data", "-d", help="A name of `matinee data list`, a folder of files, or auto.")
]


def train(
    data: DataOption = None,
    map: ColumnMap = None,
    map_values: MapValues = None,
    unrated: Unrated = None,
    scale: StarScale = None,
    promote: Annotated[bool, typer.Option(help="Serve the new snapshot at once.")] = True,
    measure: Annotated[bool, typer.Option(help="Measure on held-out ratings as well, which fits twice.")] = True,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only three models, in seconds: no measuring, no vectors of texts.")
    ] = False,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental", help="Begin with the snapshot in service, in less time: same settings, no measuring."
        ),
    ] = False,
    memory_budget: Annotated[
        float | None,
        typer.Option("--memory-budget", min=0, help="GiB that the training may take (default: what the machine has)."),
    ] = None,
    engine: Annotated[Where, typer.Option(help="What reads the data and fits the models.")] = Where.local,
    master: Master = None,
    spark_conf: SparkConf = None,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
    json: AsJson = False,
) -> None:
    """Fit all models on a data set and what the store holds; write one snapshot."""
    from matinee.snapshots import SnapshotRegistry

    if beside:
        end_with_stdin()
    budget = None if memory_budget is None else round(memory_budget * 2**30)
    settings = load_settings(data=data, memory_budget=budget)
    meaning = reading(map, map_values, unrated, scale)
    if engine == Where.spark:
        from matinee.spark.train import train as run_on_spark

        if quick or incremental:
            kind = "A quick" if quick else "An incremental"
            raise InvalidInputError(
                f"{kind} training is done here, not on Spark.", "Leave it out, or leave out --engine spark."
            )
        conf, master = parse_conf(spark_conf), master or DEFAULT_MASTER
        run: Callable[..., str] = partial(run_on_spark, master=master, spark_settings=conf)
    else:
        from matinee.training.pipeline import train as run_here

        if master or spark_conf:
            raise InvalidInputError("--master and --spark-conf are Spark's.", "Add --engine spark.")
        run = partial(run_here, quick=quick, incremental=incremental)
    with progress_bar() as progress:
        snapshot_id = run(settings, promote=promote, measure=measure, **meaning, progress=progress)
    manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
    if settings.tracking:
        from matinee.tracking.mlflow_registry import register_snapshot

        version = register_snapshot(settings, snapshot_id)
        note(f"Registered with MLflow as version {version} of {settings.registry_model}.")
    if json:
        print_json(
            {"snapshot": snapshot_id, "promoted": promote, "dataset": manifest.dataset, "metrics": manifest.metrics}
        )
        return
    typer.echo(f"Snapshot {snapshot_id} of {manifest.dataset}: {manifest.n_ratings:,} ratings.")
    if "incremental" in manifest.settings:
        print_changes(manifest.settings["incremental"])
    if manifest.metrics:
        print_metrics(manifest.metrics, "On held-out ratings")
    for line in manifest.report.notes:
        note(line)
    for name, why in manifest.settings.get("skipped", {}).items():
        note(f"Left out: {name}. {why}")
    typer.echo("It is served from now on." if promote else f"Serve it with: matinee snapshots promote {snapshot_id}")


def print_changes(made_from: Mapping[str, Any]) -> None:
    """Print what an incremental training began with, and what has changed since."""
    changes = [f"{number:,} {what.replace('_', ' ')}" for what, number in made_from["changes"].items() if number]
    typer.echo(f"Begun with {made_from['base']}: {', '.join(changes) or 'nothing has changed since'}.")
    typer.echo(
        f"{made_from['share']:.1%} have changed since the last whole training ({made_from['whole']}), "
        "whose weights of the blend are kept; nothing was measured."
    )


def print_metrics(metrics: Mapping[str, Mapping[str, float | None]], title: str) -> None:
    """Print a table of models × metrics."""
    names = list(dict.fromkeys(name for row in metrics.values() for name in row))
    rows = [[model, *(number(row.get(name), 4) for name in names)] for model, row in metrics.items()]
    table(title, ["Model", *names], rows, right=names)


def main_columns(columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The main columns, so that the table fits into `NARROW` characters. JSON and Markdown have all columns.

    Of metrics with several variants ("ndcg@10/3") only nDCG is shown. If the table is still too wide, intervals of all
    but the main metric are left out, then MAP and precision, and the main metric's interval last.
    """
    main = ("model", "ndcg", "precision", "recall", "map", "disliked@", "rmse", "mae", "p", "fit", "score")
    keep = [
        i
        for i, name in enumerate(columns)
        if name.startswith(main) and ("/" not in name or "ndcg" in name) and name != "predicted"
    ]
    columns, rows = [columns[i] for i in keep], [[row[i] for i in keep] for row in rows]
    if table_width(columns, rows) > NARROW:
        rows = [[*row[:2], *(cell.partition(" [")[0] for cell in row[2:])] for row in rows]
    for extra in ("map", "precision"):
        if table_width(columns, rows) > NARROW:
            keep = [i for i, name in enumerate(columns) if i < 2 or not name.startswith(extra)]
            columns, rows = [columns[i] for i in keep], [[row[i] for i in keep] for row in rows]
    if table_width(columns, rows) > NARROW:
        rows = [[cell.partition(" [")[0] for cell in row] for row in rows]
    return columns, rows


def table_width(columns: list[str], rows: list[list[str]]) -> int:
    """Characters that a table takes: names wrap at spaces, numbers do not; each cell has a padding and a separator."""
    names = max(len(word) for row in rows for word in row[0].split())
    numbers = sum(max(map(len, column)) for column in list(zip(columns, *rows, strict=True))[1:])
    return names + numbers + 3 * len(columns) + 1


Data = Annotated[str | None, typer.Option("--data", "-d", help="Folder or name of the data.")]
Validation = Annotated[
    bool, typer.Option("--validation", help="For choosing settings: a fifth of the users, no test ratings.")
]
Baseline = Annotated[
    str | None, typer.Option("--baseline", "-b", help="Model that the others are compared with (default: the best).")
]
Save = Annotated[bool, typer.Option(help="Keep the run, with its HTML report (`matinee runs`).")]
Track = Annotated[bool | None, typer.Option(help="Log the run to MLflow (default: the setting `tracking`).")]


def _check_logged(protocol: str, model: list[str] | None) -> None:
    if protocol or len(model or ()) > 1:
        raise InvalidInputError(
            "--logged takes no protocol and one model at most.",
            "Write `matinee evaluate --logged EXPERIMENT --model ease`.",
        )


def evaluate(
    protocol: Annotated[
        str, typer.Argument(metavar="PROTOCOL", help="Name of a protocol; an unknown name lists all.")
    ] = "",
    data: Data = None,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="A model (repeat for more).")] = None,
    logged: Annotated[
        str | None,
        typer.Option(
            "--logged",
            metavar="EXPERIMENT",
            help="Instead: what a model, or another share of exploration, would have earned in an experiment that drew "
            "places at random (IPS, SNIPS, doubly robust).",
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option(help="With --logged: the arm whose lists are used; default: the first.")
    ] = None,
    exploration: Annotated[
        float, typer.Option(min=0, max=1, help="With --logged: share of the places that the policy draws.")
    ] = 0.0,
    validation: Validation = False,
    baseline: Baseline = None,
    save: Save = True,
    track: Track = None,
    json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Measure models by a fixed protocol, with intervals, and with published figures beside them."""
    if logged is not None:
        _check_logged(protocol, model)
        print_logged(logged, arm, model[0] if model else None, exploration, json)
        return
    if not protocol:
        raise InvalidInputError("No protocol was named.", "Write `matinee evaluate likes`, or use --logged EXPERIMENT.")
    from matinee.evaluation.experiment import evaluate_in_detail

    settings = load_settings()
    with progress_bar() as progress:
        evaluation = evaluate_in_detail(
            protocol,
            model or None,
            data=data,
            settings=settings,
            validation=validation,
            baseline=baseline,
            progress=progress,
        )
    report = evaluation.report
    run = keep_run("evaluate", evaluation, settings, save=save, track=track, baseline=baseline)
    if json:
        print_json({**report.model_dump(mode="json"), "run": run})
    elif markdown:
        typer.echo(report.to_markdown())
    else:
        print_report(report)


def compare(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models; none: all.")] = None,
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="A protocol.")] = "likes",
    data: Data = None,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="Compare models of stored runs instead (again for more).")
    ] = None,
    validation: Validation = False,
    baseline: Baseline = None,
    save: Save = True,
    track: Track = None,
    json: AsJson = False,
) -> None:
    """Compare models by the same users: differences with intervals, and paired tests corrected for their number."""
    settings = load_settings()
    if run:
        from matinee.tracking.run_comparison import compare_runs
        from matinee.tracking.runs import RunStore

        report = compare_runs(RunStore(settings.runs_dir), run, models or None, baseline=baseline, seed=settings.seed)
        run_id = None
    else:
        from matinee.evaluation.experiment import evaluate_in_detail

        with progress_bar() as progress:
            evaluation = evaluate_in_detail(
                protocol,
                models or None,
                data=data,
                settings=settings,
                validation=validation,
                baseline=baseline,
                progress=progress,
            )
        report = evaluation.report
        run_id = keep_run("compare", evaluation, settings, save=save, track=track, baseline=baseline)
    if json:
        print_json({**report.model_dump(mode="json"), "run": run_id})
        return
    columns, rows = report.comparison_table()
    if not rows:
        typer.echo(f"{report.reference} alone was measured: there is nothing to compare it with.")
        return
    table(f"{report.protocol} on {report.dataset}, {report.part}", columns, rows, right=(columns[2], *columns[4:]))
    for line in (*report.reading, *report.notes):
        note(line)


def print_report(report: EvaluationReport) -> None:
    """Print the main columns of a report as a table, the calibration of stars, and how to read them."""
    columns, rows = main_columns(*report.table())
    title = f"{report.protocol} on {report.dataset}, {report.part}: {report.description}"
    table(title, columns, rows, right=columns[1:])
    columns, rows = report.calibration_table()
    if rows:
        table("Calibration of stars: actual on predicted", columns, rows, right=columns[2:])
    for line in (*report.reading, *report.notes):
        note(line)


def keep_run(
    kind: Kind,
    evaluation: Evaluation,
    settings: Settings,
    *,
    save: bool,
    track: bool | None,
    baseline: str | None = None,
    search: dict[str, Any] | None = None,
    trials: tuple[dict[str, Any], ...] = (),
) -> str | None:
    """Store a run, log it to MLflow where that is wanted, print its id as a note, and return it."""
    from matinee.tracking.recording import record_run
    from matinee.tracking.runs import RunStore

    if not save:
        return None
    store = RunStore(settings.runs_dir)
    record = record_run(
        store,
        kind,
        evaluation,
        memory_limit=settings.memory_limit,
        baseline=baseline,
        search=search,
        trials=trials,
    )
    note(f"Run {record.id}: `matinee runs show {record.id}`, `matinee rerun {record.id}`.")
    if settings.tracking if track is None else track:
        from matinee.tracking.mlflow_runs import log_run

        note(f"Logged to MLflow as {log_run(store, record, settings)}.")
    return record.id
