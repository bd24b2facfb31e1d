"""Movies of one series, recognized by their titles: Rocky, Rocky II, Rocky Balboa; Star Wars: Episode IV, V, VI.

A name is what stands in a title before the brackets, or one of the names within them, folded. Two names belong together
where both begin with the same words, the stem, and what follows says so:

- a number ("2", "II", "Part Two", "Vol. 1"), next to the bare stem or to another number of the stem;
- a subtitle (": Resurrection"), where the stem has two words or more;
- other words ("Reloaded"), "and the …", a subtitle of a stem of one word, a high number ("2049"): only where the movies
  share people, and the fewer words the stem has, the more.
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
"""More movies than this under one stem are no series but a common word."""
MAX_WORDS = 6
"""Longest stem, in words."""
HIGH = 20
"""Numbers from here on ("2000", "54") rarely count sequels."""
LOW = 3
"""Where no movie has the bare stem, a series has a number of at most this."""
LONELY = 4
"""A single number above this ("Super 8") counts no sequels unless the movies share people."""
ENOUGH = 2
"""People that two movies share where only one common word in front of others joins them ("Rocky Balboa")."""
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
    """A movie under a stem: what its name says after it (see `_kind`)."""

    row: int
    kind: Kind
    number: int = 0
    titled: bool = False


def names_of(title: str) -> list[str]:
    """The folded names of a title, the main one first; " : " stands where a subtitle begins.

    >>> names_of("Solo: A Star Wars Story")
    ['solo : a star wars story', 'star wars : solo']
    """
    main = _BRACKETS.sub(" ", title)
    result: dict[str, None] = {}
    for text in (main, *(_ALSO.sub("", other) for other in _BRACKETS.findall(title))):
        name = _fold(text)
        if name:
            result[name] = None
            if story := _STORY.match(name):
                result[f"{story[2]} : {story[1]}"] = None
    return list(result)


def _fold(text: str) -> str:
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
    """What the words after a stem say: kind, the number where it is one, and whether a colon stands before them."""
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
    """The number that words begin with; 0 where they do not. A bare one must end the name (as "3-D" does)
    or stand before a colon."""
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
    """Every stem under which a name may be one of a series: the name itself, and its beginnings."""
    words = name.split()
    for length in range(1, min(len(words), MAX_WORDS) + 1):
        if words[length - 1] not in _NO_END:
            yield " ".join(words[:length])


class SeriesFinder:
    """The series of a catalog, or among some of its movies; removed movies are in none.

    Args:
        rows: the movies that are looked at; None: all.
    """

    def __init__(self, catalog: Catalog, rows: Iterable[int] | None = None) -> None:
        self._catalog = catalog
        titles = catalog.column("title")
        active = catalog.active
        looked = range(len(titles)) if rows is None else rows
        pairs = sorted((name, row) for row in looked if active[row] for name in names_of(titles[row]))
        self._names = [name for name, _ in pairs]
        self._rows = [row for _, row in pairs]
        self._people: dict[int, frozenset[str]] = {}

    def all(self) -> list[Rows]:
        """Every series, as increasing rows, two or more movies each; no movie is in two."""
        return self._joined(self._known_stems(set(self._names)))

    def of(self, rows: Iterable[int]) -> list[Rows]:
        """Those that some movies belong to."""
        titles = self._catalog.column("title")
        active = self._catalog.active
        requested = {row for row in rows if row < len(titles) and active[row]}
        seen: set[int] = set()
        names: set[str] = set()
        result: list[Rows] = []
        fresh = requested
        while fresh:  # a movie of the series may have another name, which leads on
            seen |= fresh
            names |= {name for row in fresh for name in names_of(titles[row])}
            result = self._joined({stem for name in names for stem in _stems(name)})
            result = [series for series in result if requested & set(series.tolist())]
            fresh = {row for series in result for row in series.tolist()} - seen
        return result

    def _known_stems(self, names: set[str]) -> set[str]:
        """Stems that may make a series: names themselves, and what stands before numbers and subtitles."""
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

    def _joined(self, stems: Iterable[str]) -> list[Rows]:
        """The series of stems; those that share a movie are one."""
        series: list[set[int]] = []
        for stem in sorted(stems):
            rows = self._series(stem)
            if len(rows) < 2:
                continue
            apart = [other for other in series if not other & rows]
            for other in series:
                if other & rows:
                    rows |= other
            series = [*apart, rows]
        groups = [np.array(sorted(rows), dtype=np.int64) for rows in series if len(rows) <= MAX_MOVIES]
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
        # A number counts where there is what it counts on from.
        if not stem.isdecimal() and (
            (bare and later and (len(numbers) > 1 or numbers[0] <= LONELY)) or (len(numbers) > 1 and numbers[0] <= LOW)
        ):
            members |= {*of["number"], *bare}
        if not single:
            titled = [entry.row for entry in entries if entry.titled and entry.kind != "other"]
            by_name = [row for row in titled if first is None or (years[row] or first) >= first]
            if len(by_name) + len({*bare, *members}) > 1:
                members |= {*by_name, *bare}
        # The rest must share people with a movie that is in, or that may begin the series.
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
        """Of several movies of one name, those that share most people with a sequel, else the last before the first."""
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
        """People that made two movies or lead their casts."""
        return len(self._of(one) & self._of(other))

    def _of(self, row: int) -> frozenset[str]:
        result = self._people.get(row)
        if result is None:
            movie = self._catalog.movie(row)
            names = (*movie.directors, *movie.writers, *movie.cast[:MAX_CAST])
            result = self._people[row] = frozenset(name.casefold() for name in names)
        return result


def series_of(catalog: Catalog, rows: Sequence[int]) -> list[Rows]:
    """The series that some movies belong to; takes time by the movies that share a first word with one of them."""
    titles = catalog.column("title")
    first = {name.split()[0] for row in rows for name in names_of(titles[row])}
    if not first:
        return []
    matches = re.compile("|".join(re.escape(word) for word in sorted(first))).search
    near = [row for row, title in enumerate(catalog.column("title")) if matches(_letters(title))]
    return SeriesFinder(catalog, sorted({*near, *rows})).of(rows)


def _letters(title: str) -> str:
    """A title without accents, apostrophes, full stops and capitals, its words where they are."""
    if not title.isascii():
        title = "".join(letter for letter in unicodedata.normalize("NFKD", title) if not unicodedata.combining(letter))
    return _DROPPED.sub("", title).lower()
