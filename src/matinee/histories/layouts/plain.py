"""Any table with titles or ids of films: columns are known by many names, of several languages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from matinee.data.titles import split_title
from matinee.errors import InvalidInputError
from matinee.histories.entries import HistoryEntry, Scale, State
from matinee.histories.files import Part, Row
from matinee.histories.layouts.base import Layout
from matinee.histories.scales import stated_scale
from matinee.histories.values import imdb_of, kind_of, seconds_of, stars_of, tmdb_of, year_of

_TITLE = (
    "title",
    "name",
    "movie",
    "film",
    "movie title",
    "movie_title",
    "film title",
    "titel",
    "titre",
    "título",
    "titulo",
)
_YEAR = (
    "year",
    "release year",
    "release_year",
    "release date",
    "release_date",
    "released",
    "jahr",
    "année",
    "annee",
    "año",
)
_STARS = (
    "rating",
    "my rating",
    "my_rating",
    "your rating",
    "your_rating",
    "stars",
    "score",
    "user_rating",
    "bewertung",
    "note",
)
_IMDB = ("imdb_id", "imdbid", "imdb id", "imdb", "const", "tconst", "imdb url", "imdb_url")
_TMDB = ("tmdb_id", "tmdbid", "tmdb id", "tmdb")
_TIME = (
    "timestamp",
    "time",
    "date",
    "rated_at",
    "date rated",
    "watched date",
    "watched_at",
    "watched",
    "datum",
    "date watched",
)
_STATE = ("state", "status", "list")
_KIND = ("type", "title type", "kind", "media type", "media_type")
_USER = ("user_id", "userid", "user id", "user")
_MOVIE = ("movie_id",)
_STATES: dict[str, State] = {
    "seen": "seen",
    "watched": "seen",
    "completed": "seen",
    "watchlist": "watchlist",
    "wishlist": "watchlist",
    "plan to watch": "watchlist",
    "to watch": "watchlist",
    "not_interested": "not_interested",
    "not interested": "not_interested",
}
_FRACTION = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*/\s*(\d+)\s*")


class Plain(Layout):
    """See the module."""

    name, label = "csv", "a table with titles and years"

    def fits(self, part: Part) -> bool:
        """Whether it has a column of titles or of ids."""
        return bool({*_TITLE, *_IMDB, *_TMDB, *_MOVIE} & set(part.columns))

    def stated(self, part: Part) -> Scale | None:
        """Of ratings as "4/5"."""
        tops = {found[2] for row in part.rows() if (found := _FRACTION.fullmatch(row.get(*_STARS)))}
        if len(tops) > 1:
            raise InvalidInputError(
                f"The ratings are of {' and of '.join(sorted(tops))}; nothing was stored.", "Give all on one scale."
            )
        return stated_scale(tops.pop()) if tops else None

    def scale(self, stars: Sequence[float]) -> Scale | None:  # noqa: ARG002
        """The file tells."""
        return None

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """The films of the table."""
        rows = list(part.rows())
        users = {row.get(*_USER) for row in rows} - {""}
        if len(users) > 1:
            raise InvalidInputError(
                f"This table holds ratings of {len(users):,} users, not one person's.",
                "Import it without --user: `matinee import ratings FILE`.",
            )
        if not set(_STATE) & set(part.columns) and not set(_STARS) & set(part.columns):
            wished = "watchlist" in part.base or "wish" in part.base
            notes.append(f"The table has no stars: its films {'go to the watchlist' if wished else 'count as seen'}.")
        zeros = 0
        for row in rows:
            entry = self._entry(part, row)
            if entry is None:
                skipped["a rating that is no number"] += 1
                continue
            zeros += entry.stars == 0
            yield entry
        if zeros:
            notes.append(f"{zeros:,} ratings of 0 count as not rated; state a scale from 0 where they are the lowest.")

    def _entry(self, part: Part, row: Row) -> HistoryEntry | None:
        text = row.get(*_STARS)
        fraction = _FRACTION.fullmatch(text)
        try:
            stars = stars_of(fraction[1] if fraction else text)
        except ValueError:
            return None
        title, in_title = split_title(row.get(*_TITLE))
        given = row.get(*_STATE).lower()
        state: State = _STATES.get(given, "watchlist" if "watchlist" in part.base or "wish" in part.base else "seen")
        kind = kind_of(row.get(*_KIND))
        return HistoryEntry(
            title=title,
            year=year_of(row.get(*_YEAR)) or in_title,
            imdb_id=imdb_of(row.get(*_IMDB)),
            tmdb_id=tmdb_of(row.get(*_TMDB)) if kind == "film" else None,
            movie_id=row.get(*_MOVIE) or None,
            stars=stars,
            state=state,
            time=seconds_of(row.get(*_TIME)),
            kind=kind,
            line=row.line,
        )
