"""The catalog: the frozen table of movies, and the only mapping from movie ids to rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from weakref import ref

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from matinee.data.ids import MovieId, as_id
from matinee.errors import DataError, UnknownMovieError

SCHEMA: dict[str, pl.DataType] = {
    "movie_id": pl.String(),
    "title": pl.String(),
    "year": pl.Int32(),
    "genres": pl.List(pl.String()),
    "tags": pl.List(pl.String()),
    "directors": pl.List(pl.String()),
    "writers": pl.List(pl.String()),
    "cast": pl.List(pl.String()),
    "countries": pl.List(pl.String()),
    "languages": pl.List(pl.String()),
    "keywords": pl.List(pl.String()),
    "overview": pl.String(),
    "imdb_id": pl.String(),
    "tmdb_id": pl.String(),
    "poster": pl.String(),
}
"""Columns of the catalog. Lists are never null (empty instead); the other columns may be null, except
movie_id and title. `title` has neither the year nor a trailing article ("The Matrix", not "Matrix, The (1999)").
`tags` are distinct, lower case, most frequent first. `imdb_id` looks like "tt0114709", `tmdb_id` like "862"."""

LIST_COLUMNS = tuple(name for name, kind in SCHEMA.items() if isinstance(kind, pl.List))


Word = Annotated[str, Field(min_length=1, max_length=200)]


class Movie(BaseModel):
    """One movie, as it is stored and exchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    movie_id: MovieId
    title: Annotated[str, Field(min_length=1, max_length=500)]
    year: Annotated[int, Field(ge=1870, le=2200)] | None = None
    genres: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    tags: Annotated[tuple[Word, ...], Field(max_length=2000)] = ()
    directors: Annotated[tuple[Word, ...], Field(max_length=200)] = ()
    writers: Annotated[tuple[Word, ...], Field(max_length=200)] = ()
    cast: Annotated[tuple[Word, ...], Field(max_length=500)] = ()
    countries: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    languages: Annotated[tuple[Word, ...], Field(max_length=50)] = ()
    keywords: Annotated[tuple[Word, ...], Field(max_length=2000)] = ()
    overview: Annotated[str, Field(max_length=20_000)] | None = None
    imdb_id: Annotated[str, Field(pattern=r"^tt\d{7,10}$")] | None = None
    tmdb_id: Annotated[str, BeforeValidator(as_id), Field(pattern=r"^\d{1,10}$")] | None = None
    poster: Annotated[str, Field(max_length=1000)] | None = None


