"""`load_dataset`: from a name or a folder to a clean, enriched, frozen `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from matinee._util.progress import Progress, silent
from matinee.data.catalog import Catalog
from matinee.data.clean import as_id, clean_movies, clean_tags, compact_ratings, is_null_word
from matinee.data.credits import add_credits, load_credits
from matinee.data.dataset import SEEN, CleaningReport, Dataset, TableReport
from matinee.data.id_checks import check_known, note_imdb_ids
from matinee.data.joins import add_links, add_overviews, add_tags
from matinee.data.ratings import Ratings
from matinee.data.readers import RawData, read_source
from matinee.data.readers.archives import ARCHIVES, packing, unpacked
from matinee.data.readers.columns import MOVIES_COLUMNS, RATINGS_COLUMNS, ColumnMapping, split_mapping
from matinee.data.readers.frames import is_frame, read_frames
from matinee.data.readers.generic import find
from matinee.data.readers.memory import reading_within
from matinee.data.readers.metadata import read_movies_alone, refuse_other_tables
from matinee.data.readers.remarks import collecting, current_notes
from matinee.data.readers.tables import SUFFIXES, columns_of, read_table
from matinee.data.sources import get_dataset_files, list_datasets, locate_auto
from matinee.data.stars import Meaning, Values, understand
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
    mapping: ColumnMapping | None = None,
    scale: tuple[float, float] | None = None,
    values: Mapping[str, float] | None = None,
    unrated: Sequence[float] | None = None,
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
        mapping: canonical column → column of the files or frames, for plain tables; wins over guessing. A column of one
            table is written `ratings.movie_id`.
        scale: lowest and highest stars, `dataset.SEEN` to leave stars out; None: by the layout, else detected.
        values: ratings as written → stars, e.g. `{"like": 5, "dislike": 1}`.
        unrated: numbers that mean "not rated"; empty: none do. None: 99, -1 and the like do where they lie apart.
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
        name, path, notes = locate(settings.data if source is None else source, settings, progress)
        on_progress(f"Reading {name}", 0.0)
        with reading_within(settings.memory_limit):
            raw = read_source(path, mapping)
    else:
        raise InvalidInputError(
            f"A {type(source).__name__} is not a valid source of data.",
            "Give a name, a folder, a file, or a frame of ratings.",
        )
    on_progress(f"Cleaning {name}", 0.3)
    wikidata, told = credits_or_note(settings, progress) if credits else (None, ())
    notes = (*notes, *told)
    on_progress(f"Cleaning {name}", 0.5)
    dataset = assemble(name, raw, scale=scale, values=values, unrated=unrated, wikidata=wikidata, notes=notes)
    on_progress(f"Cleaning {name}", 1.0)
    return dataset


def credits_or_note(settings: Settings, progress: Progress | None) -> tuple[pl.DataFrame | None, tuple[str, ...]]:
    """Wikidata movies for the credits; where they cannot be had, None and a note that says so."""
    try:
        return load_credits(settings, progress), ()
    except (FetchError, DataError) as error:
        return None, (f"Credits are left out: {error.message}",)


def locate(source: str | Path, settings: Settings, progress: Progress | None) -> tuple[str, Path, tuple[str, ...]]:
    """Name, place and notes of a source; a name of the registry goes before a folder of that name."""
    if source == "auto":
        return locate_auto(settings, progress)
    if isinstance(source, str) and any(info.name == source for info in list_datasets(settings)):
        return source, get_dataset_files(source, settings, progress), ()
    path = Path(source).expanduser()
    if path.exists():
        resolved = path.resolve()
        if not path.is_file():
            return resolved.name, path, ()
        kind = packing(path) or ""
        bare = resolved.name[: -len(kind)] if kind and resolved.name.lower().endswith(kind) else resolved.name
        # ml.zip is called ml, ratings.csv.gz ratings
        return bare if kind in ARCHIVES else Path(bare).stem, path, ()
    if isinstance(source, Path) or len(path.parts) > 1:
        raise DataError(f"There is no folder {path}.", "Check the path, or give a name of `matinee data list`.")
    return source, get_dataset_files(source, settings, progress), ()


def assemble(
    name: str,
    raw: RawData,
    *,
    scale: tuple[float, float] | None = None,
    values: Mapping[str, float] | None = None,
    unrated: Sequence[float] | None = None,
    wikidata: pl.DataFrame | None = None,
    notes: tuple[str, ...] = (),
    table: RatingsTable | None = None,
) -> Dataset:
    """Clean and join the tables of a data set.

    Args:
        table: all ratings, where `raw` has only their first rows; None: those of `raw`.
        scale, values, unrated: see `load_dataset`.
        wikidata: Wikidata movies for the credits (see `credits.load_credits`), or None.

    Raises:
        DataError: no usable movie or rating is left, or most ratings are of movies that the table of movies lacks.
    """
    with collecting() as remarks:
        ratings = FrameOfRatings(raw.ratings) if table is None else table
        dataset = _assemble(name, raw, ratings, scale, values, unrated, wikidata, (*notes, *raw.notes))
    report = dataset.report
    tables = {table: counts.with_lost(raw.lost.get(table, {})) for table, counts in report.tables.items()}
    report = report.model_copy(update={"tables": tables, "notes": (*report.notes, *remarks.notes)})
    return replace(dataset, report=report)


class RatingsTable(Protocol):
    """All ratings of a data set as read, wherever they are."""

    def values(self, words: Mapping[str, float] | None) -> Values | None:
        """The distinct values of the column of ratings; None where there is none."""

    def movie_ids(self) -> pl.DataFrame:
        """`movie_id` as read, in the order of the rows; rows may be left out that repeat one."""

    def clean(self, movie_ids: pl.Series, meaning: Meaning, values: Values | None) -> TableReport:
        """See `clean.compact_ratings`."""

    def matrix(self, catalog: Catalog) -> Ratings:
        """The clean ratings."""


class FrameOfRatings:
    """Ratings in memory."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._clean = frame.clear()

    def values(self, words: Mapping[str, float] | None) -> Values | None:
        """See `RatingsTable.values`."""
        return Values.of(self._frame["rating"], words) if "rating" in self._frame.columns else None

    def movie_ids(self) -> pl.DataFrame:
        """See `RatingsTable.movie_ids`."""
        return self._frame.select("movie_id")

    def clean(self, movie_ids: pl.Series, meaning: Meaning, values: Values | None) -> TableReport:
        """See `RatingsTable.clean`."""
        unrated, counts = meaning.unrated, meaning.counts
        self._clean, report = compact_ratings(
            self._frame, movie_ids, meaning.scale, values=values, unrated=unrated, counts_as_seen=counts
        )
        return report

    def matrix(self, catalog: Catalog) -> Ratings:
        """See `RatingsTable.matrix`."""
        return Ratings.from_frame(self._clean, catalog)


