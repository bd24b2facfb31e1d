"""Tables of movies as a snapshot keeps them: texts in one buffer, memory-mapped, read row by row or column by column.

Serving needs no more than this; what cleans, joins and trains uses data frames (`matinee.data.frames`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self, overload

import numpy as np
from numpy.typing import NDArray

from matinee._util.tensor_file import read_tensors, write_tensors

COLUMNS: dict[str, Literal["text", "year", "list"]] = {
    "movie_id": "text",
    "title": "text",
    "year": "year",
    "genres": "list",
    "tags": "list",
    "directors": "list",
    "writers": "list",
    "cast": "list",
    "countries": "list",
    "languages": "list",
    "keywords": "list",
    "overview": "text",
    "imdb_id": "text",
    "tmdb_id": "text",
    "poster": "text",
    "original_title": "text",
    "alternate_titles": "list",
}
"""Columns of the catalog. Lists are never null (empty instead); the other columns may be null, except
movie_id and title. `title` has neither the year nor a trailing article ("The Matrix", not "Matrix, The (1999)").
`original_title` is the
title in the movie's own language, null where it is `title`; `alternate_titles` are other names it goes by.
`tags` are distinct, lower case, most frequent first. `imdb_id` looks like "tt0114709", `tmdb_id` like "862"."""

ADDED = ("original_title", "alternate_titles")
"""Columns that tables lack which were written before there were any: null and empty there."""

LIST_COLUMNS = tuple(name for name, kind in COLUMNS.items() if kind == "list")

DIGITS = 18
"""Of numbers that 64 bits hold in any case."""
_NO_YEAR = np.iinfo(np.int32).min

Arrays = dict[str, NDArray[Any]]


class Texts(Sequence[str]):
    """Texts in one UTF-8 buffer: text i is `buffer[cuts[i]:cuts[i+1]]`; immutable."""

    def __init__(self, buffer: NDArray[np.uint8], cuts: NDArray[np.int64]) -> None:
        _check_cuts(cuts, len(buffer))
        inner = cuts[:-1][cuts[:-1] < len(buffer)]
        if bool(((buffer[inner] & 0xC0) == 0x80).any()):
            raise ValueError("a text begins within a character")
        bytes(buffer.data).decode()  # a UnicodeDecodeError is a ValueError
        self.buffer, self.cuts = buffer, cuts

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Pack texts."""
        parts = [text.encode() for text in texts]
        cuts = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in parts], out=cuts[1:])
        return cls(np.frombuffer(b"".join(parts), dtype=np.uint8), cuts)

    def __len__(self) -> int:
        return len(self.cuts) - 1

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self.buffer[self.cuts[position] : self.cuts[position + 1]].tobytes().decode()

    def to_list(self) -> list[str]:
        """All texts."""
        data = self.buffer.tobytes()
        if data.isascii():  # then a place in the bytes is one in the text
            text = data.decode("ascii")
            return [text[start:stop] for start, stop in pairwise(self.cuts.tolist())]
        return [data[start:stop].decode() for start, stop in pairwise(self.cuts.tolist())]

    def numbers(self) -> NDArray[np.int64] | None:
        """What `number_of` says of each, (n,); None where that is None of any."""
        digits, lengths = self.buffer.astype(np.int64) - ord("0"), np.diff(self.cuts)
        starts = self.cuts[:-1]
        if not len(lengths) or lengths.min() < 1 or lengths.max() > DIGITS or digits.min() < 0 or digits.max() > 9:
            return None
        if bool(((digits[starts] == 0) & (lengths > 1)).any()):
            return None
        result = np.zeros(len(lengths), dtype=np.int64)
        for place in range(int(lengths.max())):
            more = lengths > place
            result[more] = 10 * result[more] + digits[starts[more] + place]
        return result


