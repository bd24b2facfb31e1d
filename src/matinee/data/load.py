"""`load_dataset`: from a name or a folder to a clean, enriched, frozen `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from matinee._util.progress import Progress, silent
from matinee.data.catalog import Catalog
from matinee.data.clean import as_id, clean_movies, clean_tags, compact_ratings, detect_scale
from matinee.data.credits import add_credits, load_credits
from matinee.data.dataset import SEEN, CleaningReport, Dataset, TableReport
from matinee.data.joins import add_links, add_overviews, add_tags
from matinee.data.ratings import Ratings
from matinee.data.readers import RawData, read_source
from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS
from matinee.data.readers.frames import is_frame, read_frames
from matinee.data.readers.memory import reading_within
from matinee.data.readers.tables import read_table
from matinee.data.sources import get_dataset_files, list_datasets, locate_auto
from matinee.errors import DataError, FetchError, InvalidInputError
from matinee.settings import Settings

if TYPE_CHECKING:
    from matinee.data.readers.frames import Frame


def load_dataset(
    source: str | Path | Frame | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    *,
    movies: Frame | None = None,
    name: str = "frame",
    mapping: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = None,
    credits: bool = True,
) -> Dataset:
    """Fetch, read, clean and enrich a data set.

    Args:
        source: "auto", a name of `list_datasets`, a folder, a file of ratings, or a Polars or pandas frame of ratings
            (`user_id`, `movie_id`, `rating`, … by the names that files may use too); None: the settings' `data`.
        settings: cache folder, offline, timeouts; None: those of the environment.
        progress: called with what is being done and the share done (0..1).
        movies: a frame of movies (`movie_id`, `title`, `genres` …), beside a frame of ratings.
        name: what a data set of frames is called; its snapshot has a store of its own under this name.
        mapping: canonical column → column of the files or frames, for plain tables; wins over guessing.
        scale: lowest and highest stars, `dataset.SEEN` to leave stars out; None: by the layout, else detected.
        credits: join directors, writers and cast from Wikidata (left out with a note where they cannot be had).

    Raises:
        DataError: files that cannot be read, need more than the settings' `memory_limit`, or hold nothing usable.
        FetchError: a named data set that cannot be fetched.
        NotFoundError: neither a name nor a folder.
        InvalidInputError: something else is given as a source.

    Examples:
        >>> import polars as pl
        >>> ratings = pl.DataFrame({"user": ["ann", "bob"], "movie": [1, 1], "stars": [5, 3]})
        >>> movies = pl.DataFrame({"movie": [1], "title": ["Toy Story (1995)"]})
        >>> load_dataset(ratings, movies=movies, credits=False)
        <Dataset frame: <Catalog: 1 films>, <Ratings: 2 of 1 films by 2 users>, 1 to 5 stars>
    """
    on_progress = progress or silent
    settings = settings or Settings()
    notes: tuple[str, ...] = ()
    if is_frame(source):
        on_progress(f"Reading {name}", 0.0)
        raw = read_frames(source, movies, mapping)
    elif movies is not None:
        raise InvalidInputError("A frame of movies goes with a frame of ratings.", "Give the ratings as a frame too.")
    elif source is None or isinstance(source, (str, Path)):
        name, path, notes = _locate(settings.data if source is None else source, settings, progress)
        on_progress(f"Reading {name}", 0.0)
        with reading_within(settings.memory_limit):
            raw = read_source(path, mapping)
    else:
        raise InvalidInputError(
            f"A {type(source).__name__} is not a valid source of data.",
            "Give a name, a folder, a file, or a frame of ratings.",
        )
    on_progress(f"Cleaning {name}", 0.3)
    wikidata: pl.DataFrame | None = None
    if credits:
        try:
            wikidata = load_credits(settings, progress)
        except (FetchError, DataError) as error:
            notes = (*notes, f"Credits are left out: {error.message}")
    on_progress(f"Cleaning {name}", 0.5)
    dataset = assemble(name, raw, scale=scale, wikidata=wikidata, notes=notes)
    on_progress(f"Cleaning {name}", 1.0)
    return dataset


def _locate(source: str | Path, settings: Settings, progress: Progress | None) -> tuple[str, Path, tuple[str, ...]]:
    """Name, place and notes of a source; a name of the registry goes before a folder of that name."""
    if source == "auto":
        return locate_auto(settings, progress)
    if isinstance(source, str) and any(info.name == source for info in list_datasets(settings)):
        return source, get_dataset_files(source, settings, progress), ()
    path = Path(source).expanduser()
    if path.exists():
        return path.resolve().stem if path.is_file() else path.resolve().name, path, ()
    if isinstance(source, Path) or len(path.parts) > 1:
        raise DataError(f"There is no folder {path}.", "Check the path, or give a name of `matinee data list`.")
    return source, get_dataset_files(source, settings, progress), ()


def assemble(
    name: str,
    raw: RawData,
    *,
    scale: tuple[float, float] | None = None,
    wikidata: pl.DataFrame | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Clean and join the tables of a data set.

    Args:
        wikidata: Wikidata movies for the credits (see `credits.load_credits`), or None.

    Raises:
        DataError: no usable movie or rating is left.
    """
    tables: dict[str, TableReport] = {}
    joins: dict[str, float] = {}
    raw_movies = raw.movies
    if raw_movies is None:
        ids = raw.ratings.select(as_id(raw.ratings, "movie_id")).drop_nulls().unique(maintain_order=True)
        raw_movies = ids.with_columns(title=pl.lit("Film ") + pl.col("movie_id"))
        notes = (*notes, "There is no table of films: they are called by their ids.")
    movies, tables["movies"] = clean_movies(raw_movies, raw.genre_separator)
    scale = scale or detect_scale(raw.ratings, raw.scale)
    if scale == SEEN:
        notes = (*notes, _note_without_stars(raw))
    ratings, tables["ratings"] = compact_ratings(raw.ratings, movies["movie_id"], scale)
    for table, usable in (("films", movies), ("ratings", ratings)):
        if usable.is_empty():
            lost = tables["movies" if table == "films" else "ratings"].dropped
            why = ", ".join(f"{reason}: {count:,}" for reason, count in lost.items()) or "the table is empty"
            raise DataError(f"{name} has no usable {table} ({why}).", "Check the files and the column mapping.")
    if raw.links is not None:
        movies, tables["links"], shares = add_links(movies, raw.links)
        joins |= shares
    if raw.tags is not None:
        tags, tables["tags"] = clean_tags(raw.tags, movies["movie_id"])
        movies, shares = add_tags(movies, tags)
        joins |= shares
    if raw.overviews is not None:
        movies, tables["overviews"], shares = add_overviews(movies, raw.overviews)
        joins |= shares
    if wikidata is not None:
        movies, shares = add_credits(movies, wikidata)
        joins |= shares
    catalog = Catalog(movies)
    report = CleaningReport(source=name, tables=tables, joins=joins, notes=notes)
    return Dataset(name, catalog, Ratings.from_frame(ratings, catalog), report, scale)


