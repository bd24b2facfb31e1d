"""Why movies are recommended, in words: liked movies that speak for each, disliked ones that push away.

Only movies that the user liked on their own scale (`StarScale.preferences` above 0) are named as reasons. A model may
count a disliked movie in favor of another (minus times minus), but nobody would believe that reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.topk import top_n
from matinee.engine.allowed import Ranked
from matinee.engine.runtime import RequestView
from matinee.engine.types import MovieRef, Reason
from matinee.models.base import Model, Query

MAX_REASONS = 5
"""Movies named as reasons of one pick, at most."""
NAMED = 3
"""Of these, movies named in a sentence, at most; each has at least half the share of the first."""
LOVED = 0.5
"""Preference above which a movie was loved; a movie seen and given no stars stands exactly here, and was liked."""
DECIDES, EVEN = 0.03, 2.0
"""A movie decides when it has this share, and this many times an even share where more than `MANY` were liked."""
MANY = 20
SHARED = 3
"""Of the first `MAX_REASONS` movies, how many must have a director or genre before it counts as a taste."""
EXAMPLES = 2
"""Movies named as examples of a taste, at most."""
FORMATS = ("IMAX",)
"""Genres of the data that nobody has a taste for: how a movie was shown."""
CANDIDATES = 40
"""Best movies beyond those listed that disliked ones may push away (100 make answers with reasons 11 % slower, 40 make
them 8 %)."""
MAX_LESS = 3
"""Disliked movies named as pushing, at most."""
MIN_PUSH = 0.01
"""Least part of what liked movies add to the candidates that a disliked movie must take from them to be named."""

_LINES = 32
"""Scores whose parts are looked at together."""

POPULAR = "popular with everybody"
CHARTS = {"trending": "rated by many lately", "top_rated": "among the best rated", "liked": "liked by many"}
"""What is said of a movie of a chart, by the setting `by` of its model, where it is not what most people rated."""
UNDECIDED = "no single film decides"
NO_LIKES = "you have not liked a film yet"
SAME = {"directors": "same director", "writers": "same writer", "cast": "same actors", "genres": "same genre"}
"""What two movies can have in common, the most telling first."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A liked movie of the history: its catalog row, its share (0..1) in a pick, the preference for it."""

    row: int
    title: str
    share: float
    preference: float


@dataclass(frozen=True, slots=True)
class ListReasons:
    """Reasons of a list, one entry a movie: movies cited, a sentence; and disliked movies that push others away."""

    because: tuple[tuple[Reason, ...], ...]
    texts: tuple[str, ...]
    less_of: tuple[MovieRef, ...] = ()


def list_reasons(
    view: RequestView,
    model: Model[Any],
    query: Query,
    rows: NDArray[np.int64],
    ranked: Ranked,
    fallback: str | None,
) -> ListReasons:
    """Reasons of a list.

    Args:
        model: that ranked it, or would have, were it not for `fallback`.
        rows: the movies listed.
        ranked: what they were chosen by.
    """
    if fallback == "popular" or model.chart is not None:
        return ListReasons(((),) * len(rows), (chart_text(model, fallback),) * len(rows))
    explained = np.concatenate([rows, _candidates(view, ranked, rows)])
    parts = model.contributions(query, explained.tolist())
    if parts is None:
        return ListReasons(((),) * len(rows), (UNDECIDED,) * len(rows))
    if np.isin(explained, query.rows).any():
        # With `include_seen` a movie of the history may be listed: it is no reason of itself.
        parts = np.where(explained[:, None] == query.rows, np.float32(0), parts)
    reasons = Reasons(view, query, by_content=fallback == "content" or not model.learns_from_ratings)
    cited = reasons.cited(parts[: len(rows)])
    return ListReasons(
        tuple(tuple(Reason(reasons.ids[one.row], one.title, one.share) for one in films) for films in cited),
        tuple(reasons.text(row, films) for row, films in zip(rows.tolist(), cited, strict=True)),
        () if getattr(model.config, "feedback", "signed") == "watched" else reasons.less_of(parts),
    )


