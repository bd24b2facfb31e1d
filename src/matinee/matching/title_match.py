"""Which movie a title with a year means: surely one, perhaps one of some, or none that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.titles import split_title, without_parentheses
from matinee.matching.title_names import Keys, keys_of, parts_of

__all__ = ["Match", "TitleMatcher"]

MAX_CANDIDATES = 5
"""Movies that are named where it is not sure which one is meant."""


@dataclass(frozen=True, slots=True)
class Match:
    """An answer to "which movie?". Writes take `sure` ones only.

    Attributes:
        how: sure: `row` is the movie. unsure: it may be one of the candidates. unknown: no movie bears the name.
        row: row of the catalog, None unless sure.
        candidates: rows, likeliest first; of a sure match its row only.
    """

    how: Literal["sure", "unsure", "unknown"]
    row: int | None = None
    candidates: tuple[int, ...] = ()

    @classmethod
    def sure(cls, row: int) -> Match:
        """One movie."""
        return cls("sure", row, (row,))

    @classmethod
    def of_candidates(cls, rows: Iterable[int]) -> Match:
        """Some movies, or none."""
        rows = tuple(dict.fromkeys(rows))[:MAX_CANDIDATES]
        return cls("unsure", None, rows) if rows else cls("unknown")


class TitleMatcher:
    """The names of a catalog's movies. It does not refer to the catalog.

    A movie bears its title, its original title and its alternate titles, also those in parentheses. Compared are the
    exact forms, then the strict ones, then the loose ones, then parts of names (before or after a colon), which count
    with the same year only; see `title_names`. No similarity of spelling counts.

    Examples:
        >>> from matinee.data.catalog import Movie
        >>> catalog = Catalog.of([Movie(movie_id="7", title="Seven (a.k.a. Se7en)", year=1995)])
        >>> TitleMatcher(catalog).match("SE7EN", 1995).how
        'sure'
        >>> TitleMatcher(catalog).match("Seven 2", 1995).how
        'unknown'
    """

    def __init__(self, catalog: Catalog) -> None:
        self._years: list[int | None] = catalog.column("year")
        self._exact: dict[str, list[int]] = {}
        self._strict: dict[str, list[int]] = {}
        self._loose: dict[str, list[int]] = {}
        self._begins: dict[str, list[int]] = {}
        self._parts: dict[str, list[int]] = {}
        for row, names in enumerate(_names(catalog)):
            for name in names:
                self._add(row, name)

    def _add(self, row: int, name: str) -> None:
        keys = keys_of(name)
        _enter(self._exact, keys.exact, row)
        _enter(self._strict, keys.strict, row)
        _enter(self._loose, keys.loose, row)
        for part, begins in parts_of(name):
            _enter(self._begins if begins else self._parts, keys_of(part).loose, row)

    def match(self, title: str, year: int | None = None, *, active: NDArray[np.bool_] | None = None) -> Match:
        """The movie that a title means.

        Args:
            title: as another site writes it, with or without the year at its end.
            year: of release; None: the one in the title, or unknown.
            active: (n_items,) movies that may be meant; None: all.
        """
        whole, in_title = split_title(title.strip())
        year = in_title if year is None else year
        main, others = without_parentheses(whole)
        unsure: list[int] = []
        for name in dict.fromkeys((whole, main, *others)):
            found = self._match(keys_of(name), year, active)
            if found.how == "sure":
                return found
            unsure += found.candidates
        return Match.of_candidates(unsure)

    def _match(self, keys: Keys, year: int | None, active: NDArray[np.bool_] | None) -> Match:
        def bearers(table: dict[str, list[int]], texts: frozenset[str]) -> list[int]:
            rows = dict.fromkeys(row for text in texts for row in table.get(text, ()))
            return [row for row in rows if active is None or active[row]]

        named = [
            bearers(self._exact, keys.exact),
            bearers(self._strict, keys.strict),
            bearers(self._loose, keys.loose),
        ]
        begins, parts = bearers(self._begins, keys.loose), bearers(self._parts, keys.loose)
        every = [*named[0], *named[1], *named[2], *begins, *parts]
        if year is None:
            for rows in named:
                if rows:
                    return Match.sure(rows[0]) if len(rows) == 1 else Match.of_candidates(every)
            return Match.of_candidates(every)
        every.sort(key=lambda row: abs((self._years[row] or 9999) - year))
        for distance in (0, 1):
            for rows in named:
                near = [row for row in rows if self._distance(row, year) == distance]
                if near:
                    return Match.sure(near[0]) if len(near) == 1 else Match.of_candidates(every)
            if distance == 0 and (row := self._in_part(named, begins, parts, year)) is not None:
                return Match.sure(row)
        return Match.of_candidates(every)

    def _distance(self, row: int, year: int) -> int | None:
        own = self._years[row]
        return None if own is None else abs(own - year)

    def _in_part(self, named: list[list[int]], begins: list[int], parts: list[int], year: int) -> int | None:
        """The one movie of the year that a part of its name means.

        The begin of a name means the first movie that begins so, and none where a movie has it as its whole name.
        """
        first = min((self._years[row] or 9999 for row in begins), default=9999)
        rows = {row for row in parts if self._distance(row, year) == 0}
        if not any(named) and first == year:
            rows |= {row for row in begins if self._years[row] == year}
        return rows.pop() if len(rows) == 1 else None


def _names(catalog: Catalog) -> Iterable[list[str]]:
    """All names of each movie."""
    names_of = catalog.columns("title", "original_title", "alternate_titles")
    for title, original, alternate in zip(*names_of, strict=True):
        main, others = without_parentheses(title)
        names = (title, main, *others, *([original] if original else ()), *(alternate or ()))
        yield list(dict.fromkeys(name for name in names if name))


def _enter(table: dict[str, list[int]], keys: frozenset[str], row: int) -> None:
    for key in keys:
        rows = table.setdefault(key, [])
        if not rows or rows[-1] != row:
            rows.append(row)