def _assemble(
    name: str,
    raw: RawData,
    table: RatingsTable,
    stated: tuple[float, float] | None,
    words: Mapping[str, float] | None,
    unrated: Sequence[float] | None,
    wikidata: pl.DataFrame | None,
    notes: tuple[str, ...],
) -> Dataset:
    tables: dict[str, TableReport] = {}
    joins: dict[str, float] = {}
    raw_movies = raw.movies
    if raw_movies is None:
        ids = table.movie_ids()
        ids = ids.select(as_id(ids, "movie_id")).drop_nulls().unique(maintain_order=True)
        ids = ids.filter(~is_null_word(ids["movie_id"]))
        raw_movies = ids.with_columns(title=pl.lit("Film ") + pl.col("movie_id"))
        notes = (*notes, "There is no table of films: they are called by their ids.")
    movies, tables["movies"] = clean_movies(raw_movies, raw.genre_separator)
    movies = note_imdb_ids(movies)
    values = table.values(words)
    if words and values is None:
        raise DataError(
            "There is no column of ratings whose values could be read as stated.", "Add --map rating=COLUMN."
        )
    meaning = understand(values, raw.scale, scale=stated, unrated=unrated)
    scale = meaning.scale
    notes = (*notes, *meaning.notes)
    if scale == SEEN and not meaning.counts:
        notes = (*notes, _note_without_stars(raw))
    counts = table.clean(movies["movie_id"], meaning, values)
    tables["ratings"] = counts.model_copy(update={"noticed": {**counts.noticed, **meaning.noticed}})
    if values is not None and values.unread and scale != SEEN:
        notes = (*notes, _note_unread(values))
    if raw.movies is not None:
        check_known(table.movie_ids, movies, tables["ratings"], raw)
    for what, usable in (("films", movies.height), ("ratings", counts.rows_out)):
        if not usable:
            lost = tables["movies" if what == "films" else "ratings"].dropped
            why = ", ".join(f"{reason}: {count:,}" for reason, count in lost.items()) or "the table is empty"
            unread = f" {_note_unread(values)}" if what == "ratings" and values is not None and values.unread else ""
            odd = " ".join(["", *(text for text in current_notes() if " ids such as " in text)])
            raise DataError(
                f"{name} has no usable {what} ({why}).{unread}{odd}", "Check the files and the column mapping."
            )
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
    return Dataset(name, catalog, table.matrix(catalog), report, scale)


