"""Movies of one series, recognized by their titles: Rocky, Rocky II, Rocky Balboa; Star Wars: Episode IV, V, VI.

A name is the part of a title before the brackets, or one of the names within them, normalized. Two names belong
together if both begin with the same words, the stem, followed by:

- a number ("2", "II", "Part Two", "Vol. 1"), next to the bare stem or to another number of the stem;
- a subtitle (": Resurrection"), if the stem has two words or more;
- other words ("Reloaded"), "and the …", a subtitle of a stem of one word, a high number ("2049"): only if the movies
  share people, and more of them for a stem of one word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from matinee.data.catalog import Catalog

MAX_MOVIES = 40
"""Maximum size of a series. More movies share a stem only because it is a common word."""
MAX_WORDS = 6
"""Maximum length of a stem, in words."""
HIGH = 20
"""Higher numbers ("2000", "54") rarely count sequels."""
LOW = 3
"""A series without a movie named by the bare stem has a number of at most this."""
LONELY = 4
"""A single number above this ("Super 8") counts sequels only if the movies share people."""
ENOUGH = 2
"""Minimum number of shared people if the movies have only their first word in common ("Rocky Balboa")."""
MAX_CAST = 8

Rows = NDArray[np.int64]
Kind = Literal["bare", "number", "subtitle", "and", "other"]

_BRACKETS = re.compile(r"\(([^()]*)\)")
_ALSO = re.compile(r"^a\.?\s?k\.?\s?a\.?:?\s+", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?::|;|\s[-–—/]|\s[-–—]\s)\s+")
_DROPPED = re.compile(r"['’‘`´.]")
_OTHER = re.compile(r"[^\w:]+|_+")
_STORY = re.compile(r"^(.+?) : an? (.+) story$")
_SUPERSCRIPTS = str.maketrans({"²": " 2", "³": " 3"})
_LEADING = ("the ", "a ", "an ")

_ROMAN = ("ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii")
_SPELT = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen")
_NUMBERS = (
    {numeral: number for number, numeral in enumerate(_ROMAN, 2)}
    | {word: number for number, word in enumerate(_SPELT, 2)}
    | {"one": 1, "i": 1, "deux": 2}
)
_COUNTED = {"part", "vol", "volume", "chapter", "episode", "no", "pt", "number"}
_ORDINALS = {"second": 2, "third": 3, "fourth": 4}
_WEAK = {"i", "x", "one"}
"""Numerals that are also letters and words ("Malcolm X"): numbers after "part" and the like only."""
_NO_END = _COUNTED | {"and", "of", "in", "at", "on", "to", "for", "with", "from", "by", "or", "vs", "versus", ":"}
"""A stem does not end with one of these."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A movie under a stem, and the kind of the words after the stem (see `_kind`)."""

    row: int
    kind: Kind
    number: int = 0
    titled: bool = False


def names_of(title: str, others: Iterable[str] = ()) -> list[str]:
    """The normalized names of a title, the main one first; " : " marks the start of a subtitle.

    Args:
        title: with other names in parentheses or without.
        others: other titles of the movie.

    >>> names_of("Solo: A Star Wars Story")
    ['solo : a star wars story', 'star wars : solo']
    """
    main = _BRACKETS.sub(" ", title)
    result: dict[str, None] = {}
    for text in (main, *(_ALSO.sub("", other) for other in _BRACKETS.findall(title)), *others):
        name = _normalize(text)
        if name:
            result[name] = None
            if story := _STORY.match(name):
                result[f"{story[2]} : {story[1]}"] = None
    return list(result)


def _normalize(text: str) -> str:
    text = unicodedata.normalize("NFKD", text.translate(_SUPERSCRIPTS)).casefold()
    text = "".join(letter for letter in text if not unicodedata.combining(letter)).replace("&", " and ")
    text = re.sub(r"(\d+) (\d/\d)", r"\1", text)  # "2 1/2" counts as 2
    text = _SEPARATOR.sub(" : ", text + " ").strip(" :")
    name = " ".join(word for word in _OTHER.sub(" ", _DROPPED.sub("", text)).split() if word)
    for article in _LEADING:
        if name.startswith(article) and len(name) > len(article):
            return name[len(article) :]
    return name