def number_of(text: str) -> int | None:
    """The whole number that is written so, and in no other way; None: it is none, or has more than `DIGITS` digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS) or (text[0] == "0" and len(text) > 1):
        return None
    return int(text)


def _check_cuts(cuts: NDArray[np.int64], length: int) -> None:
    if not len(cuts) or cuts[0] != 0 or cuts[-1] != length or bool((np.diff(cuts) < 0).any()):
        raise ValueError("cuts do not fit what they cut")


class Coded(NamedTuple):
    """Lists of words: the i-th has `words[codes[cuts[i]:cuts[i+1]]]`. A word may be there twice, or in no list."""

    words: list[str]
    codes: NDArray[np.integer[Any]]
    cuts: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Iterable[Iterable[str]]) -> Self:
        """Number the words of lists in the order in which they come."""
        code: dict[str, int] = {}
        codes = [[code.setdefault(word, len(code)) for word in words] for words in lists]
        flat = np.fromiter(chain.from_iterable(codes), dtype=np.int32)
        return cls(list(code), flat, np.cumsum([0, *map(len, codes)], dtype=np.int64))

    def take(self, places: NDArray[np.integer[Any]]) -> Coded:
        """Some of the lists, in this order."""
        starts, lengths = self.cuts[places], np.diff(self.cuts)[places]
        cuts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Coded(self.words, self.codes[np.arange(cuts[-1]) + np.repeat(starts - cuts[:-1], lengths)], cuts)


class Table(Protocol):
    """Movies × `COLUMNS`, frozen."""

    def __len__(self) -> int:
        """Number of movies."""
        ...

    def column(self, name: str) -> list[Any]:
        """A column as a new list: texts, years or None, lists of texts."""
        ...

    def part(self, name: str, start: int, stop: int) -> list[Any]:
        """`column` of the movies from one row up to another."""
        ...

    def some(self, name: str, rows: Sequence[int]) -> list[Any]:
        """`column` of some movies, in a time that depends on their number alone."""
        ...

    def row(self, row: int) -> dict[str, Any]:
        """One movie by column."""
        ...

    def filled(self, name: str) -> NDArray[np.bool_]:
        """Which movies have something in a column of texts, (n,); reads no text."""
        ...

    def coded(self, name: str, rows: NDArray[np.int64]) -> Coded:
        """The lists of some movies."""
        ...


class _Nullable:
    """Texts, some of which are null."""

    def __init__(self, texts: Texts, mask: NDArray[np.uint8] | None) -> None:
        if mask is not None and len(mask) != len(texts):
            raise ValueError("nulls do not fit the texts")
        self.texts, self.mask = texts, mask

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> str | None:
        return self.texts[row] if self.mask is None or self.mask[row] else None

    def filled(self) -> NDArray[np.bool_]:
        given = np.diff(self.texts.cuts) > 0
        return given if self.mask is None else given & (self.mask != 0)

    def to_list(self) -> list[Any]:
        values = self.texts.to_list()
        if self.mask is None:
            return values
        return [value if valid else None for value, valid in zip(values, self.mask.tolist(), strict=True)]


class _Years:
    """Years, `_NO_YEAR` for null."""

    def __init__(self, years: NDArray[np.int32]) -> None:
        self.years = years

    def __len__(self) -> int:
        return len(self.years)

    def __getitem__(self, row: int) -> int | None:
        return None if self.years[row] == _NO_YEAR else int(self.years[row])

    def to_list(self) -> list[Any]:
        return [None if year == _NO_YEAR else year for year in self.years.tolist()]


class _Lists:
    """Lists of words: row i has `words[codes[cuts[i]:cuts[i+1]]]`."""

    def __init__(self, words: Texts, codes: NDArray[np.int32], cuts: NDArray[np.int64]) -> None:
        _check_cuts(cuts, len(codes))
        if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(words):
            raise ValueError("a list names words that are not there")
        self.words, self.codes, self.cuts = words, codes, cuts

    def __len__(self) -> int:
        return len(self.cuts) - 1

    def __getitem__(self, row: int) -> list[str]:
        return [self.words[code] for code in self.codes[self.cuts[row] : self.cuts[row + 1]].tolist()]

    def to_list(self) -> list[Any]:
        words = self.words.to_list()
        flat = [words[code] for code in self.codes.tolist()]
        return [flat[start:stop] for start, stop in pairwise(self.cuts.tolist())]

    def coded(self, rows: NDArray[np.int64]) -> Coded:
        """Some of them."""
        return Coded(self.words.to_list(), self.codes, self.cuts).take(rows)


class PackedTable:
    """A table in arrays, as it is written."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._columns: dict[str, _Nullable | _Years | _Lists] = {}
        try:
            for name, kind in COLUMNS.items():
                if name in ADDED and name not in arrays and f"{name}.cuts" not in arrays:
                    self._columns[name] = _nothing(kind, len(self))
                elif kind == "year":
                    self._columns[name] = _Years(arrays[name])
                elif kind == "text":
                    self._columns[name] = _Nullable(_texts(arrays, name), arrays.get(f"{name}.known"))
                else:
                    words = _texts(arrays, f"{name}.words")
                    self._columns[name] = _Lists(words, arrays[f"{name}.codes"], arrays[f"{name}.cuts"])
        except KeyError as error:
            raise ValueError(f"it has no {error.args[0]}") from error
        if len({len(column) for column in self._columns.values()}) != 1:
            raise ValueError("its columns are not of one length")

    def __len__(self) -> int:
        return len(self._columns["movie_id"])

    def column(self, name: str) -> list[Any]:
        """A column as a new list."""
        return self._columns[name].to_list()

    def part(self, name: str, start: int, stop: int) -> list[Any]:
        """A column of some movies."""
        return self.some(name, range(start, min(stop, len(self))))

    def some(self, name: str, rows: Sequence[int]) -> list[Any]:
        """A column of some movies."""
        column = self._columns[name]
        return [column[row] for row in rows]

    def row(self, row: int) -> dict[str, Any]:
        """One movie by column."""
        return {name: column[row] for name, column in self._columns.items()}

    def filled(self, name: str) -> NDArray[np.bool_]:
        """Which movies have something in a column of texts, (n,)."""
        column = self._columns[name]
        assert isinstance(column, _Nullable)
        return column.filled()

    def coded(self, name: str, rows: NDArray[np.int64]) -> Coded:
        """The lists of some movies."""
        column = self._columns[name]
        assert isinstance(column, _Lists)
        return column.coded(rows)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write_table` wrote.

        Raises:
            ValueError: the file is no such table.
            OSError: it cannot be read.
        """
        return cls(read_tensors(path))


def _nothing(kind: str, n: int) -> _Nullable | _Lists:
    """A column of n nulls or empty lists."""
    if kind == "list":
        return _Lists(Texts.of([]), np.zeros(0, dtype=np.int32), np.zeros(n + 1, dtype=np.int64))
    return _Nullable(Texts.of([""] * n), np.zeros(n, dtype=np.uint8))


def _texts(arrays: Mapping[str, NDArray[Any]], name: str) -> Texts:
    return Texts(arrays[name], arrays[f"{name}.cuts"])


def write_table(path: Path, table: Table) -> None:
    """Write a table in the safetensors format (see `matinee._util.tensor_file`)."""
    arrays: Arrays = {}

    def pack(name: str, texts: Iterable[str]) -> None:
        packed = Texts.of(texts)
        arrays[name], arrays[f"{name}.cuts"] = packed.buffer, packed.cuts

    for name, kind in COLUMNS.items():
        values = table.column(name)
        if kind == "year":
            arrays[name] = np.array([_NO_YEAR if year is None else year for year in values], dtype=np.int32)
        elif kind == "text":
            pack(name, (value or "" for value in values))
            if None in values:
                arrays[f"{name}.known"] = np.array([value is not None for value in values], dtype=np.uint8)
        else:
            words, arrays[f"{name}.codes"], arrays[f"{name}.cuts"] = Coded.of(values)
            pack(f"{name}.words", words)
    write_tensors(path, arrays)


class ChangedTable:
    """A table with movies replaced and added.

    Args:
        root: the table that it was made of, None: an empty one.
        records: row → movie by column; rows from the root's length on are added, without gaps.
    """

    def __init__(self, root: Table | None, records: Mapping[int, Mapping[str, Any]]) -> None:
        self._root, self._records = root, records
        self._kept = 0 if root is None else len(root)
        self._length = max(self._kept, 1 + max(records, default=-1))

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> list[Any]:
        """A column as a new list."""
        values = [] if self._root is None else self._root.column(name)
        values += [None] * (self._length - self._kept)
        copied = list if COLUMNS[name] == "list" else lambda value: value
        for row, record in self._records.items():
            values[row] = copied(record[name])
        return values

    def part(self, name: str, start: int, stop: int) -> list[Any]:
        """A column of some movies."""
        stop = min(stop, self._length)
        values = [] if self._root is None else self._root.part(name, start, min(stop, self._kept))
        values += [None] * (stop - start - len(values))
        copied = list if COLUMNS[name] == "list" else lambda value: value
        for row, record in self._records.items():
            if start <= row < stop:
                values[row - start] = copied(record[name])
        return values

    def some(self, name: str, rows: Sequence[int]) -> list[Any]:
        """A column of some movies."""
        return [
            self._root.some(name, (row,))[0]
            if self._root is not None and row not in self._records
            else copy(self._records[row][name])
            for row in rows
        ]

    def row(self, row: int) -> dict[str, Any]:
        """One movie by column."""
        record = self._records.get(row)
        if record is not None:
            return dict(record)
        if self._root is None:
            raise IndexError(row)
        return self._root.row(row)

    @property
    def root(self) -> Table | None:
        """See the arguments."""
        return self._root

    @property
    def records(self) -> Mapping[int, Mapping[str, Any]]:
        """See the arguments."""
        return self._records

    def filled(self, name: str) -> NDArray[np.bool_]:
        """Which movies have something in a column of texts, (n,)."""
        filled = np.zeros(self._length, dtype=np.bool_)
        if self._root is not None:
            filled[: self._kept] = self._root.filled(name)
        for row, record in self._records.items():
            filled[row] = bool(record[name])
        return filled

    def coded(self, name: str, rows: NDArray[np.int64]) -> Coded:
        """The lists of some movies."""
        changed = np.isin(rows, list(self._records))
        new = Coded.of(self._records[row][name] for row in rows[changed].tolist())
        if self._root is None or changed.all():
            return new
        old = self._root.coded(name, rows[~changed])
        codes = np.concatenate([old.codes, new.codes + len(old.words)])
        both = Coded([*old.words, *new.words], codes, np.concatenate([old.cuts, old.cuts[-1] + new.cuts[1:]]))
        return both.take(np.argsort(np.concatenate([np.flatnonzero(~changed), np.flatnonzero(changed)])))

    def changed(self, records: Mapping[int, Mapping[str, Any]]) -> ChangedTable:
        """The same with more changes; it refers to the root, and not to this one."""
        return ChangedTable(self._root, {**self._records, **records})
