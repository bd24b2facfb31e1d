"""Commands for the files of stores: backup, restore, compact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.console import load_settings, note, number
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.backups import Manifest


def backup(
    target: Annotated[
        Path | None, typer.Argument(metavar="[FILE|FOLDER]", help="Default: `backups` in the data folder.")
    ] = None,
    posters: Annotated[bool, typer.Option("--posters/--no-posters", help="With the pictures.")] = True,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="With the current snapshot.")] = False,
) -> None:
    """Copy ratings, films and posters into one file, verified, while services run."""
    from matinee.backups import write_backup

    path, manifest = write_backup(load_settings(), target, posters=posters, snapshots=snapshots)
    typer.echo(f"Wrote {path} ({number(path.stat().st_size / 2**20, 1)} MiB): {_content(manifest)}.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `matinee backup`.")],
    check: Annotated[bool, typer.Option("--check", help="Only verify the file.")] = False,
) -> None:
    """Put a backup back; what is there now is moved aside, never deleted. Stop the service before."""
    from matinee.backups import read_backup
    from matinee.backups import restore as put_back

    if check:
        typer.echo(f"{file} is sound: {_content(read_backup(file))}.")
        return
    done = put_back(load_settings(), file)
    typer.echo(f"Restored {_content(done.manifest)}, as of {done.manifest.created:%Y-%m-%d %H:%M} UTC.")
    if done.aside is not None:
        note(f"What was there before is in {done.aside}; delete it when nothing is missing.")
    held = done.manifest.snapshot
    if held and not any(name.startswith(f"snapshots/{held}/") for name in done.manifest.files):
        note(f"The snapshot then was {held}; it is not in the backup. `matinee snapshots list` shows those there are.")


def compact() -> None:
    """Give back the room that deleted rows have left in the files of stores. Stop the service before."""
    from matinee.stores.sqlite.compaction import compact as compacted

    settings = load_settings()
    if settings.store_url:
        raise InvalidInputError(
            "The store is on a server, which uses room again by itself.", "See docs/postgres.md and docs/stores.md."
        )
    paths = sorted((settings.data_dir / "stores").glob("*.sqlite3"))
    if not paths:
        raise InvalidInputError(f"There is no store in {settings.data_dir}.", "Check MATINEE_DATA_DIR.")
    for path in paths:
        before, after = compacted(path)
        typer.echo(f"{path.name}: {number(before / 2**20, 1)} MiB before, {number(after / 2**20, 1)} MiB now.")


def _content(manifest: Manifest) -> str:
    ratings = sum(content.rows["ratings"] for content in manifest.stores.values())
    movies = sum(content.rows["movies"] for content in manifest.stores.values())
    parts = [f"{ratings:,} ratings", f"{movies:,} films", f"{manifest.posters:,} posters"]
    if any(name.startswith("snapshots/") for name in manifest.files):
        parts.append(f"snapshot {manifest.snapshot}")
    return f"{', '.join(parts)} of {len(manifest.stores)} data sets"
