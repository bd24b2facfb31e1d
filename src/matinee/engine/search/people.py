"""Search by people: directors, writers and actors by name, by surname, and with typing errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from matinee.data.catalog import Catalog
from matinee.engine.catalog_cache import BackgroundPerCatalog
from matinee.engine.search.title_index import key_of

ROLES = (("directors", "director", "directed by"), ("writers", "writer", "written by"), ("cast", "cast", "with"))
"""Columns of people, what a role is called, and how it is said of a movie."""
WORTH = (1.0, 0.5, 0.8)
"""How much each role counts: people who are looked for by name direct or play, rarely write."""
BILLED = 0.02
"""How much each later place of a cast counts less; casts in the order of the alphabet say nothing."""
KNOWN = 2
"""Movies that somebody who only writes or plays must have to be found by a misspelled name or a surname alone."""
SHORTEST_MISSPELLED = 6
"""Shorter names are too like each other."""
NAME_WORDS = range(2, 5)
"""Words of a full name."""
NAMESAKES = 0.35
"""People of one surname are meant together if each has at least this share of what the best known of them has."""

TOP = 0.95
"""Score of somebody's first movie."""

_PARTICLES = {"de", "di", "da", "del", "della", "van", "von", "der", "den", "la", "le", "mac", "mc", "al", "el", "bin"}
_SUFFIXES = {"jr", "sr", "ii", "iii", "iv", "esq", "phd"}


@dataclass(frozen=True)
class Credit:
    """A movie that somebody worked on; `role` is a number of `ROLES`, `place` that in the list, from 0."""

    row: int
    role: int
    place: int

    @property
    def how(self) -> str:
        """What is said of the movie: "directed by"."""
        return ROLES[self.role][2]


@dataclass(frozen=True)
class FoundPerson:
    """Somebody a text may mean.

    Attributes:
        name: as the catalog writes it.
        key: the same in the form of title keys, without spaces.
        way: "name", "surname", "misspelled" (name) or "misspelled surname".
        strength: how well known: the popularity of the movies, weighted by roles.
    """

    name: str
    key: str
    way: str
    strength: float


