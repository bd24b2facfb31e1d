"""Helpers of all commands: settings, the engine, tables, JSON, progress bars and errors."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from matinee._util.progress import Progress, silent
from matinee.errors import FilterError, InvalidInputError, MatineeError

if TYPE_CHECKING:
    from matinee.engine import Engine
    from matinee.settings import Settings

PIPE_WIDTH = 120
"""Width of a table that is written to a file or pipe."""

NARROW = 100
"""Terminal width below which tables omit less important columns."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""

ColumnMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map", help="Column of Matinee = column of the file: user_id=uid, or movies.movie_id=no for one table."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")]


class CliExit(SystemExit):
    """Exit with a code after the reason was printed."""


def tolerate_narrow_encodings() -> None:
    """Print "?" for characters that the terminal's encoding lacks, instead of raising (Windows, LANG=C)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def is_narrow() -> bool:
    """Whether the output is a terminal that is too narrow for all columns."""
    return console().width < NARROW


def console() -> Console:
    """The console of results (stdout)."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def notes() -> Console:
    """The console of notes, errors and progress (stderr), so that pipes get only results."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print a note that is not part of the result."""
    notes().print(Text(text, style="dim"))


def print_error(error: MatineeError) -> None:
    """Print an error's message, its position in a filter, and its hint."""
    notes().print(Text.assemble(("Error: ", "bold red"), (error.message, "red")))
    if isinstance(error, FilterError) and error.text:
        for line in marked_position(error.text, error.position):
            notes().print(Text(f"  {line}"))
    if error.hint:
        notes().print(Text(error.hint))


def marked_position(text: str, position: int, width: int = 70) -> tuple[str, str]:
    """The part of a text around a position, and a line with a caret to print below it."""
    start = max(0, position - width // 2)
    excerpt = "".join(c if c.isprintable() else " " for c in text[start : start + width])
    begin, end = "…" if start else "", "…" if start + width < len(text) else ""
    return f"{begin}{excerpt}{end}", " " * (len(begin) + cell_len(excerpt[: position - start])) + "^"


def load_settings(**options: Any) -> Settings:
    """The settings, overridden by command line options (None: not given).

    Raises:
        InvalidInputError: a setting has an invalid value.
    """
    from pydantic import ValidationError

    from matinee.settings import Settings

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"The setting {name!r} cannot be {first['input']!r}: {first['msg']}.",
            f"Change the option, the environment variable MATINEE_{name.upper()} or the configuration file; "
            "`matinee settings` lists all settings.",
        ) from error
    except (OSError, ValueError) as error:  # the TOML file cannot be read
        raise InvalidInputError(
            f"The configuration file cannot be read: {error}.", "Correct it, or set MATINEE_CONFIG to another file."
        ) from error


@contextmanager
def open_engine(settings: Settings | None = None) -> Iterator[Engine]:
    """The engine of the current snapshot, closed at the end. Its warnings are printed."""
    from matinee.engine import Engine

    engine = Engine.open(settings or load_settings())
    try:
        for warning in engine.warnings:
            note(warning)
        yield engine
    finally:
        engine.close()


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress callback that draws one bar per step on a terminal, and is a no-op elsewhere."""
    screen = notes()
    if not screen.is_terminal:
        yield silent
        return
    from rich import progress as bar

    columns = (bar.SpinnerColumn(), bar.TextColumn("{task.description}"), bar.BarColumn(), bar.TimeElapsedColumn())
    with bar.Progress(*columns, console=screen, transient=False) as bars:
        tasks: dict[str, bar.TaskID] = {}

        def report(what: str, share: float) -> None:
            if what not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, completed=1.0)
                tasks[what] = bars.add_task(escape(what), total=1.0)
            bars.update(tasks[what], completed=min(max(share, 0.0), 1.0))

        yield report
        for task in tasks.values():
            bars.update(task, completed=1.0)


def plain(value: Any) -> Any:
    """Convert a value for JSON: dataclasses become objects (without `row`), paths text, and sets lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "row"}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, str):  # a NumPy scalar
        return value.item()
    return value


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print a table. Columns in `right` are right-aligned, those in `whole` are never wrapped.

    Cells are plain text, not markup.
    """
    rows = list(rows)
    if not rows:
        note("Nothing found.")
        return
    grid = Table(box=SIMPLE_HEAD, header_style="bold", title=Text(title, style="bold") if title else None)
    grid.title_justify = "left"
    for name in columns:
        grid.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=name in right or name in whole,
        )
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console().print(grid)


def number(value: float | None, digits: int = 2) -> str:
    """A number for a table; "–" for None."""
    return "–" if value is None else f"{value:,.{digits}f}"
