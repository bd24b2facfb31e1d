"""The catalog: the frozen table of movies, and the only mapping from movie ids to rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from weakref import ref

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from matinee._util.extras import need
from matinee.data.ids import Id, MovieId, aliases, as_id, id_text, normalized
from matinee.data.packed import COLUMNS, LIST_COLUMNS, ChangedTable, PackedTable, Table, write_table
from matinee.data.titles import other_titles, split_names, split_title, with_year
from matinee.errors import AmbiguousTitleError, DataError, UnknownMovieError, UnknownTitleError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COLUMNS", "LIST_COLUMNS", "Catalog", "Movie"]

Word = Annotated[str, Field(min_length=1, max_length=200)]
Title = Annotated[str, Field(min_length=1, max_length=500)]


class Movie(BaseModel):
    """One movie, as it is stored and exchanged.

    Examples:
        >>> matinee.Movie(movie_id=862, title="Toy Story", year=1995, genres=("Animation", "Comedy")).movie_id
        '862'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    movie_id: MovieId
    title: Title
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
    original_title: Title | None = None
    alternate_titles: Annotated[tuple[Title, ...], Field(max_length=50)] = ()

    @property
    def other_titles(self) -> tuple[str, ...]:
        """Every name it goes by besides `title`: the original title first, then the alternate ones."""
        return other_titles(self.title, self.original_title, self.alternate_titles)