class PeopleIndex:
    """The people of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._names: list[str] = []
        number: dict[str, int] = {}
        by_spelling: dict[str, int] = {}
        people: list[int] = []
        rows: list[int] = []
        roles: list[int] = []
        places: list[int] = []
        for role, (column, _, _) in enumerate(ROLES):
            for row, names in enumerate(catalog.table.column(column)):
                billed = len(names) < 4 or names != sorted(names)
                for place, name in enumerate(names):
                    person = by_spelling.get(name)
                    if person is None:
                        key = key_of(name).replace(" ", "")
                        person = by_spelling[name] = number.setdefault(key, len(number))
                        if person == len(self._names):
                            self._names.append(name)
                    people.append(person)
                    rows.append(row)
                    roles.append(role)
                    places.append(place if billed else 0)
        self._keys = list(number)
        for person, name in enumerate(self._names):  # "Robert Downey" is Robert Downey Jr., where nobody else is
            words = key_of(name).split()
            if len(words) > 2 and words[-1] in _SUFFIXES:
                number.setdefault("".join(words[:-1]), person)
        self._number = number
        order = np.argsort(np.array(people, dtype=np.int64), kind="stable")
        self._rows = np.array(rows, dtype=np.int32)[order]
        self._roles = np.array(roles, dtype=np.int8)[order]
        self._places = np.array(places, dtype=np.int32)[order]
        ends = np.searchsorted(np.array(people, dtype=np.int64)[order], np.arange(len(self._names) + 1))
        self._ends: list[int] = ends.tolist()
        self._by_surname: dict[str, list[int]] = {}
        self._notable: list[str] = []
        for person, name in enumerate(self._names):
            start, end = self._ends[person], self._ends[person + 1]
            if end - start >= KNOWN or bool((self._roles[start:end] == 0).any()):
                self._notable.append(self._keys[person])
                for surname in _surnames(name):
                    self._by_surname.setdefault(surname, []).append(person)
        self._surnames = [name for name in self._by_surname if len(name) >= SHORTEST_MISSPELLED]
        self._notable = [name for name in self._notable if len(name) >= SHORTEST_MISSPELLED]

    def find(self, text: str, weight: NDArray[np.float64], *, misspelled: bool = True) -> list[FoundPerson]:
        """Who is meant by a text that is nothing but a name, best known first; people of one surname together.

        Args:
            weight: (n_items,) or longer, 0..1, popularity.
            misspelled: look for names that are spelled alike, too.
        """
        key = key_of(text).replace(" ", "")
        if len(key) < 3:
            return []
        if key in self._number:
            return self._known([self._number[key]], "name", weight)
        if key in self._by_surname:
            return self._known(self._by_surname[key], "surname", weight)
        if not misspelled or len(key) < SHORTEST_MISSPELLED:
            return []
        slips = 1 if len(key) < 9 else 2
        words = key_of(text).split()
        lists = [(self._surnames, "misspelled surname")] if len(words) == 1 or words[0] in _PARTICLES else []
        for names, way in [*lists, *([(self._notable, "misspelled")] if len(words) in NAME_WORDS else [])]:
            near = process.extract(key, names, scorer=OSA.distance, score_cutoff=slips, limit=8)
            if near:
                nearest = [name for name, distance, _ in near if distance == near[0][1]]
                if way == "misspelled":
                    people = [self._number[name] for name in nearest]
                else:
                    people = [person for name in nearest for person in self._by_surname[name]]
                return self._known(people, way, weight)
        return []

    def named(self, text: str, weight: NDArray[np.float64], n: int) -> list[FoundPerson]:
        """Up to n people: whom `find` finds, then those whose name has a word that begins so, best known first."""
        found = self.find(text, weight)
        part = key_of(text)
        if part:
            taken = {person.key for person in found}
            others = [
                person
                for person, name in enumerate(self._names)
                if self._keys[person] not in taken and f" {part}" in f" {key_of(name)}"
            ]
            found += self._strongest(others, "part of the name", weight)
        return found[:n]

    def credits(self, person: FoundPerson) -> list[Credit]:
        """All credits of somebody."""
        number = self._number[person.key]
        start, end = self._ends[number], self._ends[number + 1]
        values = (self._rows[start:end].tolist(), self._roles[start:end].tolist(), self._places[start:end].tolist())
        return [Credit(row, role, place) for row, role, place in zip(*values, strict=True)]

    def films(
        self, people: Iterable[FoundPerson], allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int
    ) -> list[tuple[int, float, str]]:
        """(row, worth 0..1, how) of up to n movies of people, best first: "directed by Akira Kurosawa"."""
        best: dict[int, tuple[float, str]] = {}
        top = 0.0
        for person in people:
            top = max(top, person.strength)
            works = self.credits(person)
            counts = Counter(credit.role for credit in works)
            for credit in works:
                if credit.row < len(allowed) and allowed[credit.row]:
                    usual = (counts[credit.role] / len(works)) ** 0.25  # actors who direct once are actors
                    worth = _worth(credit) * usual * (0.2 + 0.8 * float(weight[credit.row]))
                    worth *= (person.strength / top) ** 0.5
                    if credit.row not in best or best[credit.row][0] < worth:
                        best[credit.row] = worth, f"{credit.how} {person.name}"
        ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))[:n]
        most = max((worth for _, (worth, _) in ranked), default=1.0)
        return [(row, TOP * worth / most, how) for row, (worth, how) in ranked]

    def roles(self, person: FoundPerson) -> dict[str, int]:
        """Number of movies of somebody by role: "director", "writer", "cast"."""
        counts = Counter(ROLES[credit.role][1] for credit in self.credits(person))
        return {role: counts[role] for _, role, _ in ROLES}

    def _known(self, people: Iterable[int], way: str, weight: NDArray[np.float64]) -> list[FoundPerson]:
        found = self._strongest(people, way, weight)
        return [person for person in found if person.strength >= NAMESAKES * found[0].strength][:3]

    def _strongest(self, people: Iterable[int], way: str, weight: NDArray[np.float64]) -> list[FoundPerson]:
        found = []
        for person in dict.fromkeys(people):
            span = slice(self._ends[person], self._ends[person + 1])
            worth = np.array(WORTH)[self._roles[span]] * (1 - np.minimum(BILLED * self._places[span], 0.5))
            strength = float((worth * weight[self._rows[span]]).sum()) + 1e-9
            found.append(FoundPerson(self._names[person], self._keys[person], way, strength))
        return sorted(found, key=lambda person: (-person.strength, person.name))


def _worth(credit: Credit) -> float:
    return WORTH[credit.role] * (1 - min(BILLED * credit.place, 0.5))


def _surnames(name: str) -> set[str]:
    """What a person may be called by: the last word, with the particles before it ("dicaprio"), without spaces."""
    words = key_of(name).split()
    while len(words) > 1 and words[-1] in _SUFFIXES:
        words.pop()
    if len(words) < 2:
        return set()
    start = len(words) - 1
    while start > 1 and words[start - 1] in _PARTICLES:
        start -= 1
    return {found for found in (words[-1], "".join(words[start:])) if len(found) > 2}


people_of = BackgroundPerCatalog(PeopleIndex)
"""The people of the catalog in service, or of an earlier state of it."""
