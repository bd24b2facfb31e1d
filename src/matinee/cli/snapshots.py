"""Commands for snapshots: list, show, verify, promote, rollback, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.console import AsJson, is_narrow, load_settings, note, number, print_json, table
from matinee.errors import InvalidInputError, SnapshotError

if TYPE_CHECKING:
    from matinee.snapshots import SnapshotRegistry

app = typer.Typer(help="Snapshots: list, promote, roll back, delete.", no_args_is_help=True)

Id = Annotated[str | None, typer.Argument(metavar="[ID]", help="A snapshot; without it the current one.")]


def open_registry() -> SnapshotRegistry:
    """The snapshot registry of the data folder."""
    from matinee.snapshots import SnapshotRegistry

    return SnapshotRegistry(load_settings().snapshots_dir)


def _chosen(registry: SnapshotRegistry, snapshot_id: str | None) -> str:
    chosen = snapshot_id or registry.current()
    if chosen is None:
        raise SnapshotError("There is no snapshot yet.", "Make one with `matinee train`.")
    return chosen


@app.command("list")
def list_(json: AsJson = False) -> None:
    """All snapshots, newest first; * marks the one served."""
    registry = open_registry()
    manifests, damaged = registry.list(), registry.damaged()
    try:
        current = registry.current()
    except SnapshotError as error:  # its hint refers to this list
        current = None
        note(str(error))
    if json:
        fields = {"id", "created", "dataset", "metrics", "n_users", "n_items", "n_ratings"}
        items = [
            {**m.model_dump(mode="json", include=fields), "watermark": m.newest_rating, "current": m.id == current}
            for m in manifests
        ]
        print_json({"items": items, "damaged": damaged})
        return
    rows = [
        [
            "*" if m.id == current else "",
            m.id,
            f"{m.created:%Y-%m-%d %H:%M}",
            m.dataset,
            number(m.n_ratings, 0),
            number(m.bytes / 2**20, 1),
            *(() if is_narrow() else (", ".join(m.models),)),
        ]
        for m in manifests
    ]
    if rows:
        columns = ["", "Snapshot", "Created", "Data", "Ratings", "MiB", *(() if is_narrow() else ("Models",))]
        table("", columns, rows, right=("Ratings", "MiB"), whole=("Snapshot", "Created"))
    for snapshot_id, problem in damaged.items():
        note(f"{snapshot_id}: {problem}")
    if not rows:
        typer.echo("There is no snapshot yet; make one with `matinee train`.")


@app.command("show")
def show(snapshot_id: Id = None) -> None:
    """The manifest of a snapshot, as JSON: data, settings, metrics, versions, files."""
    registry = open_registry()
    print_json(registry.show(_chosen(registry, snapshot_id)))


@app.command("verify")
def verify(snapshot_id: Id = None) -> None:
    """Check every file of a snapshot against its hash; exit code 1 where one is damaged."""
    registry = open_registry()
    chosen = _chosen(registry, snapshot_id)
    problems = registry.verify(chosen)
    if problems:
        raise SnapshotError(
            f"Snapshot {chosen} is damaged: {'; '.join(problems)}.",
            "Serve another with `matinee snapshots rollback`, or make a new one with `matinee train`.",
        )
    typer.echo(f"Snapshot {chosen} is intact.")


@app.command("promote")
def promote(
    snapshot_id: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    from_registry: Annotated[
        str | None,
        typer.Option("--from-registry", metavar="ALIAS", help="The one that an alias of MLflow's registry points to."),
    ] = None,
) -> None:
    """Serve a snapshot; running servers follow at their next request."""
    from matinee.snapshots import Snapshot

    if (snapshot_id is None) == (from_registry is None):
        raise InvalidInputError("Say which snapshot to serve.", "Give an ID, or --from-registry ALIAS.")
    if from_registry is not None:
        from matinee.tracking.mlflow_registry import snapshot_of_alias

        snapshot_id = snapshot_of_alias(load_settings(), from_registry)
    assert snapshot_id is not None
    registry = open_registry()
    registry.show(snapshot_id)
    Snapshot.load(registry.root, snapshot_id)  # checks that this version can load it, besides the hashes
    registry.promote(snapshot_id, verify=False)
    typer.echo(f"Snapshot {snapshot_id} is served from now on.")


@app.command("register")
def register(
    snapshot_id: Id = None,
    alias: Annotated[str | None, typer.Option("--alias", help="Name that points to it, e.g. production.")] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="With all files, so that other machines can fetch it.")
    ] = False,
) -> None:
    """Make a snapshot a version of MLflow's registered model (settings `tracking_url`, `registry_model`)."""
    from matinee.tracking.mlflow_registry import register_snapshot

    settings, chosen = load_settings(), _chosen(open_registry(), snapshot_id)
    version = register_snapshot(settings, chosen, alias=alias, upload=upload)
    named = f", {alias}" if alias else ""
    typer.echo(f"Snapshot {chosen} is version {version} of {settings.registry_model}{named}.")


@app.command("rollback")
def rollback() -> None:
    """Serve the snapshot that was served before."""
    typer.echo(f"Snapshot {open_registry().rollback()} is served from now on.")


@app.command("prune")
def prune(keep: Annotated[int, typer.Option(min=1, help="Newest snapshots to keep.")] = 3) -> None:
    """Delete old snapshots; never the one served, nor the one a rollback would serve."""
    deleted = open_registry().prune(keep)
    typer.echo(f"Deleted {len(deleted)} snapshots{': ' + ', '.join(deleted) if deleted else ''}.")
