"""Matching of picture files to movies by file name: a movie id, an IMDb id or a TMDB id.

The first rule that applies decides:

1. With `by`, every name is an id of that kind.
2. An `index.csv` in the folder lists the file: in a column `file`, or in the column of ids that matches most files. The
   row's IMDb id decides about the movie, else its TMDB id, else its movie id. A movie id is ignored if it contradicts
   the other two, because movie ids differ between data sets.
3. `tt0114709` is an IMDb id, unless a movie has this id.
4. Other text is a movie id.
5. Numbers are of the kind that most numbers of the folder match: movie ids, IMDb ids (with or without leading zeros) or
   TMDB ids. Of equally good kinds the first counts.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from matinee.data.catalog import Movie
from matinee.data.ids import normalized
from matinee.errors import DataError

By = Literal["movie", "imdb", "tmdb"]
KINDS: tuple[By, ...] = ("movie", "imdb", "tmdb")
INDEX = "index.csv"
MAX_INDEX = 64 << 20
"""Maximum size of an index.csv, in bytes."""

_IMDB = re.compile(r"tt(\d{1,10})", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_COLUMNS: dict[str, tuple[str, ...]] = {
    "file": ("file", "filename", "name", "path", "image"),
    "imdb": ("imdbid", "imdb", "tconst"),
    "tmdb": ("tmdbid", "tmdb"),
    "movie": ("movieid", "itemid", "filmid", "movie"),
}


def imdb_of(text: str) -> str | None:
    """Normalize an IMDb id: "0114709" and "114709" → "tt0114709"; None if it is not valid."""
    match = _IMDB.fullmatch(text) or re.fullmatch(r"(\d{1,10})", text, re.ASCII)
    return f"tt{int(match[1]):07d}" if match else None


class Row(NamedTuple):
    """A line of an index.csv."""

    file: str
    imdb: str
    tmdb: str
    movie: str


class MovieIndex:
    """The movies of a catalog, indexed by each kind of id."""

    def __init__(self, movies: Iterable[Movie]) -> None:
        self._others: dict[str, tuple[str | None, str | None]] = {}
        self._by: dict[str, defaultdict[str, list[str]]] = {"imdb": defaultdict(list), "tmdb": defaultdict(list)}
        for movie in movies:
            self._others[movie.movie_id] = (movie.imdb_id, movie.tmdb_id)
            for by, value in (("imdb", movie.imdb_id), ("tmdb", movie.tmdb_id)):
                if value:
                    self._by[by][value].append(movie.movie_id)

    def find(self, by: By, text: str) -> Sequence[str]:
        """Ids of the movies with an id of one kind (both, if a movie has two entries)."""
        if by == "movie":
            # File names of the poster store are percent-quoted.
            # Some systems give them in another Unicode form.
            names = (text, unquote(text), normalized(text), normalized(unquote(text)))
            return next(([name] for name in names if name in self._others), [])
        key = imdb_of(text) if by == "imdb" else str(int(text)) if _NUMBER.fullmatch(text) else None
        return self._by[by].get(key, []) if key else []

    def find_row(self, row: Row) -> Sequence[str]:
        """Ids of the movies of a line of an index.csv."""
        matches = self.find("imdb", row.imdb) or self.find("tmdb", row.tmdb)
        if matches or row.movie not in self._others:
            return matches
        imdb, tmdb = self._others[row.movie]
        contradicts = (row.imdb and imdb and imdb_of(row.imdb) != imdb) or (row.tmdb and tmdb and row.tmdb != tmdb)
        return [] if contradicts else [row.movie]


def number_kind(movie_index: MovieIndex, stems: Iterable[str]) -> By:
    """The kind of id that most of the numbers match (rule 5)."""
    counts = dict.fromkeys(KINDS, 0)
    for stem in stems:
        for by in KINDS:
            counts[by] += bool(movie_index.find(by, stem))
    return max(KINDS, key=counts.__getitem__)  # ties go to the first


def is_number(stem: str) -> bool:
    """Whether a name is a number."""
    return bool(_NUMBER.fullmatch(stem))


def resolve(movie_index: MovieIndex, stem: str, by: By | None, numbers: By, index: Mapping[str, Row]) -> Sequence[str]:
    """Ids of the movies of a file, by its name without suffix; empty if the catalog has no such movie."""
    if by is not None:
        return movie_index.find(by, stem)
    row = index.get(stem.casefold())
    if row is not None:
        return movie_index.find_row(row)
    if is_number(stem):
        return movie_index.find(numbers, stem)
    return movie_index.find("movie", stem) or (movie_index.find("imdb", stem) if _IMDB.fullmatch(stem) else [])


def read_index(folder: Path, stems: Iterable[str]) -> dict[str, Row]:
    """The rows of a folder's index.csv for the given names, by lower-case name; empty if there is no index.csv.

    Raises:
        DataError: it cannot be read, or has no column of ids.
    """
    path = folder / INDEX
    if path.is_symlink() or not path.is_file():
        return {}
    hint = "Correct or remove it, or use --by movie, imdb or tmdb."
    try:
        if path.stat().st_size > MAX_INDEX:
            raise DataError(f"{path} is larger than {MAX_INDEX:,} bytes.", hint)
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            lines = csv.reader(file)
            header = [re.sub(r"[^a-z]", "", name.casefold()) for name in next(lines, [])]
            columns = {
                kind: next((header.index(n) for n in names if n in header), -1) for kind, names in _COLUMNS.items()
            }
            if all(column < 0 for kind, column in columns.items() if kind != "file"):
                raise DataError(f"{path} has no column imdb_id, tmdb_id or movie_id.", hint)
            rows = [
                Row(*(line[columns[kind]].strip() if 0 <= columns[kind] < len(line) else "" for kind in Row._fields))
                for line in lines
            ]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}.", hint) from error
    folded = {stem.casefold() for stem in stems}
    best: dict[str, Row] = {}
    for kind in Row._fields:
        rows_by_name = {}
        for row in rows:
            rows_by_name.update({name: row for name in _spellings(kind, getattr(row, kind)) if name in folded})
        if len(rows_by_name) > len(best):
            best = rows_by_name
    return best


def _spellings(kind: str, value: str) -> tuple[str, ...]:
    """Lower-case file names that a value of an index.csv may refer to."""
    if not value:
        return ()
    if kind == "file":
        name = re.split(r"[/\\]", value)[-1].casefold()
        return name, name.rpartition(".")[0] or name
    if kind == "imdb" and (imdb := imdb_of(value)):
        return imdb, imdb[2:], str(int(imdb[2:]))
    return (value.casefold(),)
