"""A person's history from elsewhere: its films are found, shown, and stored as ratings and states; and the way back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from matinee._util.request_context import stage
from matinee.data.catalog import Catalog
from matinee.data.ratings import NO_TIME
from matinee.engine.movie_lookup import known_id, matcher_of, outside_ids_of
from matinee.engine.runtime import RequestView
from matinee.engine.users import rated
from matinee.engine.writes import check_user_id, store_all
from matinee.errors import UnknownUserError
from matinee.histories import History, HistoryEntry, HistoryFile, Scale, converted, write_history
from matinee.matching import Match
from matinee.stores.base import MovieState, Rating

MatchedState = Literal["seen", "watchlist", "not_interested"]


@dataclass(frozen=True, slots=True)
class NamedMovie:
    """A movie of the catalog."""

    movie_id: str
    title: str
    year: int | None


@dataclass(frozen=True, slots=True)
class FileFilm:
    """A film as a file names it."""

    line: Annotated[int, Field(description="Line of the file, or place in its list.")]
    title: str
    year: int | None
    imdb_id: str | None = None
    tmdb_id: str | None = None


@dataclass(frozen=True, slots=True)
class MatchedFilm:
    """A film of the file that is surely one of the catalog, and what is stored of it."""

    line: Annotated[int, Field(description="Line of the file, or place in its list.")]
    given: Annotated[str, Field(description="Title in the file.")]
    movie_id: str
    title: str
    year: int | None
    rating: Annotated[float | None, Field(description="Stars on the catalog's scale.")]
    state: Annotated[MatchedState | None, Field(description="What it is besides; a rated film was seen.")]
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class UnsureFilm:
    """A film of the file that may be one of several; nothing is stored of it."""

    line: Annotated[int, Field(description="Line of the file, or place in its list.")]
    title: str
    year: int | None
    rating: Annotated[float | None, Field(description="Stars on the catalog's scale.")]
    state: Annotated[MatchedState | None, Field(description="What it is besides.")]
    candidates: list[NamedMovie]


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """Numbers of what was stored."""

    ratings: int
    seen: int
    watchlist: int
    not_interested: int


@dataclass(frozen=True)
class HistoryImport:
    """What became of a file.

    Attributes:
        layout: name of the file's layout.
        scale: lowest and highest stars of the file; None: it has none.
        matched: films that are surely known, each once.
        unsure: films that may be one of several.
        unknown: films that are not in the catalog.
        skipped: entries left out, by reason.
        counts: numbers of the lists above, of entries, ratings and states.
        notes: what the person should know.
        stored: None for a preview.
    """

    layout: str
    scale: tuple[float, float] | None
    matched: list[MatchedFilm]
    unsure: list[UnsureFilm]
    unknown: list[FileFilm]
    skipped: dict[str, int]
    counts: dict[str, int]
    notes: list[str]
    stored: StoredHistory | None = None


class _Merged(NamedTuple):
    """What several entries of one film say together."""

    entry: HistoryEntry
    stars: float | None
    states: dict[str, int | None]
    time: int | None


@dataclass
class _Found:
    """Films by what is known of them."""

    sure: dict[int, list[HistoryEntry]] = field(default_factory=dict)
    unsure: dict[tuple[str, int | None], tuple[HistoryEntry, Match]] = field(default_factory=dict)
    unknown: dict[tuple[str, int | None, str | None, str | None], HistoryEntry] = field(default_factory=dict)


def match_entry(catalog: Catalog, entry: HistoryEntry) -> Match:
    """The movie of an entry: by its ids at IMDb and TMDB, else by title and year.

    An id that two movies have, or ids of different movies, make it unsure.
    """
    if entry.movie_id is not None:
        row = catalog.find(known_id(catalog, entry.movie_id))
        if row is not None and (not entry.title or _is_named(catalog, row, entry)):
            return Match.sure(row)
    ids = outside_ids_of(catalog)
    given = (("imdb", entry.imdb_id), ("tmdb", entry.tmdb_id))
    found = [ids.candidates(site, id_) for site, id_ in given if id_ is not None]  # type: ignore[arg-type]
    active = [[row for row in rows if catalog.active[row]] for rows in found if rows]
    sure = {rows[0] for rows in active if len(rows) == 1}
    if len(sure) == 1:
        return Match.sure(sure.pop())
    several = [row for rows in active for row in rows]
    if several:
        return Match.of_candidates(several)
    if not entry.title:
        return Match("unknown")
    match = matcher_of(catalog).match(entry.title, entry.year, active=catalog.active)
    if match.row is not None and _differs(catalog, match.row, entry):
        # Another film of the same name and year: the catalog has its own id for this one.
        return Match.of_candidates([match.row])
    return match


def _is_named(catalog: Catalog, row: int, entry: HistoryEntry) -> bool:
    """Whether the movie of an id bears the entry's title: else the id is of another catalog."""
    match = matcher_of(catalog).match(entry.title, entry.year, active=catalog.active)
    return row in match.candidates


