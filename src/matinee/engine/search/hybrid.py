"""Search: movies by title, by meaning and by words, fused."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.encoders import conse
from matinee.engine.encoder_pool import Encoders
from matinee.engine.filters import value_text
from matinee.engine.filters.columns import columns_of
from matinee.engine.recommend import check_n
from matinee.engine.runtime import RequestView
from matinee.engine.search.answers import Hit, Part, Person, PersonFilm, SearchAnswer, Understood
from matinee.engine.search.bm25 import WordIndex, words_of
from matinee.engine.search.people import FoundPerson, PeopleIndex, people_of
from matinee.engine.search.rank_fusion import DEPTH, MIN_COSINE, Fused, fuse_search, meaning_hits, titled
from matinee.engine.search.title_index import EXACT, PREFIX, WORD, TitleHit, key_of, titles_of
from matinee.engine.search.wishes import liked, read_wish, without_nations
from matinee.engine.similar import similar
from matinee.engine.types import MovieRef, SearchBy
from matinee.errors import EncoderError, FetchError, InvalidInputError

log = logging.getLogger("matinee.engine")

MAX_QUERY = 500
"""Longest search text, in characters."""
MEANT = 3
"""Texts of fewer letters and digits mean nothing yet: they are the beginning of a title."""

MIN_COSINE_UNKNOWN = 0.52
"""Least cosine for a text none of whose words a title or description has: 1 % of nonsense texts reach it (seed 1)."""
LEAST_SUGGESTED, MOST_SUGGESTED = 45.0, 3
"""Least likeness (0..100) of titles that are asked about where nothing was found, and how many."""
SURELY_ALIKE = 82.0
"""A title spelled this much alike is meant, and the text no wish."""
ABOUT = ("meaning", "words")
"""What found movies whose plots are quoted."""
MUCH_ALIKE, BEFORE_PEOPLE = 76.0, 4
"""Likeness of titles that come before the movies of people whose name is spelled alike, and how many do."""
LEAST_KNOWN = 1.5
"""How well known (`FoundPerson.strength`) people must be to be found by a surname or a misspelled name."""
COMMON_IN_TITLES = 4
"""A surname that so many titles have is a word ("King", "Love"): titles come first."""

Ranked = list[tuple[int, float]]
TEXT, POSTER, MEANING = "text", "poster", "meaning"


def search(
    view: RequestView, encoders: Encoders, text: str, *, n: int, filter: str, by: SearchBy, plain: bool = False
) -> SearchAnswer:
    """Movies that a text asks for, by title, people, meaning and words, best first; see `Engine.search`."""
    check_n(n, view.settings.max_n)
    if len(text) > MAX_QUERY:
        raise InvalidInputError(f"The search text has {len(text)} characters.", f"Use {MAX_QUERY} at most.")
    return _Search(view, encoders, text, n, view.subset(filter).mask).answer(by, plain)


class _Search:
    """One search."""

    def __init__(self, view: RequestView, encoders: Encoders, text: str, n: int, allowed: NDArray[np.bool_]) -> None:
        self.view, self.encoders, self.text, self.n, self.allowed = view, encoders, text, n, allowed
        self.weight = popularity(view)
        self.titles = titles_of(view.catalog)

    def answer(self, by: SearchBy, plain: bool) -> SearchAnswer:
        if by == "meaning":
            return self._hits(self._by_meaning())
        with stage("retrieve"):
            depth = self.n if by == "title" else max(self.n, DEPTH)
            titles = self.titles.find(self.text, self.allowed, self.weight, depth)
        if by == "title" or sum(letter.isalnum() for letter in self.text) < MEANT:
            known = self.titles.knows_word(self.text)
            found = titles if known else self.titles.credible(titles, self.text)
            return self._hits([titled(hit, hit.score) for hit in found[: self.n]], near=titles)
        if not plain and (answer := self._understood(titles)):
            return answer
        return self._hits(self._fused(self.text, titles, self.allowed), near=titles)

    def _hits(
        self, hits: Sequence[Fused], near: Sequence[TitleHit] = (), understood: Understood | None = None
    ) -> SearchAnswer:
        """An answer; where nothing was found, with the nearest titles as a question."""
        catalog = self.view.catalog
        found = []
        about = any(hit.matched in ABOUT for hit in hits)
        line_of = self.words.lines(self.text) if about else None
        for hit in hits:
            movie = catalog.movie(hit.row)
            line = line_of(movie.overview) if line_of and hit.matched in ABOUT else None
            found.append(Hit(hit.row, movie, round(hit.score, 4), hit.matched, hit.how, hit.other, line))
        asked = [] if found else [hit.row for hit in near if hit.alike >= LEAST_SUGGESTED][:MOST_SUGGESTED]
        ids, titles = catalog.ids(asked), catalog.titles(asked)
        return SearchAnswer(found, understood, map(MovieRef, ids, titles))

    @property
    def words(self) -> WordIndex:
        # Made of an earlier catalog, it misses the newest movies for a second; their titles are found at once.
        return words_of(self.view.catalog, self.view.snapshot.catalog)

    @property
    def people(self) -> PeopleIndex:
        return people_of(self.view.catalog, self.view.snapshot.catalog)

    def _is_known(self, text: str) -> bool:
        """Whether a title or a description has one of the text's words; else it is misspelled, or nonsense."""
        return self.titles.knows_word(text) or self.words.holds(text)

    def _by_meaning(self) -> list[Fused]:
        least = MIN_COSINE if self._is_known(self.text) else MIN_COSINE_UNKNOWN
        found = _meant(self.view, self.encoders, self.text, self.allowed, self.weight, self.n)
        return [
            Fused(row, (1 + cosine) / 2, "meaning", "means much the same") for row, cosine in found if cosine >= least
        ]

    def _understood(self, titles: Sequence[TitleHit]) -> SearchAnswer | None:
        """What the text asks for, where it is a name or a wish; None: it is to be searched as it is."""
        if (seed := self._liked(titles)) is not None:
            return seed
        begins = any(hit.how in (EXACT, PREFIX) for hit in titles[: self.n])
        sure = begins or any(hit.alike >= SURELY_ALIKE for hit in titles[:1] if hit.how not in (EXACT, PREFIX, WORD))
        one_word = len(self.text.split()) == 1  # a title of one word may be a name: "Hitchcock"
        people = self._meant_people(titles, misspelled=not begins and (one_word or not sure))
        if people:
            films = self.people.films(people, self.allowed, self.weight, self.n)
            if films:
                return self._with_films_of(people, films, titles)
        if sure:
            return None
        wish = read_wish(self.text, self._person, self._values)
        if wish is None:
            return None
        allowed = self.allowed & self.view.subset(wish.filter).mask
        if not allowed.any() and (wish := without_nations(wish)):  # few data know where all films are from
            allowed = self.allowed & self.view.subset(wish.filter).mask
        if wish is None or not allowed.any():
            return None
        found: list[Fused] = []
        if wish.text:
            inner = self.titles.find(wish.text, allowed, self.weight, DEPTH)
            inner = [hit for hit in inner if hit.how in (EXACT, PREFIX, WORD) or hit.alike >= SURELY_ALIKE]
            found = self._fused(wish.text, inner, allowed)
        taken = {hit.row for hit in found}
        rows = np.flatnonzero(allowed)
        rows = rows[np.lexsort((rows, -self.weight[rows]))][: self.n + len(taken)]
        how = ", ".join(part.label for part in wish.parts)
        if not wish.text or len(found) < self.n:
            top = found[-1].score if found else 0.95
            rest = [row for row in rows.tolist() if row not in taken]
            found += [Fused(row, top * (0.5 + 0.5 * float(self.weight[row])), "wish", how) for row in rest]
        return self._hits(found[: self.n], understood=wish)

    def _liked(self, titles: Sequence[TitleHit]) -> SearchAnswer | None:
        """Movies like one that the text names: "movies like Heat"."""
        name = liked(self.text)
        if name is None or any(hit.how in (EXACT, PREFIX) for hit in titles[:1]):
            return None
        seeds = self.titles.find(name, self.view.subset().mask, self.weight, 1)
        if not seeds or (seeds[0].how not in (EXACT, PREFIX) and seeds[0].alike < SURELY_ALIKE):
            return None
        movie = self.view.catalog.movie(seeds[0].row)
        label = f"like {movie.title}"
        answer = similar(
            self.view, movie.movie_id, by="blend", n=self.view.settings.max_n, filter="", index="exact", method=None
        )
        found: list[Fused] = []
        for item in answer.items:
            row = self.view.catalog.find(item.movie_id)
            if row is not None and self.allowed[row] and len(found) < self.n:
                score = min(max(float(item.score), 0.0), 1.0)
                found.append(Fused(row, min(score, found[-1].score) if found else score, "similar", label))
        part = Part(label, None, self.text, movie.movie_id)
        return self._hits(found, understood=Understood("", (part,)))

    def _meant_people(self, titles: Sequence[TitleHit], misspelled: bool) -> list[FoundPerson]:
        """Whom the whole text names, if it does so surely."""
        misspelled = misspelled and not self._is_known(self.text)
        people = self.people.find(self.text, self.weight, misspelled=misspelled)
        if not people or people[0].way == "name":
            return people
        if people[0].strength < LEAST_KNOWN:
            return []
        begins = any(hit.how in (EXACT, PREFIX) for hit in titles[:1])
        is_word = self.titles.titles_with(key_of(self.text)) >= COMMON_IN_TITLES
        return [] if people[0].way == "surname" and begins and is_word else people

    def _with_films_of(
        self, people: Sequence[FoundPerson], films: Sequence[tuple[int, float, str]], titles: Sequence[TitleHit]
    ) -> SearchAnswer:
        """Movies of this very title (or much alike, where the name is misspelled), those of the people, others."""
        least = MUCH_ALIKE if people[0].way.startswith("misspelled") else 100.0
        first = [hit for hit in titles if hit.how == EXACT or (hit.how not in (PREFIX, WORD) and hit.alike >= least)]
        found = [titled(hit, hit.score) for hit in first[:BEFORE_PEOPLE]][: self.n]
        names = ", ".join(value_text(person.name) for person in people)
        expression = f"person = {names}" if len(people) == 1 else f"person in ({names})"
        label = " or ".join(person.name for person in people)
        rest = [] if len(films) >= self.n else self._fused(self.text, titles, self.allowed)
        for hit in [*(Fused(row, worth, "person", how) for row, worth, how in films), *rest]:
            if len(found) < self.n and all(hit.row != other.row for other in found):
                found.append(replace(hit, score=min(hit.score, found[-1].score) if found else hit.score))
        return self._hits(found, understood=Understood("", (Part(label, expression, self.text),)))

    def _person(self, text: str) -> str | None:
        """The full name of whom a part of a text names."""
        misspelled = " " in text or not self._is_known(text)
        people = self.people.find(text, self.weight, misspelled=misspelled)
        if not people:
            return None
        common = people[0].way != "name" and (
            people[0].strength < LEAST_KNOWN or self.titles.titles_with(key_of(text)) >= COMMON_IN_TITLES
        )
        return None if common else people[0].name

    def _values(self, name: str) -> Iterable[str]:
        column = {"genre": "genres", "country": "countries", "language": "languages"}[name]
        return columns_of(self.view.catalog).spellings(column)

    def _fused(self, text: str, titles: Sequence[TitleHit], allowed: NDArray[np.bool_]) -> list[Fused]:
        """Titles, meaning, words and posters as one list, of nonsense nothing; what cannot be asked is left out."""
        known = self._is_known(text)
        if not known:
            titles = self.titles.credible(titles, text)
        meaning: Ranked = []
        posters: Ranked = []
        depth = max(self.n, DEPTH)
        if TEXT in self.view.spaces:
            try:
                meaning = _meant(self.view, self.encoders, text, allowed, self.weight, depth)
                posters = _shown(self.view, self.encoders, text, allowed) if known else []
            except (EncoderError, FetchError) as error:
                log.warning("A search is done without meaning: %s", error)
        if not known:
            meaning = [(row, cosine) for row, cosine in meaning if cosine >= MIN_COSINE_UNKNOWN]
        with stage("retrieve"):
            words = self.words.find(text, allowed, self.weight, depth)
        return fuse_search(text, titles, meaning, words, posters, n=self.n, index=self.words)


