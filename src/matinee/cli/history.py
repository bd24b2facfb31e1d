"""Commands about one person's history from elsewhere: import history, export history, and import ratings --user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.console import AsJson, note, number, open_engine, plain, print_json, table
from matinee.cli.new_files import check_new, new_file
from matinee.data.titles import with_year
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.engine.history_import import HistoryImport

SHOWN = 20
"""Films of a kind that are listed."""

HistoryFileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="An export: .zip, .csv, .json, .xml or .nfo; docs/your-films.md has each site."
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout", help="Whose export it is: letterboxd, imdb, trakt, …; default: what the file holds tells."
    ),
]
FileScale = Annotated[
    str | None,
    typer.Option("--scale", help="Lowest and highest stars of the file: 1-10; default: the layout's, else its stars'."),
]
Preview = Annotated[bool, typer.Option("--preview", help="Show what would be stored, and store nothing.")]
User = Annotated[str, typer.Option("--user", metavar="ID", help="Whose films these are; a new id is fine.")]


def import_history(
    file: HistoryFileArgument,
    user: User,
    layout: Layout = None,
    scale: FileScale = None,
    preview: Preview = False,
    json: AsJson = False,
) -> None:
    """Store your films from Letterboxd, IMDb, Trakt, Netflix and others: ratings, seen, watchlist.

    Of a film that is not surely known nothing is stored; such films are listed.
    """
    if not file.is_file():
        raise InvalidInputError(f"There is no file {file}.", "Check the path.")
    with open_engine() as engine:
        result = engine.import_history(
            user, file, layout=layout, scale=scale.replace(",", "-") if scale else None, preview=preview
        )
    if json:
        print_json(plain(result))
    else:
        _show(result, user)


def _show(result: HistoryImport, user: str) -> None:
    scale = "" if result.scale is None else f", stars from {result.scale[0]:g} to {result.scale[1]:g}"
    note(f"Read as {result.layout}{scale}.")
    for line in result.notes:
        note(line)
    if result.stored is None and result.matched:
        rows = [
            [film.given, with_year(film.title, film.year), film.movie_id, number(film.rating, 1), film.state or ""]
            for film in result.matched[:SHOWN]
        ]
        table("Matched", ["In the file", "Film", "Id", "Stars", "State"], rows, right=("Stars",))
        _more(len(result.matched))
    if result.unsure:
        unsure = [
            [with_year(film.title, film.year), "; ".join(with_year(one.title, one.year) for one in film.candidates)]
            for film in result.unsure[:SHOWN]
        ]
        table("Not sure, not stored", ["In the file", "May be"], unsure)
        _more(len(result.unsure))
    if result.unknown:
        unknown = [[str(film.line), with_year(film.title, film.year)] for film in result.unknown[:SHOWN]]
        table("Not in the catalog", ["Line", "In the file"], unknown, right=("Line",))
        _more(len(result.unknown))
    for reason, count in result.skipped.items():
        note(f"Left out: {count:,} {reason}.")
    counts = result.counts
    told = (
        ("ratings", "ratings"),
        ("seen", "seen"),
        ("watchlist", "on the watchlist"),
        ("not_interested", "not wanted"),
    )
    what = ", ".join(f"{counts[name]:,} {words}" for name, words in told if counts[name]) or "nothing"
    verb = "Would store" if result.stored is None else "Stored"
    typer.echo(
        f"{verb} for {user}: {what}. Matched {counts['matched']:,} films, unsure {counts['unsure']:,}, "
        f"unknown {counts['unknown']:,}."
    )


def _more(count: int) -> None:
    if count > SHOWN:
        note(f"… and {count - SHOWN:,} more; --json lists all.")


def export_history(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    user: User,
    layout: Annotated[str, typer.Option("--layout", help="For whom: csv, letterboxd, imdb or trakt.")] = "csv",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write one person's films for other sites: stars, seen, watchlist."""
    check_new(file, force)
    with open_engine() as engine:
        written = engine.export_history(user, layout)
    with new_file(file) as hidden:
        hidden.write_bytes(written.data)
    if written.left_out:
        note(f"{written.left_out:,} entries have no place in this layout; --layout csv has all.")
    typer.echo(f"Wrote {file}.")
