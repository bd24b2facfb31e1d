"""Commands for data sets: data list, get, inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.console import (
    AsJson,
    ColumnMap,
    load_settings,
    note,
    number,
    print_json,
    progress_bar,
    table,
)
from matinee.cli.queries import day
from matinee.cli.reading import MapValues, StarScale, Unrated, reading

if TYPE_CHECKING:
    from matinee.data import Inspection

app = typer.Typer(help="Data sets: list, fetch, inspect.", no_args_is_help=True)


@app.command("list")
def list_(json: AsJson = False) -> None:
    """The data sets that Matinee can fetch."""
    from matinee.data import list_datasets

    datasets = list_datasets(load_settings())
    if json:
        print_json({"items": datasets})
        return
    rows = [
        [
            info.name,
            number(info.films, 0),
            number(info.users, 0),
            number(info.ratings, 0),
            "yes" if info.cached else "no",
            info.licence,
        ]
        for info in datasets
    ]
    table("", ["Name", "Films", "Users", "Ratings", "Here", "License"], rows, right=("Films", "Users", "Ratings"))


@app.command("get")
def get(name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `matinee data list`, or auto.")]) -> None:
    """Fetch a data set into the cache and print its folder."""
    from matinee.data import get_dataset_files
    from matinee.data.sources import locate_auto

    settings = load_settings()
    notes: tuple[str, ...] = ()
    with progress_bar() as progress:
        if name == "auto":
            _, folder, notes = locate_auto(settings, progress)
        else:
            folder = get_dataset_files(name, settings, progress)
    for line in notes:
        note(line)
    typer.echo(str(folder))


@app.command("inspect")
def inspect(
    source: Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A data set, a folder, or a file of ratings.")],
    map: ColumnMap = None,
    map_values: MapValues = None,
    unrated: Unrated = None,
    scale: StarScale = None,
    json: AsJson = False,
) -> None:
    """Read a data set as training would: rows kept, dropped and changed with reasons, joins, statistics."""
    from matinee.data import inspect_source

    with progress_bar() as progress:
        options = reading(map, map_values, unrated, scale)
        inspection = inspect_source(source, load_settings(), progress, **options)
    if json:
        print_json(inspection)
    else:
        print_inspection(inspection)


def print_inspection(inspection: Inspection) -> None:
    """The cleaning report and the statistics of a data set."""
    rows = []
    for name, counts in inspection.tables.items():
        rows.append([name, f"{counts.rows_in:,}", "read"])
        for what, reasons in (("dropped", counts.dropped), ("changed", counts.changed), ("noticed", counts.noticed)):
            rows += [["", f"{count:,}", f"{what}: {reason}"] for reason, count in reasons.items()]
        rows.append(["", f"{counts.rows_out:,}", "kept"])
    table(f"Data set {inspection.source}", ["Table", "Rows", "What became of them"], rows, right=("Rows",))
    if inspection.joins:
        joins = [[name, f"{share:.1%}"] for name, share in inspection.joins.items()]
        table("Films joined to", ["Source", "Share"], joins, right=("Share",))
    figures = inspection.statistics
    median = ", ".join(
        f"{number(counts['0.5'], 0)} a {what}"
        for what, counts in (("user", figures.per_user), ("film", figures.per_film))
    )
    facts = [
        ["Films", f"{figures.films:,} ({figures.rated:,} rated)"],
        ["Users", f"{figures.users:,}"],
        ["Ratings", f"{figures.ratings:,} ({figures.density:.2%} of all pairs; median {median})"],
        ["Time", "unknown" if figures.first is None else f"{day(figures.first)} to {day(figures.last)}"],
    ]
    low, high = inspection.scale
    if low == high:
        facts.append(["Stars", "none: a film was seen, or was not"])
    else:
        facts.append(["Mean", f"{number(figures.mean)} stars on a scale of {low:g} to {high:g}"])
        max_count = max(figures.histogram.values(), default=1)
        bars = figures.histogram.items()
        facts += [[f"{stars} stars", f"{'█' * round(30 * count / max_count):30} {count:,}"] for stars, count in bars]
    table("", ["Figure", ""], facts)
    for line in inspection.notes:
        note(line)