def find_people(view: RequestView, text: str, *, n: int, filter: str, films: int) -> list[Person]:
    """People whose name a text is, misspelled too, or begins a word of; see `Engine.people`."""
    check_n(n, view.settings.max_n)
    if len(text) > MAX_QUERY:
        raise InvalidInputError(f"The name has {len(text)} characters.", f"Use {MAX_QUERY} at most.")
    allowed, weight = view.subset(filter).mask, popularity(view)
    index = people_of(view.catalog, view.snapshot.catalog)
    titles, years = view.catalog.columns("title", "year")
    ids = view.catalog.column("movie_id")
    return [
        Person(
            person.name,
            index.roles(person),
            [
                PersonFilm(ids[row], titles[row], years[row], how.removesuffix(f" {person.name}"))
                for row, _, how in index.films([person], allowed, weight, films)
            ],
        )
        for person in index.named(text, weight, n)
    ]


def popularity(view: RequestView) -> NDArray[np.float64]:
    """(n_items,) 0..1: the logarithm of each movie's number of ratings."""
    counts = np.log1p(view.stats.counts)
    share: NDArray[np.float64] = counts / max(float(counts.max(initial=0)), 1.0)
    return share


def _meant(
    view: RequestView, encoders: Encoders, text: str, allowed: NDArray[np.bool_], weight: NDArray[np.float64], n: int
) -> Ranked:
    """Movies that mean much the same, and their cosines.

    Raises:
        InvalidInputError: the snapshot has no text vectors, or the text holds nothing to encode.
        EncoderError, FetchError: the encoder cannot be had.
    """
    live = view.spaces[TEXT]
    projection = live.space.projection
    if projection is None or not text.strip():
        raise InvalidInputError("There is nothing to search by meaning.", "Give some words.")
    vector = projection.apply(encoders.query(text, live.space)[None, :])[0]
    if not vector.any():
        return []
    rows, cosines = live.nearest(vector, max(n, DEPTH), allowed)
    return meaning_hits(rows, cosines, weight, n)


def _shown(view: RequestView, encoders: Encoders, text: str, allowed: NDArray[np.bool_]) -> Ranked:
    """Movies whose posters seem to show what the text says (ConSE), and their cosines; a weak signal."""
    poster, live = view.spaces.get(POSTER), view.spaces[TEXT]
    meanings = None if poster is None else poster.space.extra.get(MEANING)
    if not view.settings.poster_meaning or poster is None or meanings is None:
        return []
    cosines = np.where(
        allowed[poster.space.rows], conse.text_similarity(meanings, encoders.query(text, live.space)), -np.inf
    )
    best = np.argpartition(-cosines, min(DEPTH, len(cosines) - 1))[:DEPTH]
    best = best[np.lexsort((best, -cosines[best]))]
    return [(int(poster.space.rows[i]), float(cosines[i])) for i in best if np.isfinite(cosines[i])]