def _note_unread(values: Values) -> str:
    """The sentence about ratings that could not be read, with some of them."""
    shown = ", ".join(repr(text[:30]) for text in values.unread[:3])
    example = f"{values.unread[0][:30]}=STARS"
    return f"Ratings such as {shown} are no numbers; --map-values {example} says what they are worth."


def _note_without_stars(raw: RawData) -> str:
    """The note about data whose rows count as seen, with a hint where the column of stars was not recognized."""
    if "rating" in raw.ratings.columns:
        return "The ratings are read without their stars: each row counts as a film seen."
    note = "The ratings have no stars: each row counts as a film seen."
    if raw.other_columns:
        note += f" If they are in one of the columns {', '.join(raw.other_columns)}, add --map rating=COLUMN."
    return note


def read_ratings_table(path: Path, mapping: ColumnMapping | None = None, *, stars: bool = True) -> pl.DataFrame:
    """A file of ratings as found: `user_id`, `movie_id`, and where known `rating` and `timestamp`.

    Give it to `clean_ratings` next.

    Args:
        path: a table, packed or not; of an archive its table of ratings.
        mapping: canonical column → column of the file; wins over guessing.
        stars: the column `rating` must be there.

    Raises:
        DataError: unknown format, broken file, missing columns (naming those seen).
    """
    with unpacked(_existing(path)) as place:
        file = _member(place, "ratings", path)
        own = split_mapping(mapping, {"ratings": columns_of(file)})["ratings"] if mapping else None
        if not mapping:
            refuse_other_tables(file, columns_of(file) if file.suffix.lower() in SUFFIXES else ())
        return read_table(file, RATINGS_COLUMNS, RATINGS_COLUMNS[: 3 if stars else 2], own)


def read_movies_table(path: Path, mapping: ColumnMapping | None = None) -> pl.DataFrame:
    """A file of movies, cleaned (see `read_movies_file`)."""
    return read_movies_file(path, mapping)[0]


def read_movies_file(path: Path, mapping: ColumnMapping | None = None) -> tuple[pl.DataFrame, TableReport]:
    """A file of movies, cleaned: those columns of `frames.SCHEMA` that it has, and `year`; and the report.

    Lists may be lists (Parquet, JSON) or text, with "|" between their parts, or as Python or JSON write them. Movies of
    TMDB are called `tmdb:603`, as the number alone is another movie where ids are those of MovieLens.

    Raises:
        DataError: unknown format, broken file, missing columns (naming those seen).
    """
    with collecting() as remarks, unpacked(_existing(path)) as place:
        file = _member(place, "movies", path)
        columns = columns_of(file) if file.suffix.lower() in SUFFIXES else []
        frame = None if mapping else read_movies_alone(file, columns)
        if frame is None:
            own = split_mapping(mapping, {"movies": columns})["movies"] if mapping else None
            frame = read_table(file, MOVIES_COLUMNS, ("movie_id", "title"), own)
        movies, report = clean_movies(frame)
        return movies, report.with_lost(remarks.of(file))


def _existing(path: Path) -> Path:
    if not Path(path).is_file():
        raise DataError(f"There is no file {path}.", "Check the path.")
    return Path(path)


def _member(place: Path, table: str, given: Path) -> Path:
    """The table of an unpacked archive; a file is itself."""
    if place.is_file():
        return place
    inside = [entry for entry in place.iterdir() if entry.name[0] != "."]
    if len(inside) == 1 and inside[0].is_dir():
        place = inside[0]
        inside = list(place.iterdir())
    found = inside[0] if len(inside) == 1 else find(place, table)
    if found is None or not found.is_file():
        raise DataError(f"{given} has no table of {table}.", f"It must hold one called {table}.csv or the like.")
    return found
