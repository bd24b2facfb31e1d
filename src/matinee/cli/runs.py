"""Commands for stored runs: list, show, report, delete, track; and rerun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matinee.cli.console import (
    AsJson,
    CliExit,
    load_settings,
    note,
    number,
    print_json,
    progress_bar,
    table,
)

if TYPE_CHECKING:
    from matinee.tracking.runs import RunStore

app = typer.Typer(
    help="Runs: evaluations and searches that were kept, with all that repeats them.", no_args_is_help=True
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="An id, its beginning or end, or `last`.")]
_LINES = 20
"""Differences that `rerun` prints; JSON has all."""


def open_runs() -> RunStore:
    """The runs of the data folder."""
    from matinee.tracking.runs import RunStore

    return RunStore(load_settings().runs_dir)


@app.command("list")
def list_(json: AsJson = False) -> None:
    """All runs, newest first, with the main figure of the model that the others were compared with."""
    from matinee.tracking.runs import summary

    records, damaged = open_runs().list()
    items = [summary(record) for record in records]
    if json:
        print_json({"items": items, "damaged": damaged})
        return
    rows = [
        [
            item["id"],
            item["kind"],
            item["protocol"] + (" (validation)" if item["validation"] else ""),
            item["dataset"],
            str(len(item["models"])),
            f"{item['reference']}: {item['metric']} {number(item['value'], 4)}",
        ]
        for item in items
    ]
    if rows:
        columns = ["Run", "Kind", "Protocol", "Data", "Models", "Reference"]
        table("", columns, rows, right=("Models",), whole=("Run",))
    for run_id, problem in damaged.items():
        note(f"{run_id}: {problem}")
    if not rows:
        typer.echo("There is no run yet; `matinee evaluate` makes one.")


@app.command("show")
def show(run_id: RunId, json: AsJson = False) -> None:
    """The figures of a run, what was asked for, and where it was made."""
    from matinee.cli.training import print_report
    from matinee.tracking.recording import report_of

    store = open_runs()
    record = store.show(run_id)
    if json:
        print_json(record)
        return
    report = report_of(record)
    print_report(report)
    if record.trials:
        print_trials(list(record.trials))
    if report.environment is not None:
        versions = ", ".join(f"{name} {version}" for name, version in report.environment.versions.items())
        note(f"{report.environment.machine}, {report.environment.blas_threads} BLAS threads; {versions}")
    note(f"Report: {store.root / record.id / 'report.html'}")


def print_trials(trials: list[dict[str, Any]]) -> None:
    """Print what a search tried, the best first."""
    names = list(dict.fromkeys(name for trial in trials for name in trial["settings"]))
    rows = [
        [
            str(trial["number"]),
            *(_setting(trial["settings"].get(name)) for name in names),
            number(trial["value"], 4) if trial["value"] is not None else trial["problem"] or trial["state"],
            number(trial["seconds"], 1),
        ]
        for trial in trials
    ]
    table("What was tried", ["Trial", *names, "Value", "s"], rows, right=("Trial", *names, "Value", "s"))


def _setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@app.command("report")
def report(
    run_id: RunId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Copy it to this file.")] = None,
) -> None:
    """Where the HTML report of a run is; with -o a copy of it."""
    from shutil import copyfile

    store = open_runs()
    path = store.root / store.show(run_id).id / "report.html"
    if output is not None:
        copyfile(path, output)
    typer.echo(str(output or path))


@app.command("delete")
def delete(run_id: RunId) -> None:
    """Delete a run."""
    typer.echo(f"Deleted the run {open_runs().delete(run_id)}.")


@app.command("track")
def track(run_id: RunId) -> None:
    """Log a run to MLflow."""
    from matinee.tracking.mlflow_runs import log_run

    settings, store = load_settings(), open_runs()
    typer.echo(f"Logged to MLflow as {log_run(store, store.show(run_id), settings)}.")


def rerun(
    run_id: RunId,
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="Where the data are now (default: where they were).")
    ] = None,
    json: AsJson = False,
) -> None:
    """Repeat a run and compare every digit; exit code 1 where a figure differs."""
    from matinee.tracking.rerun import rerun as run

    settings, store = load_settings(), open_runs()
    with progress_bar() as progress:
        found = run(store, run_id, settings, data=data, progress=progress)
    if json:
        print_json(
            {
                "same": found.same,
                "figures": found.figures,
                "differences": found.differences,
                "environment": found.changes,
            }
        )
    elif found.same:
        typer.echo(f"All {found.figures:,} figures are the same to the digit.")
    else:
        typer.echo(f"{len(found.differences)} of {found.figures:,} figures differ:")
        for line in found.differences[:_LINES]:
            typer.echo(f"  {line}")
        if len(found.differences) > _LINES:
            typer.echo(f"  … {len(found.differences) - _LINES} more; --json has all.")
    for line in () if json else found.changes:
        note(line)
    if not found.same:
        raise CliExit(1)
