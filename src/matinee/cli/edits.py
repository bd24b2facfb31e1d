"""Commands that write data: rate, unrate, erase, import ratings|movies, export ratings|movies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matinee.cli import history
from matinee.cli.console import (
    AsJson,
    ColumnMap,
    load_settings,
    note,
    open_engine,
    print_json,
    progress_bar,
    table,
)
from matinee.cli.movies import all_movies, surely
from matinee.cli.new_files import check_new, new_file
from matinee.cli.reading import (
    MapValues,
    Unrated,
    parse_mapping,
    parse_scale,
    parse_unrated,
    parse_values,
    scale_of_table,
    to_scale,
)
from matinee.data.titles import with_year
from matinee.errors import DataError, InvalidInputError, MatineeError, NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from matinee.client.imports import Source
    from matinee.data.catalog import Movie
    from matinee.data.dataset import TableReport
    from matinee.data.readers.columns import ColumnMapping
    from matinee.stores import RatingColumns

BATCH = 5_000
"""Rows per batch of imports and exports. Batches are stored atomically."""
RATINGS = 20_000
"""Ratings per batch of an import."""

import_app = typer.Typer(help="Write ratings or films of a file into the store.", no_args_is_help=True)
export_app = typer.Typer(help="Write all ratings or films to a file.", no_args_is_help=True)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .csv, .tsv, .parquet, .ndjson or .json file, packed or not.")
]
Target = Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .parquet or .ndjson file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def rate(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of a user; a new one is fine.")],
    movie: Annotated[str, typer.Argument(metavar="FILM", help="Title with year, or id: 318, tt0111161, tmdb:278.")],
    stars: Annotated[
        float | None,
        typer.Argument(metavar="STARS", help="On the data set's scale, mostly 0.5 to 5; none for data without stars."),
    ] = None,
) -> None:
    """Store one rating; the user's next recommendation reflects it."""
    with open_engine() as engine:
        match = surely(engine, movie)
        low, high = engine.scale
        if stars is None and low < high:
            raise typer.BadParameter(f"A rating needs stars: give {low:g} to {high:g} of them after the film.")
        engine.rate([(user, match.movie_id, high if stars is None else stars)])
        name = with_year(match.title, match.year)
        typer.echo(f"User {user} rates {name} {stars:g} stars." if low < high else f"User {user} has seen {name}.")


def unrate(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of a user.")],
    movie: Annotated[str, typer.Argument(metavar="FILM", help="Title with year, or id: 318, tt0111161, tmdb:278.")],
) -> None:
    """Delete one rating; the user's next recommendation reflects it."""
    with open_engine() as engine:
        match = surely(engine, movie)
        name = with_year(match.title, match.year)
        try:
            engine.unrate(user, match.movie_id)
        except NotFoundError:
            raise NotFoundError(
                f"The user {user!r} has not rated {name}.", f"See what is rated with `matinee history {user}`."
            ) from None
        typer.echo(f"User {user} no longer rates {name}.")


def erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of a user.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase everything held about a user; asks first."""
    with open_engine() as engine:
        stored = engine.export_user(user)
        marks = f"{len(stored['states']):,} marks" if stored["states"] else ""
        ratings, shown = f"{len(stored['ratings']):,} ratings", f"{len(stored['exposures']):,} lists shown"
        what = f"{ratings}, {marks} and {shown}" if marks else f"{ratings} and {shown}"
        if not yes and not sys.stdin.isatty():
            raise InvalidInputError(
                f"Erasing user {user} ({what}) needs a confirmation.", "Add --yes to erase without asking."
            )
        if not yes and not typer.confirm(f"Erase user {user} for good ({what})?", err=True):
            typer.echo("Nothing was erased.")
            return
        engine.erase_user(user)
    typer.echo(f"Erased user {user}: {what}.")
    note("Snapshots hide what they hold of the user; `matinee train`, then `matinee snapshots prune`, deletes it.")


def print_cleaning(report: TableReport, stored: int, what: str, json: bool, notes: Sequence[str] = ()) -> None:
    """Print the cleaning report of a file, and what was guessed in reading it."""
    if json:
        print_json({"stored": stored, **report.model_dump(), "notes": list(notes)})
        return
    for line in notes:
        note(line)
    kinds = (("dropped", report.dropped), ("changed", report.changed), ("noticed", report.noticed))
    rows = [[kind, reason, f"{count:,}"] for kind, counts in kinds for reason, count in counts.items()]
    if rows:
        table("", ["Rows", "Why", "Number"], rows, right=("Number",))
    typer.echo(f"Stored {stored:,} of {report.rows_in:,} {what}.")


@import_app.command("ratings")
def import_ratings(
    file: FileArgument,
    map: ColumnMap = None,
    map_values: MapValues = None,
    unrated: Unrated = None,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="ID", help="The file is one person's export, see `matinee import history`."),
    ] = None,
    layout: history.Layout = None,
    scale: history.FileScale = None,
    preview: history.Preview = False,
    json: AsJson = False,
) -> None:
    """Store the ratings of a table, in batches of 20,000, or with --user one person's films from another site.

    What cannot be used is counted by reason.
    """
    if user is not None:
        history.import_history(file, user, layout, scale, preview, json)
        return
    if layout is not None or preview:
        raise InvalidInputError("--layout and --preview are for one person's export.", "Add --user ID.")
    from matinee.data import clean_ratings, read_ratings_table
    from matinee.data.readers.memory import reading_within
    from matinee.data.readers.remarks import collecting

    words, no_rating = parse_values(map_values), parse_unrated(unrated) or ()
    with open_engine() as engine, progress_bar() as progress, collecting() as remarks:
        low, high = engine.scale
        with reading_within(engine.settings.memory_limit):
            try:
                frame = read_ratings_table(file, parse_mapping(map), stars=low < high)
            except DataError as error:
                raise _with_person_hint(file, error) from error
        stated = parse_scale(scale.replace("-", ",")) if scale else None
        given = scale_of_table(frame, engine.scale, stated, words, no_rating)
        movie_ids = [movie.movie_id for movie, _ in all_movies(engine, "year")]
        clean, report = clean_ratings(frame, movie_ids, given, words=words, unrated=no_rating)
        clean, report = to_scale(clean, report, given, engine.scale)
        stored = 0
        for count in engine.rate_columns(_parts(clean)):
            stored += count
            progress("Storing ratings", stored / clean.height)
    print_cleaning(report, stored, "ratings", json, remarks.notes)


def _parts(clean: pl.DataFrame) -> Iterator[RatingColumns]:
    """Clean ratings as the store takes them, in its order, which it writes fastest; those without a time are of now."""
    import polars as pl

    from matinee.stores import RatingColumns

    time_ = (
        pl.col("timestamp").fill_null(int(time.time())) if "timestamp" in clean.columns else pl.lit(int(time.time()))
    )
    ordered = clean.with_columns(timestamp=time_.cast(pl.Int64)).sort("user_id", "movie_id")
    for part in ordered.iter_slices(RATINGS):
        columns = part["rating"].to_numpy(), part["timestamp"].to_numpy()
        yield RatingColumns(part["user_id"].to_list(), part["movie_id"].to_list(), *columns)


def _with_person_hint(file: Path, error: DataError) -> DataError:
    """The error, which names --user where the file is an export of one person's films."""
    from matinee.histories import read_history

    try:
        layout = read_history(file.name, file.read_bytes()).layout
    except (MatineeError, OSError):
        return error
    if layout == "csv":
        return error
    return DataError(
        f"{file} is an export of one person's films ({layout}), not a table of ratings.",
        f"Say whose they are: matinee import ratings {file} --user NAME.",
    )


import_app.command("history")(history.import_history)
export_app.command("history")(history.export_history)


