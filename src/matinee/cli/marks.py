"""Commands for states of films: seen, watchlist, not-interested; and for guests: claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from matinee.cli.console import AsJson, open_engine, print_json, table
from matinee.cli.movies import resolve
from matinee.cli.queries import day
from matinee.data.titles import with_year

if TYPE_CHECKING:
    from matinee.engine import Engine
    from matinee.stores.base import State

User = Annotated[str, typer.Argument(metavar="USER", help="Id of a user; a new one is fine.")]
Films = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILM…", help="Titles, titles with year, or ids; without any, those marked are listed."),
]
Undo = Annotated[bool, typer.Option("--undo", help="Take the mark back.")]

HEADINGS: dict[State, str] = {
    "seen": "Seen by user {}",
    "watchlist": "Watchlist of user {}",
    "not_interested": "Not interesting to user {}",
}


def seen(user: User, films: Films = None, undo: Undo = False, json: AsJson = False) -> None:
    """Mark films as seen, without stars: they leave the user's lists, and count as no taste."""
    _mark_or_list(user, "seen", films, undo=undo, json=json)


def watchlist(user: User, films: Films = None, undo: Undo = False, json: AsJson = False) -> None:
    """Put films on a user's watchlist."""
    _mark_or_list(user, "watchlist", films, undo=undo, json=json)


def not_interested(user: User, films: Films = None, undo: Undo = False, json: AsJson = False) -> None:
    """Mark films as not interesting: they are never recommended to the user again."""
    _mark_or_list(user, "not_interested", films, undo=undo, json=json)


def _mark_or_list(user: str, state: State, films: list[str] | None, *, undo: bool, json: bool) -> None:
    if undo and not films:
        raise typer.BadParameter("Name the films whose mark is to be taken back.")
    with open_engine() as engine:
        if films:
            _mark(engine, user, state, films, undo=undo, json=json)
        else:
            _list(engine, user, state, json=json)


def _mark(engine: Engine, user: str, state: State, films: list[str], *, undo: bool, json: bool) -> None:
    from matinee.engine import StateChange

    movies = [resolve(engine, text) for text in films]
    stored = engine.set_states(user, [StateChange(movie.movie_id, state, undo) for movie in movies])
    if json:
        print_json({"user_id": user, "state": state, "removed": undo, "stored": stored.stored})
        return
    names = ", ".join(with_year(movie.title, movie.year) for movie in movies)
    what = HEADINGS[state].format(user)
    typer.echo(f"No longer {what[0].lower()}{what[1:]}: {names}." if undo else f"{what}: {names}.")


def _list(engine: Engine, user: str, state: State, *, json: bool) -> None:
    page = engine.states(user, state=state)
    if json:
        print_json({"user_id": user, "states": page.states, "total": page.total})
        return
    rows: list[list[str | Text]] = [
        [day(one.timestamp), Text(with_year(one.title, one.year), style="bold"), one.movie_id] for one in page.states
    ]
    table(HEADINGS[state].format(user), ["When", "Film", "Id"], rows, whole=("When",))


def claim(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of the user who gets them.")],
    guest: Annotated[str, typer.Argument(metavar="GUEST", help="Id of a guest of the web app: guest-….")],
) -> None:
    """Give a user what a guest has rated and marked; the guest is erased. What the user has already stays."""
    with open_engine() as engine:
        claimed = engine.claim(user, guest)
    kept = f"; {claimed.kept:,} that the user had already stay as they are" if claimed.kept else ""
    typer.echo(f"User {user} has {claimed.ratings:,} ratings and {claimed.states:,} marks of {guest}{kept}.")