def chart_text(model: Model[Any], fallback: str | None) -> str:
    """What is said of every movie of a chart."""
    return POPULAR if fallback == "popular" else CHARTS.get(model.chart or "", POPULAR)


def _candidates(view: RequestView, ranked: Ranked, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best movies that are not listed; rated ones, since what a history says for new movies is dear to work out."""
    movies, scores = ranked.by_row()
    best = movies[top_n(np.where(view.stats.counts[movies] > 0, scores, np.float32(np.nan)), CANDIDATES + len(rows))]
    return best[~np.isin(best, rows)][:CANDIDATES]


class Reasons:
    """What the movies of one history say for others.

    Args:
        by_content: whether the scores come from what movies are about, rather than from who liked them.
    """

    def __init__(self, view: RequestView, query: Query, *, by_content: bool = False) -> None:
        self._catalog, self._query, self._by_content = view.catalog, query, by_content
        columns = view.catalog.columns("movie_id", "title", "directors", "genres")
        self.ids, self._titles, self._directors, self._genres = columns
        self.preferences = view.snapshot.star_scale.history_preferences(query)
        self._liked = query.rows[self.preferences > 0]
        # Below the user's mean is not yet disliked: only movies that weigh negatively push because of their stars.
        self._disliked = view.snapshot.star_scale.weights(query.ratings, "signed") < 0

    def cited(self, parts: NDArray[np.floating[Any]], most: int = MAX_REASONS) -> list[list[Cited]]:
        """For each score the liked movies that add to it, biggest share first.

        Args:
            parts: what the movies of the history add to the scores, (n, len(query)).
        """
        rows, preferences = self._query.rows.tolist(), self.preferences.tolist()
        return [
            [Cited(rows[i], self._titles[rows[i]], share, preferences[i]) for i, share in found]
            for found in liked_shares(parts, self.preferences, most)
        ]

    def text(self, row: int, cited: Sequence[Cited]) -> str:
        """Why the movie of a row, as `reason_text`."""
        if cited and self._by_content and decides([one.share for one in cited], len(self._liked)):
            common = self._in_common(row, cited[0].row)
            return f"like {cited[0].title}" + (f": {common}" if common else "")
        return reason_text(cited, len(self._liked), self._taste(row, cited[:MAX_REASONS]))

    def _in_common(self, row: int, other: int) -> str | None:
        columns = ((self._catalog.column(field), said) for field, said in SAME.items())
        return next((said for column, said in columns if set(column[row]) & set(column[other])), None)

    def _taste(self, row: int, cited: Sequence[Cited]) -> str | None:
        """A director or genre that the movie shares with most of the movies cited.

        Directors come first; of several genres the one that these movies have most oftener than others that the user
        likes.
        """
        directors, genres = self._directors, self._genres
        names = _shared(directors[row], [directors[one.row] for one in cited])
        if names:
            name = max(names, key=lambda name: names[name])
            return f"films by {name}, as in {_and(_examples(name, cited, directors))}"
        own = [name for name in genres[row] if name not in FORMATS]
        names = _shared(own, [genres[one.row] for one in cited])
        if not names:
            return None
        name = max(names, key=lambda name: (names[name] / self._liked_genres[name], name))
        return f"{name}, as in {_and(_examples(name, cited, genres))}"

    @cached_property
    def _liked_genres(self) -> Counter[str]:
        return Counter(name for row in self._liked.tolist() for name in set(self._genres[row]))

    def less_of(self, parts: NDArray[np.floating[Any]]) -> tuple[MovieRef, ...]:
        """Disliked movies that take most from candidates, whose `parts` are (n, len(query)); () where none does.

        A movie that takes less than `MIN_PUSH` of what the liked ones give changes no list that anybody would notice.
        """
        pull, push = 0.0, np.zeros(len(self._query))
        for block in _blocks(parts):
            pull += float(np.maximum(block[:, self.preferences > 0], 0).sum(dtype=np.float64))
            push[self._disliked] -= np.minimum(block[:, self._disliked], 0).sum(axis=0, dtype=np.float64)
        order = [i for i in top_n(push.astype(np.float32), MAX_LESS).tolist() if push[i] > 0]
        rows = [int(self._query.rows[i]) for i in order if push[i] >= MIN_PUSH * pull]
        return tuple(MovieRef(self.ids[row], self._titles[row]) for row in rows)


def liked_shares(
    parts: NDArray[np.floating[Any]], preferences: NDArray[np.floating[Any]], most: int
) -> list[list[tuple[int, float]]]:
    """For each score, positions in the history and shares of the liked movies that add most to it, biggest first.

    A share is the movie's part of all that liked ones add, rounded down to four digits so that shares never sum to more
    than 1; movies whose share rounds to 0 are left out.

    Args:
        parts: what each movie of the history adds, (n, len(history)).
        preferences: for each of these movies, above 0 for those that were liked.
    """
    found: list[list[tuple[int, float]]] = []
    most = min(most, parts.shape[1])
    for block in _blocks(parts):
        pull = np.where(preferences > 0, np.maximum(block, 0), block.dtype.type(0))
        total = pull.astype(np.float64).sum(axis=1)
        lines = np.arange(len(pull))
        best, adds = np.zeros((len(pull), most), dtype=np.int64), np.zeros((len(pull), most))
        rest = pull.astype(np.float32)
        for place in range(most):  # a few passes for the biggest take less time than sorting; ties go to the first
            best[:, place] = rest.argmax(axis=1)
            adds[:, place] = pull[lines, best[:, place]]
            rest[lines, best[:, place]] = -1
        shares = np.floor(1e4 * (adds / np.where(total > 0, total, 1)[:, None])) / 1e4
        found += [
            [(i, share) for i, share in zip(*line, strict=True) if share > 0]
            for line in zip(best.tolist(), shares.tolist(), strict=True)
        ]
    return found


def _blocks(parts: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.floating[Any]]]:
    """A few lines at a time, which the cache holds, with 0 for what is not finite."""
    for start in range(0, len(parts), _LINES):
        block = parts[start : start + _LINES]
        yield block if np.isfinite(block).all() else np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)


def decides(shares: Sequence[float], liked: int) -> bool:
    """Whether the first of these shares, biggest first, is big enough to speak of single movies.

    Args:
        liked: movies of the history that were liked.
    """
    least = DECIDES if liked <= MANY else max(DECIDES, EVEN / liked)
    return bool(shares) and shares[0] >= least


def reason_text(cited: Sequence[Cited], liked: int, taste: str | None = None) -> str:
    """A reason as people say it: "because you loved Alien and Blade Runner". Plain text, titles without years.

    Up to three movies are named, those that have at least half the share of the first. Where no movie decides, the text
    says so, and names a taste: "no single film decides: your taste for Sci-Fi, as in Alien and Blade Runner". A history
    of dislikes has no reason.

    Args:
        cited: biggest share first.
        liked: movies of the history that were liked.
        taste: what the movies cited and the movie recommended have in common.
    """
    if not liked:
        return NO_LIKES
    if not decides([one.share for one in cited], liked):
        return f"{UNDECIDED}: your taste for {taste}" if cited and taste else UNDECIDED
    named = [one for one in cited[:NAMED] if one.share >= cited[0].share / 2]
    verb = "loved" if all(one.preference > LOVED for one in named) else "liked"
    return f"because you {verb} {_and([one.title for one in named])}"


def _shared(own: Sequence[str], others: Sequence[Sequence[str]]) -> dict[str, int]:
    """Of a movie's own words those that at least `SHARED` others have, and how many do."""
    counts = {name: sum(name in words for words in others) for name in own}
    return {name: count for name, count in counts.items() if count >= SHARED}


def _examples(name: str, cited: Sequence[Cited], words: Sequence[Sequence[str]]) -> list[str]:
    """Titles of the first movies cited that have a word."""
    return [one.title for one in cited if name in words[one.row]][:EXAMPLES]


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