@import_app.command("stream")
def import_stream(
    file: FileArgument,
    map: ColumnMap = None,
    url: Annotated[
        str | None, typer.Option("--core-url", metavar="URL", help="Core service; default: the setting `core_url`.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Names the import, which goes on where it was broken off; default: by the content."),
    ] = None,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="Leave lines out that cannot be stored, and count them.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Send a file of any length to the running service; the same command again goes on after a break.

    NDJSON is sent as it is: ratings, ratings to remove ("rating": null), films. Files of other formats hold ratings.
    """
    from matinee.client import Client, core_url
    from matinee.client.imports import lines_of_file, send_import

    if not file.is_file():
        raise InvalidInputError(f"There is no file {file}.", "Check the path.")
    lines = file.suffix.lower() in (".ndjson", ".jsonl") and not map
    source = lines_of_file(file) if lines else _rows_as_lines(file, parse_mapping(map))
    size = file.stat().st_size if lines else 0
    with Client(core_url(load_settings(core_url=url))) as client, progress_bar() as progress:
        answer = send_import(
            client,
            source,
            key or _content_key(file),
            on_error="skip" if skip_errors else "stop",
            told=lambda rows, sent: progress("Sending", sent / size) if size else None,  # noqa: ARG005
        )
    if json:
        print_json(answer)
        return
    for error in answer["errors"][:10]:
        note(f"Line {error['line']}: {error['detail']}")
    counts = (
        ("ratings", "ratings"),
        ("removals", "removals"),
        ("states", "marks"),
        ("movies", "films"),
        ("refused", "lines refused"),
    )
    told = ", ".join(f"{answer[name]:,} {what}" for name, what in counts if answer[name]) or "nothing to store"
    typer.echo(f"Import {answer['key']}: {answer['rows']:,} lines, {told}.")


def _content_key(file: Path) -> str:
    """The key of a file: the same content is the same import."""
    import hashlib

    with file.open("rb") as content:
        return f"file-{hashlib.file_digest(content, 'sha256').hexdigest()[:40]}"


def _rows_as_lines(file: Path, mapping: ColumnMapping) -> Source:
    """The ratings of a table as lines of an import."""
    from matinee.data import read_ratings_table
    from matinee.data.clean import as_id, stars_column
    from matinee.data.readers.memory import reading_within
    from matinee.data.times import as_seconds, to_seconds

    with reading_within(load_settings().memory_limit):
        frame = read_ratings_table(file, mapping)
    import polars as pl

    columns = [as_id(frame, "user_id"), as_id(frame, "movie_id"), stars_column(frame)]
    if "timestamp" in frame.columns:
        columns.append(as_seconds(frame, "timestamp").cast(pl.Float64).alias("timestamp"))
    # A rating that is no number would be taken for one to remove.
    frame = frame.select(columns).filter(pl.col("rating").is_not_null())
    if "timestamp" in frame.columns:
        frame = to_seconds(frame, "timestamp", {}).with_columns(pl.col("timestamp").cast(pl.Int64, strict=False))

    def read(rows: int, size: int) -> Iterator[bytes]:
        del size
        for part in frame[rows:].iter_slices(BATCH):
            yield part.write_ndjson().encode()

    return read


@import_app.command("movies")
def import_movies(file: FileArgument, map: ColumnMap = None, json: AsJson = False) -> None:
    """Add or replace the films of a file; they are searchable and recommendable at once."""
    from matinee.data import TableReport
    from matinee.data.load import read_movies_file
    from matinee.data.readers.remarks import collecting

    with collecting() as remarks:
        frame, cleaning = read_movies_file(file, parse_mapping(map))
    movies: list[Movie] = []
    dropped = dict(cleaning.dropped)
    for record in frame.iter_rows(named=True):
        movie, reason = _movie(record)
        if movie is None:
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            movies.append(movie)
    with open_engine() as engine, progress_bar() as progress:
        movies = [*_known_by_other_ids(movies, [movie for movie, _ in all_movies(engine, "year")])]
        size = min(BATCH, engine.settings.max_batch)
        for start in range(0, len(movies), size):
            engine.put_movies(movies[start : start + size])
            progress("Storing films", min(start + size, len(movies)) / len(movies))
    report = TableReport(rows_in=cleaning.rows_in, rows_out=len(movies), dropped=dropped, changed=cleaning.changed)
    print_cleaning(report, len(movies), "films", json, remarks.notes)


def _known_by_other_ids(movies: list[Movie], catalog: list[Movie]) -> Iterator[Movie]:
    """Movies called by their TMDB or IMDb id, as those of the catalog with that id, whose other columns they keep."""
    from matinee.data.catalog import Movie

    own = {movie.movie_id: movie for movie in catalog}
    by_tmdb = {movie.tmdb_id: movie for movie in catalog if movie.tmdb_id}
    by_imdb = {movie.imdb_id: movie for movie in catalog if movie.imdb_id}
    for movie in movies:
        outside = movie.movie_id in (f"tmdb:{movie.tmdb_id}", movie.imdb_id)
        known = by_tmdb.get(movie.tmdb_id or "") or by_imdb.get(movie.imdb_id or "") if outside else None
        if known is None or movie.movie_id in own:
            yield movie
            continue
        filled = {name: value for name, value in movie.model_dump().items() if value not in (None, (), "")}
        yield Movie(**{**known.model_dump(), **filled, "movie_id": known.movie_id})


def _movie(record: dict[str, Any]) -> tuple[Movie | None, str]:
    from pydantic import ValidationError

    from matinee.data.catalog import Movie

    try:
        return Movie(**{name: value for name, value in record.items() if value is not None}), ""
    except ValidationError as error:
        first = error.errors()[0]
        return None, f"{'.'.join(str(part) for part in first['loc'][:1])}: {first['msg']}"


@export_app.command("ratings")
def export_ratings(file: Target, force: Force = False) -> None:
    """Write every rating in effect: user_id, movie_id, rating, timestamp."""
    import polars as pl

    schema = {"user_id": pl.String, "movie_id": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
    with open_engine() as engine:
        rows = iter(engine.export_ratings())
        batches = iter(lambda: list(islice(rows, BATCH)), [])
        frames = (pl.DataFrame(batch, schema=schema, orient="row") for batch in batches)
        count = write_frames(file, frames, pl.DataFrame(schema=schema), force)
    typer.echo(f"Wrote {count:,} ratings to {file}.")


@export_app.command("movies")
def export_movies(file: Target, force: Force = False) -> None:
    """Write every film in service; in CSV, lists are joined by "|"."""
    import polars as pl

    from matinee.data.frames import SCHEMA
    from matinee.data.packed import LIST_COLUMNS

    with open_engine() as engine:
        frame = pl.DataFrame([movie.model_dump() for movie, _ in all_movies(engine, "year")], schema=SCHEMA)
    if file.suffix.lower() == ".csv":
        frame = frame.with_columns(pl.col(LIST_COLUMNS).list.join("|"))
    count = write_frames(file, iter([frame]), frame.clear(), force)
    typer.echo(f"Wrote {count:,} films to {file}.")


def write_frames(file: Path, frames: Iterator[pl.DataFrame], empty: pl.DataFrame, force: bool) -> int:
    """Write frames to a file atomically, and return the number of rows.

    Raises:
        InvalidInputError: the suffix is not supported, or the file exists or cannot be written.
    """
    kind = file.suffix.lower()
    if kind not in (".csv", ".parquet", ".ndjson", ".jsonl"):
        raise InvalidInputError(
            f"The suffix of {file.name!r} is not a supported format.", "Choose .csv, .parquet or .ndjson."
        )
    check_new(file, force)
    import polars as pl

    count = 0
    with new_file(file) as hidden:
        if kind == ".parquet":  # needs all rows at once
            whole = pl.concat([empty, *frames])
            whole.write_parquet(hidden)
            count = whole.height
        else:
            with hidden.open("wb") as sink:
                if kind == ".csv":
                    empty.write_csv(sink)
                for frame in frames:
                    if kind == ".csv":
                        frame.write_csv(sink, include_header=False)
                    else:
                        frame.write_ndjson(sink)
                    count += frame.height
    return count