def _note_without_stars(raw: RawData) -> str:
    """The note about data whose rows count as seen, with a hint where the column of stars was not recognized."""
    if "rating" in raw.ratings.columns:
        return "The ratings are read without their stars: each row counts as a film seen."
    note = "The ratings have no stars: each row counts as a film seen."
    if raw.other_columns:
        note += f" If they are in one of the columns {', '.join(raw.other_columns)}, add --map rating=COLUMN."
    return note


def read_ratings_table(path: Path, mapping: Mapping[str, str] | None = None, *, stars: bool = True) -> pl.DataFrame:
    """A file of ratings as found: `user_id`, `movie_id`, and where known `rating` and `timestamp`.

    Give it to `clean_ratings` next.

    Args:
        mapping: canonical column → column of the file; wins over guessing.
        stars: the column `rating` must be there.

    Raises:
        DataError: unknown format, broken file, missing columns (naming those seen).
    """
    return read_table(Path(path), RATINGS_COLUMNS, RATINGS_COLUMNS[: 3 if stars else 2], mapping)


def read_movies_table(path: Path, mapping: Mapping[str, str] | None = None) -> pl.DataFrame:
    """A file of movies, cleaned: those columns of `frames.SCHEMA` that it has, and `year`.

    Lists may be lists (Parquet, NDJSON) or text with "|" between their parts.

    Raises:
        DataError: unknown format, broken file, missing columns (naming those seen).
    """
    return clean_movies(read_table(Path(path), MOVIES_COLUMNS, ("movie_id", "title"), mapping))[0]