def _kind(rest: str) -> tuple[Kind, int, bool]:
    """Classify the words after a stem: the kind, the number (else 0), and whether a colon precedes them."""
    words = rest.split()
    if not words:
        return "bare", 0, False
    subtitle = words[0] == ":"
    if subtitle:
        words = words[1:]
    counted = bool(words) and words[0] in _COUNTED
    number = _number(words[1:] if counted else words, counted)
    if number:
        return ("other", 0, subtitle) if number > HIGH else ("number", number, subtitle)
    if subtitle:
        return "subtitle", 0, True
    return ("and" if words[:2] == ["and", "the"] else "other"), 0, False


def _number(words: Sequence[str], counted: bool) -> int:
    """The number at the start of words, else 0. A bare number must end the name (or be "3-D"), or precede a colon."""
    if len(words) > 1 and words[0] == "the" and words[2:3] in ([], [":"]):
        return _ORDINALS.get(words[1], 0)
    if not words or not (counted or words[1:] in ([], ["d"]) or words[1] == ":"):
        return 0
    word = words[0]
    if word in _WEAK and not counted:
        return 0
    if word.isdecimal():
        return int(word) if len(word) <= 4 else 0
    return _NUMBERS.get(word, 0)


def _stems(name: str) -> Iterator[str]:
    """All possible stems of a name: the name itself, and its beginnings."""
    words = name.split()
    for length in range(1, min(len(words), MAX_WORDS) + 1):
        if words[length - 1] not in _NO_END:
            yield " ".join(words[:length])