class Catalog:
    """Frozen table of movies with the columns of `SCHEMA`. Row numbers are 0…n−1 and never change their movie.

    Adding or editing movies makes a new catalog (`with_changes`), which keeps the rows of the old one.

    Raises:
        DataError: columns are missing, or ids are null or duplicated.
    """

    def __init__(self, frame: pl.DataFrame, active: NDArray[np.bool_] | None = None) -> None:
        missing = [name for name in ("movie_id", "title") if name not in frame.columns]
        if missing:
            raise DataError(f"The film table has no column {' or '.join(missing)}.")
        columns: list[pl.Expr] = []
        for name, kind in SCHEMA.items():
            column = pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
            if name in LIST_COLUMNS and (name not in frame.columns or frame[name].null_count()):
                column = column.fill_null(pl.lit([], dtype=kind))
            columns.append(column)
        self.frame = frame.select(columns)
        if self.frame["movie_id"].null_count() or self.frame["title"].null_count():
            raise DataError("The film table has rows without movie_id or title.")
        if self.frame["movie_id"].n_unique() != self.frame.height:
            raise DataError("The film table has a duplicate movie_id.")
        self.active = np.ones(self.frame.height, dtype=np.bool_) if active is None else active.copy()
        self.active.setflags(write=False)
        self._columns: dict[str, list[Any]] = {}
        self._made_from: tuple[ref[Catalog], NDArray[np.int64]] | None = None

    def __repr__(self) -> str:
        return f"<Catalog: {len(self):,} films>"

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def _row_by_id(self) -> dict[str, int]:
        return {movie_id: row for row, movie_id in enumerate(self.column("movie_id"))}

    def column(self, name: str) -> list[Any]:
        """A column as a Python list, cached. Includes rows of removed movies."""
        values = self._columns.get(name)
        if values is None:
            values = self._columns[name] = self.frame[name].to_list()
        return values

    def find(self, movie_id: str) -> int | None:
        """Row of a movie; None if the id is unknown or the movie was removed."""
        row = self._row_by_id.get(movie_id)
        return row if row is not None and self.active[row] else None

    def find_any(self, movie_id: str) -> int | None:
        """Row of a movie, removed or not; None if the id is unknown."""
        return self._row_by_id.get(movie_id)

    def row(self, movie_id: str) -> int:
        """Row of a movie.

        Raises:
            UnknownMovieError: no such movie.
        """
        row = self.find(movie_id)
        if row is None:
            raise UnknownMovieError(movie_id)
        return row

    def rows(self, movie_ids: Iterable[str]) -> NDArray[np.int64]:
        """Rows of many movies; −1 if the id is unknown or the movie was removed."""
        rows = (self.find(movie_id) for movie_id in movie_ids)
        return np.fromiter((-1 if row is None else row for row in rows), dtype=np.int64)

    def ids(self, rows: Iterable[int]) -> list[str]:
        """Movie ids of rows."""
        column = self.column("movie_id")
        return [column[row] for row in rows]

    def movie(self, row: int) -> Movie:
        """One movie as a record (without validation)."""
        record = self.frame.row(row, named=True)
        for name in LIST_COLUMNS:
            record[name] = tuple(record[name])
        return Movie.model_construct(**record)

    @classmethod
    def of(cls, movies: Sequence[Movie]) -> Self:
        """A catalog from records."""
        return cls(pl.DataFrame([movie.model_dump() for movie in movies], schema=SCHEMA))

    def with_changes(self, put: Sequence[Movie] = (), removed: Iterable[str] = ()) -> Catalog:
        """A new catalog: existing movies are replaced in their rows, new ones appended, removed ones made inactive."""
        frame, active = self.frame, self.active.copy()
        edited: list[int] = []
        changed: dict[str, Movie] = {movie.movie_id: movie for movie in put}
        if changed:
            records = pl.DataFrame([movie.model_dump() for movie in changed.values()], schema=SCHEMA)
            row_of = {movie_id: row for movie_id in changed if (row := self._row_by_id.get(movie_id)) is not None}
            edited = list(row_of.values())
            if row_of:
                source = np.arange(len(self))
                for offset, movie_id in enumerate(changed):
                    if movie_id in row_of:
                        source[row_of[movie_id]] = len(self) + offset
                        active[row_of[movie_id]] = True
                frame = pl.concat([frame, records])[source]
            new = records.filter(~pl.col("movie_id").is_in(list(row_of)))
            frame = pl.concat([frame, new], rechunk=True)
            active = np.concatenate([active, np.ones(new.height, dtype=np.bool_)])
        removed = set(removed)
        if removed:
            active[np.flatnonzero(frame["movie_id"].is_in(list(removed)).to_numpy())] = False
        catalog = Catalog(frame, active)
        catalog._made_from = ref(self), np.array(sorted({*edited, *range(len(self), len(catalog))}), dtype=np.int64)
        return catalog

    def changed_since(self, older: Catalog) -> NDArray[np.int64] | None:
        """Rows written by the `with_changes` call that made this catalog from `older`; None if it was not made so."""
        if self._made_from is None or self._made_from[0]() is not older:
            return None
        return self._made_from[1]

    def save(self, path: Path) -> None:
        """Write as an Arrow IPC file, without `active`."""
        self.frame.write_ipc(path, compression="uncompressed")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of `save`.

        Raises:
            DataError: the file is not a valid movie table.
        """
        try:
            # Polars 2 copies the buffers either way, but read_ipc also keeps the file mapped and so resident.
            return cls(pl.scan_ipc(path).collect())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} is not a film table: {error}") from error
