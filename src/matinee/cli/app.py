"""The Typer application with all commands."""

from __future__ import annotations

from typing import Annotated

import typer

from matinee.cli import (
    apps,
    backups,
    data,
    demo,
    edits,
    experiments,
    keys,
    marks,
    posters,
    queries,
    runs,
    servers,
    snapshots,
    spark,
    training,
    tuning,
    up,
)

app = typer.Typer(
    name="matinee",
    help="Matinee recommends films: it learns from ratings, explains its lists, and follows new ratings at once.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from MATINEE_* variables or matinee.toml; see `matinee settings`.",
)


def _version(value: bool) -> None:
    if value:
        from matinee import __version__

        typer.echo(f"matinee {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


ASK, KEEP, LEARN, RUN = "Ask", "Write", "Learn", "Run"
for panel, commands in (
    (ASK, (queries.recommend, queries.similar, queries.search, queries.popular, queries.history)),
    (
        KEEP,
        (
            edits.rate,
            edits.unrate,
            marks.seen,
            marks.watchlist,
            marks.not_interested,
            marks.claim,
            edits.erase,
            backups.backup,
            backups.restore,
            backups.compact,
        ),
    ),
    (LEARN, (training.train, training.evaluate, training.compare, tuning.tune, runs.rerun, spark.lists)),
    (RUN, (demo.demo, servers.serve, apps.web, apps.studio, up.up, servers.settings)),
):
    for command in commands:
        app.command(rich_help_panel=panel)(command)

app.add_typer(edits.import_app, name="import", rich_help_panel=KEEP)
app.add_typer(edits.export_app, name="export", rich_help_panel=KEEP)
app.add_typer(data.app, name="data", rich_help_panel=LEARN)
app.add_typer(runs.app, name="runs", rich_help_panel=LEARN)
app.add_typer(experiments.app, name="experiment", rich_help_panel=LEARN)
app.add_typer(posters.app, name="posters", rich_help_panel=LEARN)
app.add_typer(keys.app, name="keys", rich_help_panel=RUN)
app.add_typer(snapshots.app, name="snapshots", rich_help_panel=RUN)