class Catalog:
    """Frozen movies × columns table (see `COLUMNS`); row numbers are 0…n−1 and never change their movie.

    Movies added or edited while serving make a new catalog (`with_changes`) whose first rows are the old ones.

    Args:
        frame: `movie_id`, `title` and any other of `COLUMNS`.
        active: (n,), False for movies that were removed; None: all are there.

    Raises:
        DataError: columns missing, null or duplicate ids.

    Examples:
        >>> catalog = dataset.catalog
        >>> len(catalog), catalog.movie(catalog.row("1")).title
        (40, 'Toy Story')
        >>> catalog.titles([0, 1])
        ['Toy Story (1995)', 'Star Wars (1977)']
        >>> catalog.frame.columns[:4]
        ['movie_id', 'title', 'year', 'genres']
    """

    def __init__(self, frame: pl.DataFrame, active: NDArray[np.bool_] | None = None) -> None:
        from matinee.data.frames import FrameTable

        self._begin(FrameTable(frame), active)

    def _begin(self, table: Table, active: NDArray[np.bool_] | None = None) -> None:
        self._table = table
        self.active = np.ones(len(table), dtype=np.bool_) if active is None else active.copy()
        self.active.setflags(write=False)
        self._columns: dict[str, list[Any]] = {}
        self._made_from: tuple[ref[Catalog], NDArray[np.int64]] | None = None

    @classmethod
    def _over(cls, table: Table, active: NDArray[np.bool_] | None = None) -> Self:
        catalog = cls.__new__(cls)
        catalog._begin(table, active)
        return catalog

    def __repr__(self) -> str:
        return f"<Catalog: {len(self):,} films>"

    def __len__(self) -> int:
        return len(self.active)

    @property
    def table(self) -> Table:
        """The movies, removed ones included, without the mapping of ids: it does not keep the catalog alive."""
        return self._table

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The movies as a data frame, a row each (removed movies included).

        Raises:
            MissingExtraError: Polars is not installed; serving does without.
        """
        need("polars", "A table as a data frame", "train")
        from matinee.data.frames import frame_of

        return frame_of(self._table)

    @cached_property
    def years(self) -> NDArray[np.float64]:
        """Years of release, (n,), NaN where unknown."""
        return np.array(self.column("year"), dtype=np.float64)

    @cached_property
    def _row_by_id(self) -> dict[str, int]:
        return {movie_id: row for row, movie_id in enumerate(self.column("movie_id"))}

    @cached_property
    def _aliases(self) -> dict[str, int]:
        return aliases(self.column("movie_id"))

    def column(self, name: str) -> list[Any]:
        """A column as a Python list, cached. Includes rows of removed movies."""
        values = self._columns.get(name)
        if values is None:
            values = self._columns[name] = self._table.column(name)
        return values

    def columns(self, *names: str) -> list[list[Any]]:
        """Several columns, see `column`."""
        return [self.column(name) for name in names]

    def some(self, name: str, rows: Sequence[int]) -> list[Any]:
        """A column of some movies only; the whole column is not made for them."""
        values = self._columns.get(name)
        return self._table.some(name, rows) if values is None else [values[row] for row in rows]

    def find(self, movie_id: str) -> int | None:
        """Row of a movie; None if the id is unknown or the movie was removed."""
        row = self.find_any(movie_id)
        return row if row is not None and self.active[row] else None

    def find_any(self, movie_id: str) -> int | None:
        """Row of a movie, removed or not; None if the id is unknown."""
        row = self._row_by_id.get(movie_id)
        if row is None and not movie_id.isascii():
            key = normalized(movie_id)
            row = self._row_by_id.get(key, self._aliases.get(key))
        return row

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
        rows_found = (self.find(movie_id) for movie_id in movie_ids)
        return np.fromiter((-1 if row is None else row for row in rows_found), dtype=np.int64)

    @cached_property
    def _rows_by_title(self) -> dict[str, list[int]]:
        rows_by_title: dict[str, list[int]] = {}
        for row, title in enumerate(self.column("title")):
            rows_by_title.setdefault(title.casefold(), []).append(row)
        return rows_by_title

    @cached_property
    def _rows_by_other_title(self) -> dict[str, list[int]]:
        rows_by_title: dict[str, list[int]] = {}
        for row, names in enumerate(self.other_titles()):
            for name in {name.casefold() for name in names}:
                rows_by_title.setdefault(name, []).append(row)
        return rows_by_title

    def other_titles(self) -> list[tuple[str, ...]]:
        """Every name that each movie goes by besides its title, see `Movie.other_titles`; cached."""
        return self._other_titles

    @cached_property
    def _other_titles(self) -> list[tuple[str, ...]]:
        columns = self.columns("title", "original_title", "alternate_titles")
        return [other_titles(*names) for names in zip(*columns, strict=True)]

    def resolve(self, name: Id) -> int:
        """Row of the movie that has this id or, where none has, this title, with or without the year.

        Titles are compared as they are, but for capitals, an article at their end ("Matrix, The (1999)") and other
        names in parentheses. Original and alternate titles are looked up where no movie has the name as its title.

        Examples:
            >>> catalog = Catalog.of([Movie(movie_id="7", title="Heat", year=1995)])
            >>> catalog.resolve("7"), catalog.resolve(7), catalog.resolve("Heat"), catalog.resolve("heat (1995)")
            (0, 0, 0, 0)

        Raises:
            UnknownTitleError: no movie has it.
            AmbiguousTitleError: several movies have this title.
        """
        text = id_text(name)
        row = self.find(text)
        if row is not None:
            return row
        if not isinstance(name, str):
            raise UnknownMovieError(text)
        title, year = split_title(text)
        rows = self._titled(text, self._rows_by_title)
        for name in dict.fromkeys((title, split_names(title)[0])):
            for titles in (self._rows_by_title, self._rows_by_other_title):
                rows = rows or [
                    row for row in self._titled(name, titles) if year is None or self.column("year")[row] == year
                ]
        if not rows:
            raise UnknownTitleError(text)
        if len(rows) > 1:
            ids, years = self.column("movie_id"), self.column("year")
            raise AmbiguousTitleError(text, [(ids[row], years[row]) for row in rows])
        return rows[0]

    def _titled(self, title: str, rows_by_title: dict[str, list[int]]) -> list[int]:
        return [row for row in rows_by_title.get(title.strip().casefold(), ()) if self.active[row]]

    def titles(self, rows: Iterable[int]) -> list[str]:
        """Titles of rows, with years where they are known: "Toy Story (1995)"."""
        titles, years = self.column("title"), self.column("year")
        return [with_year(titles[row], years[row]) for row in rows]

    def ids(self, rows: Iterable[int]) -> list[str]:
        """Movie ids of rows."""
        column = self.column("movie_id")
        return [column[row] for row in rows]

    def movie(self, row: int) -> Movie:
        """One movie as a record (without validation)."""
        record = self._table.row(row)
        for name in LIST_COLUMNS:
            record[name] = tuple(record[name])
        return Movie.model_construct(**record)

    @classmethod
    def of(cls, movies: Sequence[Movie]) -> Self:
        """A catalog from records."""
        catalog = cls._over(ChangedTable(None, {row: movie.model_dump() for row, movie in enumerate(movies)}))
        if len(catalog._row_by_id) != len(catalog):
            raise DataError("The film table has a duplicate movie_id.")
        return catalog

    def without_tags(self) -> Catalog:
        """The same movies without tags, which users write; itself where no movie has one."""
        import polars as pl

        frame = self.frame
        if not (frame["tags"].list.len() > 0).any():
            return self
        return Catalog(frame.with_columns(tags=pl.lit([], dtype=frame.schema["tags"])), self.active)

    def with_changes(self, changed: Sequence[Movie] = (), removed: Iterable[str] = ()) -> Catalog:
        """A new catalog: existing movies are replaced in their rows, new ones appended, removed ones made inactive."""
        records: dict[int, dict[str, Any]] = {}
        appended: dict[str, int] = {}
        for movie in {movie.movie_id: movie for movie in changed}.values():
            row = self.find_any(movie.movie_id)
            if row is None:
                row = appended[movie.movie_id] = len(self) + len(appended)
            records[row] = movie.model_dump()
        active = np.concatenate([self.active, np.ones(len(appended), dtype=np.bool_)])
        active[list(records)] = True
        for movie_id in removed:
            row = self.find_any(movie_id)
            row = appended.get(movie_id) if row is None else row
            if row is not None:
                active[row] = False
        table = self._table
        if records:
            table = table.changed(records) if isinstance(table, ChangedTable) else ChangedTable(table, records)
        catalog = Catalog._over(table, active)
        catalog._made_from = ref(self), np.array(sorted(records), dtype=np.int64)
        return catalog

    def changed_since(self, older: Catalog) -> NDArray[np.int64] | None:
        """Rows written by the `with_changes` call that made this catalog from `older`; None if it was not made so."""
        if self._made_from is None or self._made_from[0]() is not older:
            return None
        return self._made_from[1]

    def save(self, path: Path) -> None:
        """Write as a table of arrays (see `matinee.data.packed`); which movies are inactive is not kept."""
        write_table(path, self._table)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, memory-mapped.

        Raises:
            DataError: the file is not such a table.
        """
        try:
            catalog = cls._over(PackedTable.read(path))
            if len(catalog._row_by_id) != len(catalog):
                raise ValueError("it has a duplicate movie_id")
        except (OSError, ValueError) as error:
            raise DataError(f"{path} is not a film table: {error}") from error
        return catalog
