"""The commands train and evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from matinee.cli.console import (
    NARROW,
    AsJson,
    ColumnMap,
    load_settings,
    note,
    number,
    parse_mapping,
    print_json,
    progress_bar,
    table,
)

DataOption = Annotated[
    str | None, typer.Option("--data", "-d", help="A name of `matinee data list`, a folder of files, or auto.")
]


def train(
    data: DataOption = None,
    map: ColumnMap = None,
    promote: Annotated[bool, typer.Option(help="Serve the new snapshot at once.")] = True,
    measure: Annotated[bool, typer.Option(help="Measure on held-out ratings as well, which fits twice.")] = True,
    json: AsJson = False,
) -> None:
    """Fit all models on a data set and what the store holds; write one snapshot."""
    from matinee.snapshots import SnapshotRegistry
    from matinee.training.pipeline import train as run

    settings = load_settings(data=data)
    with progress_bar() as progress:
        snapshot_id = run(
            settings, promote=promote, measure=measure, mapping=parse_mapping(map) or None, progress=progress
        )
    manifest = SnapshotRegistry(settings.snapshots_dir).show(snapshot_id)
    if json:
        print_json(
            {"snapshot": snapshot_id, "promoted": promote, "dataset": manifest.dataset, "metrics": manifest.metrics}
        )
        return
    typer.echo(f"Snapshot {snapshot_id} of {manifest.dataset}: {manifest.n_ratings:,} ratings.")
    if manifest.metrics:
        print_metrics(manifest.metrics, "On held-out ratings")
    for line in manifest.report.notes:
        note(line)
    for name, why in manifest.settings.get("skipped", {}).items():
        note(f"Left out: {name}. {why}")
    typer.echo("It is served from now on." if promote else f"Serve it with: matinee snapshots promote {snapshot_id}")


def print_metrics(metrics: Mapping[str, Mapping[str, float | None]], title: str) -> None:
    """Print a table of models × metrics."""
    names = list(dict.fromkeys(name for row in metrics.values() for name in row))
    rows = [[model, *(number(row.get(name), 4) for name in names)] for model, row in metrics.items()]
    table(title, ["Model", *names], rows, right=names)


def main_columns(columns: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The main columns, so that the table fits into `NARROW` characters. JSON and Markdown have all columns.

    Of metrics with several variants ("ndcg@10/3") only nDCG is shown. If the table is still too wide, standard
    deviations over the splits are left out.
    """
    main = ("model", "ndcg", "precision", "recall", "map", "disliked@", "rmse", "mae", "fit", "score")
    keep = [i for i, name in enumerate(columns) if name.startswith(main) and ("/" not in name or "ndcg" in name)]
    columns, rows = [columns[i] for i in keep], [[row[i] for i in keep] for row in rows]
    # Names wrap at spaces, numbers do not. Each cell has a padding of two and a separator of one.
    names = max(len(word) for row in rows for word in row[0].split())
    numbers = sum(max(map(len, column)) for column in list(zip(columns, *rows, strict=True))[1:])
    if names + numbers + 3 * len(columns) + 1 > NARROW:
        rows = [[cell.partition(" ± ")[0] for cell in row] for row in rows]
    return columns, rows


def evaluate(
    protocol: Annotated[str, typer.Argument(metavar="PROTOCOL", help="Name of a protocol; an unknown name lists all.")],
    data: Annotated[str | None, typer.Option("--data", "-d", help="Folder or name of the data.")] = None,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="A model (repeat for more).")] = None,
    validation: Annotated[
        bool, typer.Option("--validation", help="For choosing settings: a fifth of the users, no test ratings.")
    ] = False,
    json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Measure models by a fixed protocol, with published figures beside them."""
    from matinee.evaluation import evaluate as run

    settings = load_settings()
    with progress_bar() as progress:
        report = run(
            protocol,
            model or None,
            data=data,
            settings=settings,
            validation=validation,
            progress=progress,
        )
    if json:
        print_json(report)
    elif markdown:
        typer.echo(report.to_markdown())
    else:
        columns, rows = main_columns(*report.table())
        title = f"{report.protocol} on {report.dataset}, {report.part}: {report.description}"
        table(title, columns, rows, right=columns[1:])
        for line in report.notes:
            note(line)