class SeriesFinder:
    """The series of a catalog, or among some of its movies; removed movies are in none.

    Args:
        rows: the movies to search; None: all.
    """

    def __init__(self, catalog: Catalog, rows: Iterable[int] | None = None) -> None:
        self._catalog = catalog
        active = catalog.active
        searched = range(len(catalog)) if rows is None else rows
        self._titles, self._others = catalog.column("title"), catalog.other_titles()
        pairs = sorted((name, row) for row in searched if active[row] for name in self._names_of(row))
        self._names = [name for name, _ in pairs]
        self._rows = [row for _, row in pairs]
        self._people: dict[int, frozenset[str]] = {}

    def all(self) -> list[Rows]:
        """All series: increasing rows, at least two movies each, disjoint."""
        return self._merged(self._known_stems(set(self._names)))

    def of(self, rows: Iterable[int]) -> list[Rows]:
        """The series of some movies."""
        active = self._catalog.active
        requested = {row for row in rows if row < len(active) and active[row]}
        seen: set[int] = set()
        names: set[str] = set()
        result: list[Rows] = []
        fresh = requested
        while fresh:  # a movie of the series may have another name, which leads to more movies
            seen |= fresh
            names |= {name for row in fresh for name in self._names_of(row)}
            result = self._merged({stem for name in names for stem in _stems(name)})
            result = [series for series in result if requested & set(series.tolist())]
            fresh = {row for series in result for row in series.tolist()} - seen
        return result

    def _names_of(self, row: int) -> list[str]:
        return names_of(self._titles[row], self._others[row])

    def _known_stems(self, names: set[str]) -> set[str]:
        """Candidate stems: all names, and what precedes numbers and subtitles."""
        result = set(names)
        for name in names:
            for stem in _stems(name):
                if _kind(name[len(stem) :])[0] != "other":
                    result.add(stem)
        return result

    def _entries(self, stem: str) -> list[_Entry]:
        result: dict[int, _Entry] = {}
        for position in range(bisect_left(self._names, stem), len(self._names)):
            name = self._names[position]
            if not name.startswith(stem):
                break
            if len(name) > len(stem) and name[len(stem)] != " ":
                continue
            kind, number, titled = _kind(name[len(stem) :])
            row = self._rows[position]
            if row not in result or (result[row].kind == "other" and kind != "other"):
                result[row] = _Entry(row, kind, number, titled)
            if len(result) > 4 * MAX_MOVIES:
                break
        return list(result.values())

    def _merged(self, stems: Iterable[str]) -> list[Rows]:
        """The series of stems; overlapping ones are merged."""
        series: dict[int, set[int]] = {}  # by movie
        for stem in sorted(stems):
            rows = self._series(stem)
            if len(rows) < 2:
                continue
            whole = rows.union(*(series.get(row, ()) for row in rows))
            series |= dict.fromkeys(whole, whole)
        distinct = {id(rows): rows for rows in series.values()}.values()
        groups = [np.array(sorted(rows), dtype=np.int64) for rows in distinct if len(rows) <= MAX_MOVIES]
        return sorted(groups, key=lambda rows: int(rows[0]))

    def _series(self, stem: str) -> set[int]:
        """The movies of one stem that belong together."""
        entries = self._entries(stem)
        if not 2 <= len(entries) <= 4 * MAX_MOVIES:
            return set()
        single = " " not in stem
        years = self._catalog.column("year")
        of = {kind: [entry.row for entry in entries if entry.kind == kind] for kind in get_args(Kind)}
        bare = self._first(of["bare"], [entry.row for entry in entries if entry.kind != "bare"], years)
        numbers = sorted({entry.number for entry in entries if entry.kind == "number"})
        first = min((year for row in bare if (year := years[row]) is not None), default=None)
        later = [row for row in of["number"] if first is None or (years[row] or first) >= first]
        members: set[int] = set()
        # Numbers count sequels only if there is a first movie or more than one number.
        if not stem.isdecimal() and (
            (bare and later and (len(numbers) > 1 or numbers[0] <= LONELY)) or (len(numbers) > 1 and numbers[0] <= LOW)
        ):
            members |= {*of["number"], *bare}
        if not single:
            titled = [entry.row for entry in entries if entry.titled and entry.kind != "other"]
            by_name = [row for row in titled if first is None or (years[row] or first) >= first]
            if len(by_name) + len({*bare, *members}) > 1:
                members |= {*by_name, *bare}
        # The others must share people with a member, or with a movie that may be the first.
        anchors = members | set(bare) or {*of["number"], *of["subtitle"], *([] if single else of["and"])}
        min_score = {row: 1 for kind in ("number", "subtitle") for row in of[kind]}
        min_score |= {row: ENOUGH if single else 1 for kind in ("and", "other") for row in of[kind]}
        rest = min_score.keys() - members
        while True:
            pairs = [
                (row, one) for row in rest for one in anchors if one != row and self._shared(row, one) >= min_score[row]
            ]
            if not pairs:
                return members
            joined = {row for pair in pairs for row in pair}
            members |= joined
            anchors |= joined
            rest -= joined

    def _first(self, bare: list[int], marked: list[int], years: Sequence[int | None]) -> list[int]:
        """Of movies of one name, those that share most people with a sequel, else the latest before the sequels."""
        if len(bare) < 2 or not marked:
            return bare if marked else []
        kin = set()
        for other in marked:
            shared = {row: self._shared(row, other) for row in bare}
            max_shared = max(shared.values())
            kin |= {row for row in bare if max_shared and shared[row] == max_shared}
        if kin:
            return sorted(kin)
        first = min((year for row in marked if (year := years[row]) is not None), default=None)
        older = [row for row in bare if first is None or (years[row] or 0) <= first]
        return [max(older, key=lambda row: years[row] or 0)] if older else []

    def _shared(self, one: int, other: int) -> int:
        """Number of directors, writers and leading actors that two movies share."""
        return len(self._people_of(one) & self._people_of(other))

    def _people_of(self, row: int) -> frozenset[str]:
        result = self._people.get(row)
        if result is None:
            movie = self._catalog.movie(row)
            names = (*movie.directors, *movie.writers, *movie.cast[:MAX_CAST])
            result = self._people[row] = frozenset(name.casefold() for name in names)
        return result


def series_of(catalog: Catalog, rows: Sequence[int]) -> list[Rows]:
    """The series of some movies. Only movies that have the first word of one of their names are searched."""
    titles, others = catalog.column("title"), catalog.other_titles()
    first = {name.split()[0] for row in rows for name in names_of(titles[row], others[row])}
    if not first:
        return []
    matches = re.compile("|".join(re.escape(word) for word in sorted(first))).search
    near = [row for row, title in enumerate(titles) if matches(_letters(" ".join((title, *others[row]))))]
    return SeriesFinder(catalog, sorted({*near, *rows})).of(rows)


def _letters(title: str) -> str:
    """A title in lower case, without accents, apostrophes and full stops."""
    if not title.isascii():
        title = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return _DROPPED.sub("", title).lower()