def _differs(catalog: Catalog, row: int, entry: HistoryEntry) -> bool:
    """Whether the ids of the entry are those of another movie."""
    pairs = ((entry.imdb_id, catalog.column("imdb_id")[row]), (entry.tmdb_id, catalog.column("tmdb_id")[row]))
    known = [given == own for given, own in pairs if given is not None and own is not None]
    return bool(known) and not any(known)


def _find(catalog: Catalog, entries: Iterable[HistoryEntry], skipped: Counter[str]) -> _Found:
    found = _Found()
    memory: dict[tuple[str, int | None, str | None, str | None, str | None], Match] = {}
    for entry in entries:
        if entry.kind != "film":
            skipped["series" if entry.kind == "series" else "episodes"] += 1
            continue
        key = (entry.title, entry.year, entry.imdb_id, entry.tmdb_id, entry.movie_id)
        if not any(key):
            skipped["without title or id"] += 1
            continue
        match = memory.get(key)
        if match is None:
            match = memory[key] = match_entry(catalog, entry)
        if match.row is not None:
            found.sure.setdefault(match.row, []).append(entry)
        elif match.candidates:
            found.unsure[entry.title, entry.year] = entry, match
        else:
            found.unknown[key[:4]] = entry
    return found


def _merged(entries: list[HistoryEntry]) -> _Merged:
    """Of several entries of one film, the last with stars gives them, and each state is kept with its last time."""
    rated = [entry for entry in entries if entry.stars is not None]
    states: dict[str, int | None] = {}
    for entry in entries:
        if entry.state is not None:
            states[entry.state] = max((t for t in (states.get(entry.state), entry.time) if t is not None), default=None)
    last = rated[-1] if rated else entries[-1]
    return _Merged(last, last.stars, states, last.time)


def import_history(view: RequestView, user_id: str, history: History, *, preview: bool) -> HistoryImport:
    """See `Engine.import_history`."""
    check_user_id(user_id)
    catalog = view.catalog
    skipped = Counter(history.skipped)
    with stage("retrieve"):
        found = _find(catalog, history.entries, skipped)
    low, high = view.scale
    notes = list(history.notes)
    ratings: list[Rating] = []
    states: list[MovieState] = []
    matched: list[MatchedFilm] = []
    now = int(time.time())
    newer = _rated_since(view, user_id)
    kept = 0
    for row, entries in found.sure.items():
        merged = _merged(entries)
        movie = _movie(catalog, row)
        stars = _stars(merged.stars, history.scale, (low, high))
        stated = dict(merged.states)
        if merged.stars is not None:
            stated.setdefault("seen", merged.time)
        at = merged.time
        if stars is not None and at is not None and newer.get(movie.movie_id, NO_TIME) > at:
            kept += 1
            stars = None
            stated.pop("seen", None)
        elif stars is not None:
            ratings.append(Rating(user_id, movie.movie_id, stars, now if at is None else at))
            stated.pop("seen", None)  # a rating says so
        elif movie.movie_id in newer:
            stated.pop("seen", None)
        for state, when in stated.items():
            states.append(MovieState(user_id, movie.movie_id, state, now if when is None else when))  # type: ignore[arg-type]
        shown = merged.entry.state if stars is None else "seen"
        matched.append(
            MatchedFilm(
                merged.entry.line, merged.entry.title, movie.movie_id, movie.title, movie.year, stars, shown, at
            )
        )
    if kept:
        notes.append(f"{kept:,} films were rated here later than in the file: those ratings stay.")
    if low == high and history.scale is not None:
        notes.append("These data hold no stars: films with stars count as seen.")
    unsure = [
        UnsureFilm(
            entry.line,
            entry.title,
            entry.year,
            _stars(entry.stars, history.scale, (low, high)),
            entry.state,
            [_movie(catalog, row) for row in match.candidates],
        )
        for entry, match in found.unsure.values()
    ]
    unknown = [
        FileFilm(entry.line, entry.title, entry.year, entry.imdb_id, entry.tmdb_id) for entry in found.unknown.values()
    ]
    by_state = Counter(state.state for state in states)
    numbers = StoredHistory(len(ratings), by_state["seen"], by_state["watchlist"], by_state["not_interested"])
    counts = {
        "entries": len(history.entries),
        "matched": len(matched),
        "unsure": len(unsure),
        "unknown": len(unknown),
        "skipped": skipped.total(),
        "ratings": numbers.ratings,
        "seen": numbers.seen,
        "watchlist": numbers.watchlist,
        "not_interested": numbers.not_interested,
    }
    if not preview:
        store_all(view, ratings, states)
    scale = None if history.scale is None else (history.scale.low, history.scale.high)
    return HistoryImport(
        history.layout,
        scale,
        sorted(matched, key=lambda film: film.line),
        unsure,
        unknown,
        dict(sorted(skipped.items())),
        counts,
        notes,
        None if preview else numbers,
    )


def _stars(stars: float | None, scale: Scale | None, to: tuple[float, float]) -> float | None:
    """Stars on the catalog's scale; None where it has none."""
    return None if stars is None or scale is None or to[0] >= to[1] else converted(stars, scale, to)


def _rated_since(view: RequestView, user_id: str) -> dict[str, int]:
    """What the user has rated, by movie id, and when."""
    held = rated(view, view.history(user_id))
    return {one.movie_id: NO_TIME if one.timestamp is None else one.timestamp for one in held}


def _movie(catalog: Catalog, row: int) -> NamedMovie:
    ids, titles, years = catalog.columns("movie_id", "title", "year")
    return NamedMovie(ids[row], titles[row], years[row])


def export_history(view: RequestView, user_id: str, layout: str) -> HistoryFile:
    """See `Engine.export_history`."""
    catalog = view.catalog
    states = view.runtime.store.user(user_id).states
    has_stars = view.scale[0] < view.scale[1]
    entries: list[HistoryEntry] = []
    ratings = {catalog.row(one.movie_id): one for one in rated(view, view.history(user_id))}
    for row, one in ratings.items():
        entries.append(_entry(catalog, row, one.rating if has_stars else None, "seen", one.timestamp))
    for state, marks in states.items():
        for movie_id, when in marks.items():
            marked = catalog.find(movie_id)
            if marked is not None and not (state == "seen" and marked in ratings):
                entries.append(_entry(catalog, marked, None, state, when))
    if not entries:
        raise UnknownUserError(user_id)
    entries.sort(key=lambda entry: (-(entry.time or 0), entry.movie_id or ""))
    return write_history(layout, entries, view.scale)


def _entry(catalog: Catalog, row: int, stars: float | None, state: MatchedState, when: int | None) -> HistoryEntry:
    ids, titles, years, imdb, tmdb = catalog.columns("movie_id", "title", "year", "imdb_id", "tmdb_id")
    return HistoryEntry(
        title=titles[row],
        year=years[row],
        imdb_id=imdb[row],
        tmdb_id=tmdb[row],
        movie_id=ids[row],
        stars=stars,
        state=state,
        time=when,
    )
