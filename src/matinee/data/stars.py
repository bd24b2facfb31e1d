"""What the values of a table of ratings mean: numbers, stars, thumbs; their scale; and values that say "not rated"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from matinee.data.dataset import SEEN

Scale = tuple[float, float]

NULL_WORDS = ("", "na", "n/a", "#n/a", "nan", "null", "(null)", "none", "nil", "\\n", "-", "--", "?", "undefined")
"""Words that say that there is no value, in small letters."""

_LIKES = (
    *("like", "liked", "likes", "thumbs up", "thumbs-up", "thumbs_up", "thumbsup", "thumb up", "thumbup", "up", "+"),
    *("👍", "yes", "y", "true", "positive", "good", "upvote", "gefällt mir", "gefällt", "ja", "gut", "j'aime", "aime"),
    *("oui", "me gusta", "sí", "si", "mi piace", "gosto", "sim", "нравится", "いいね", "❤", "❤️", "♥"),
)
_DISLIKES = (
    *("dislike", "disliked", "dislikes", "thumbs down", "thumbs-down", "thumbs_down", "thumbsdown", "thumb down"),
    *("thumbdown", "down", "-", "👎", "no", "n", "false", "negative", "bad", "downvote", "gefällt mir nicht"),
    *("gefällt nicht", "nein", "schlecht", "je n'aime pas", "n'aime pas", "non", "no me gusta", "non mi piace"),
    *("não gosto", "não", "nao", "не нравится"),
)
_THUMBS = dict.fromkeys(_LIKES, 1.0) | dict.fromkeys(_DISLIKES, 0.0)
_DECIMAL_COMMA = re.compile(r"^[-+]?\d+,\d+$")
_FRACTION = re.compile(r"^(\d+(?:[.,]\d+)?)\s*(?:/|von|of|out of|sur|de)\s*(\d{1,3})$", re.IGNORECASE)
_PERCENT = re.compile(r"^(\d+(?:[.,]\d+)?)\s*%$")
_WITH_WORD = re.compile(
    r"^(\d+(?:[.,]\d+)?)\s*(?:stars?|sterne?|étoiles?|estrellas?|stelle|stella|★|⭐|\*)$", re.IGNORECASE
)
_SIGNS = re.compile(r"^(?:[★⭐✭✮*]\ufe0f?\s?)*(?:½|\s*1/2|⯨|⯪)?\s*[☆✩✰]*$")

_SENTINELS = (-1.0, 99.0, -99.0, -9.0, 999.0, -999.0, 9999.0, -9999.0, 9.0e9)
"""Numbers that data sets write where there is no rating (Jester: 99; MyAnimeList: −1)."""
_MOST_VALUES = 100_000
"""Distinct values of a column of ratings that are looked at one by one."""


@dataclass(frozen=True)
class Values:
    """The distinct values of a column of ratings.

    Attributes:
        rows: value as written (null for none) → number of rows.
        numbers: value as written → number, for those that are not plain numbers but can be read.
        what: how those were read → rows: "decimal comma", "stars as signs", …
        unread: values that cannot be read, most frequent first.
        top: the highest number that a way of writing allows ("4/5": 5); None if it says nothing.
        thumbs: whether they are words for likes and dislikes.
    """

    rows: pl.DataFrame
    numbers: Mapping[str, float] = field(default_factory=dict)
    what: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    top: float | None = None
    thumbs: bool = False

    @classmethod
    def of(cls, column: pl.Series, words: Mapping[str, float] | None = None) -> Values:
        """Look at a column.

        Args:
            words: values as written, in any case → numbers; wins over what can be read.
        """
        return cls.counted(column.alias("value").value_counts(name="rows"), words)  # stars are few

    @classmethod
    def counted(cls, counted: pl.DataFrame, words: Mapping[str, float] | None = None) -> Values:
        """Look at the distinct values of a column: `value`, and the `rows` of each."""
        stated = {word.strip().casefold(): float(number) for word, number in (words or {}).items()}
        plain = counted["value"].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        counted = counted.select(pl.col("value").cast(pl.String), number=plain, rows=pl.col("rows").cast(pl.Int64))
        odd = counted.filter(pl.col("number").is_null() & pl.col("value").is_not_null()) if not stated else counted
        if odd.is_empty() or odd.height > _MOST_VALUES:
            return cls(counted.select("number", "rows"))
        return cls._read(counted, odd, stated)

    @classmethod
    def _read(cls, counted: pl.DataFrame, odd: pl.DataFrame, stated: Mapping[str, float]) -> Values:
        numbers: dict[str, float] = {}
        what: dict[str, int] = {}
        unread: list[tuple[int, str]] = []
        tops: dict[float, int] = {}
        fractions: list[tuple[str, float, float]] = []
        texts = [(value, rows) for value, _, rows in odd.iter_rows() if value is not None]
        words = {value: value.strip().casefold().replace("’", "'") for value, _ in texts}
        real = [word for word in words.values() if word not in NULL_WORDS or word == "-"]
        given = counted.filter(pl.col("number").is_not_null())
        thumbs = bool(real) and given.is_empty() and not stated and all(word in _THUMBS for word in real)
        thumbs = (thumbs and any(word not in ("-", "+") for word in real)) or set(real) == {"-", "+"}
        for value, rows in texts:
            word = words[value]
            kind, number, top = "", None, None
            if word in stated:
                kind, number = "as stated", stated[word]
            elif thumbs and word in _THUMBS:
                kind, number, top = "word for liked or not", _THUMBS[word], 1.0
            elif word in NULL_WORDS:
                continue
            else:
                kind, number, top = _number(value.strip())
            if number is None:
                if not _is_number(value):
                    unread.append((rows, value.strip()))
                continue
            numbers[value] = number
            if kind == "fraction" and top is not None:
                fractions.append((value, number, top))
            what[kind] = what.get(kind, 0) + rows
            if top is not None:
                tops[top] = tops.get(top, 0) + rows
        top = max(tops, key=lambda key: tops[key]) if tops else None
        for value, number, own in fractions:  # "8/10" among many "4/5" is four fifths as well
            if top is not None and own != top:
                numbers[value] = number * top / own
        read = counted.with_columns(
            number=pl.coalesce(
                pl.col("value").replace_strict(
                    list(numbers), list(numbers.values()), default=None, return_dtype=pl.Float64
                )
                if numbers
                else pl.lit(None, pl.Float64),
                "number",
            )
        )
        names = tuple(value for _, value in sorted(unread, key=lambda pair: -pair[0]))
        return cls(read.select("number", "rows"), numbers, what, names, top, thumbs)

    @cached_property
    def finite(self) -> pl.DataFrame:
        """The numbers, and the rows of each."""
        rows = self.rows.filter(pl.col("number").is_finite().fill_null(False))
        return rows.group_by("number").agg(pl.col("rows").sum()).sort("number")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> tuple[str, float | None, float | None]:
    """How a value is written, its number, and the highest that this way of writing says."""
    if _DECIMAL_COMMA.match(text):
        return "decimal comma", float(text.replace(",", ".")), None
    if match := _FRACTION.match(text):
        return "fraction", float(match[1].replace(",", ".")), float(match[2]) or None
    if match := _PERCENT.match(text):
        return "percent", float(match[1].replace(",", ".")), 100.0
    if match := _WITH_WORD.match(text):
        return "number with a word", float(match[1].replace(",", ".")), None
    if text and _SIGNS.match(text):
        count = sum(text.count(sign) for sign in "★⭐✭✮*")
        empty = sum(text.count(sign) for sign in "☆✩✰")
        half = 0.5 if re.search(r"½|1/2|⯨|⯪", text) else 0.0
        top = float(count + empty + (1 if half else 0)) if empty else None
        return "stars as signs", count + half, top
    return "", None, None


@dataclass(frozen=True)
class Meaning:
    """What the values of a table of ratings mean.

    Attributes:
        scale: lowest and highest stars; `SEEN` for data without stars.
        unrated: numbers that mean "not rated".
        counts: the values are counts or amounts, and no stars: each row counts as seen.
        notes: what was guessed.
        noticed: reason → rows, for the report.
    """

    scale: Scale
    unrated: tuple[float, ...] = ()
    counts: bool = False
    notes: tuple[str, ...] = ()
    noticed: Mapping[str, int] = field(default_factory=dict)


def understand(
    values: Values | None,
    hint: Scale | None = None,
    *,
    scale: Scale | None = None,
    unrated: Sequence[float] | None = None,
) -> Meaning:
    """The scale of a table of ratings, and which of its values are none.

    Feedback is implicit if there are no values, or if every rating is 1 and the layout gives no scale. The hint (the
    layout's scale) is used if at least half of the ratings are in its range. Otherwise the first usual scale that
    covers nine tenths of the ratings is used, else their own range.

    Args:
        values: None where the table has no column of ratings.
        scale: stated by the caller.
        unrated: stated by the caller; empty: every number is a rating. None: -1, 99 and the like are not, where they
            lie apart from all others.
    """
    if values is None:
        return Meaning(scale or SEEN)
    given = values.finite
    notes: list[str] = []
    if unrated is None:
        apart = _apart(given, hint or scale) if scale is None or scale[0] < scale[1] else ()
        for number, rows in apart:
            notes.append(
                f'The rating {number:g} of {rows:,} rows is taken for "not rated", as no other is near it; '
                "--unrated none keeps it as a rating."
            )
        unrated = tuple(number for number, _ in apart)
    given = given.filter(~pl.col("number").is_in([float(number) for number in unrated])) if unrated else given
    if scale is not None:
        return Meaning(scale, tuple(unrated), notes=tuple(notes))
    if given.is_empty():
        return Meaning(hint or (0.5, 5.0), tuple(unrated), notes=tuple(notes))
    if _is_amount(given, hint):
        low, high = float(given["number"].min()), float(given["number"].max())  # type: ignore[arg-type]
        notes.append(
            f"The column of ratings has values from {low:g} to {high:g}, most of them small: these are counts or "
            "amounts (hours, plays), not stars. Each row counts as a film seen; --scale LOW,HIGH reads them as stars."
        )
        return Meaning(SEEN, tuple(unrated), counts=True, notes=tuple(notes))
    found = (0.0, 1.0) if values.thumbs and given["number"].n_unique() > 1 else _scale_of(given, hint, values.top)
    noticed: dict[str, int] = {}
    zeros = _suspicious_zeros(given, found)
    if zeros and hint is None:
        total = int(given["rows"].sum())
        noticed['rating is 0, which may mean "not rated" (--unrated 0)'] = zeros
        lowest = float(given.filter(pl.col("number") > 0)["number"].min())  # type: ignore[arg-type]
        notes.append(
            f'{zeros:,} of {total:,} ratings are 0, and the others begin at {lowest:g}: 0 may mean "not rated". '
            "It is kept as the lowest rating; --unrated 0 leaves these rows out."
        )
    if values.thumbs:
        notes.append("The ratings are words for liked and not liked: read as 1 and 0.")
    if hint is None and found != SEEN and found not in _NAMED:
        notes.append(f"The scale {found[0]:g} to {found[1]:g} is guessed from the ratings; --scale LOW,HIGH states it.")
    return Meaning(found, tuple(unrated), notes=tuple(notes), noticed=noticed)


_NAMED = (
    (0.5, 5.0),
    (1.0, 5.0),
    (0.0, 5.0),
    (1.0, 10.0),
    (0.5, 10.0),
    (0.0, 10.0),
    (0.0, 100.0),
    (0.0, 1.0),
    (-1.0, 1.0),
)


def _share(given: pl.DataFrame, low: float, high: float) -> float:
    inside = given.filter(pl.col("number").is_between(low, high))["rows"].sum()
    return int(inside) / int(given["rows"].sum())


def _scale_of(given: pl.DataFrame, hint: Scale | None, top: float | None) -> Scale:
    """The scale of ratings that are ratings."""
    rating, rows = given["number"], given["rows"]
    if hint is not None and _share(given, *hint) >= 0.5:
        return hint
    if hint is None and bool((rating == 1).all()):
        return SEEN
    if set(rating.to_list()) == {0.0, 1.0}:
        return 0.0, 1.0
    if float(rating.min()) == -1 and float(rating.max()) == 1:  # type: ignore[arg-type]
        return -1.0, 1.0
    halves = int(rows.filter(rating % 1 != 0).sum()) / int(rows.sum()) > 0.001
    usual = [(0.5, 5.0), (0.5, 10.0), (0.0, 10.0)] if halves else [(1.0, 5.0), (0.0, 5.0), (1.0, 10.0), (0.0, 10.0)]
    if top is not None:
        usual = [(low, high) for low, high in [(0.5 if halves else 1.0, top), (0.0, top)] if low < high] + usual
    if float(rating.min()) >= 0 or _share(given, 0.0, 1000.0) >= 0.9:  # type: ignore[arg-type]
        for low, high in [*usual, (0.0, 100.0)]:
            if _share(given, low, high) >= 0.9:
                return low, high
    return float(rating.min()), float(rating.max())  # type: ignore[arg-type]


def _apart(given: pl.DataFrame, hint: Scale | None) -> list[tuple[float, int]]:
    """Numbers that mean "not rated", with their rows: usual ones for that, beyond a gap to all other ratings."""
    found: list[tuple[float, int]] = []
    left = given
    for sentinel in _SENTINELS:
        rows = int(left.filter(pl.col("number") == sentinel)["rows"].sum())
        others = left.filter(pl.col("number") != sentinel)
        if not rows or others.is_empty():
            continue
        low, high = float(others["number"].min()), float(others["number"].max())  # type: ignore[arg-type]
        if hint is not None and hint[0] <= sentinel <= hint[1]:
            continue
        if sentinel == -1:
            is_apart = low >= 0 and high > 1
        elif sentinel < 0:
            is_apart = (low >= 0 and high > 1) or sentinel < 2 * low - max(high, 0)
        else:
            is_apart = sentinel > 4 * max(high, -low, 1)
        if is_apart and int(others["rows"].sum()) >= 2:
            found.append((sentinel, rows))
            left = others
    return found


def _is_amount(given: pl.DataFrame, hint: Scale | None) -> bool:
    """Whether values are counts or amounts: many are small, and a long tail is far beyond any scale that fits them."""
    positive = given.filter(pl.col("number") > 0)
    if hint is not None or positive.is_empty() or float(given["number"].min()) < 0:  # type: ignore[arg-type]
        return False
    total = int(positive["rows"].sum())
    high = float(positive["number"].max())  # type: ignore[arg-type]
    if high <= 10:
        return False
    cumulative = positive["rows"].cum_sum()
    median = float(positive.filter(cumulative >= total / 2)["number"][0])
    for top in (5.0, 10.0, 100.0):
        beyond = positive.filter(pl.col("number") > top)
        tail = int(beyond["rows"].sum()) / total
        if tail < 0.01 or (tail < 0.05 and beyond.height <= 2):  # a few faults beyond a scale
            return median <= {5.0: 0.0, 10.0: 2.0, 100.0: 5.0}[top]
    return median <= 0.1 * high


def _suspicious_zeros(given: pl.DataFrame, scale: Scale) -> int:
    """Rows of ratings of 0 if there are many and nothing is near them."""
    if scale[0] != 0 or scale == (0.0, 1.0):
        return 0
    zeros = int(given.filter(pl.col("number") == 0)["rows"].sum())
    others = given.filter(pl.col("number") > 0)
    if not zeros or others.is_empty():
        return 0
    share = zeros / int(given["rows"].sum())
    numbers = others["number"]
    counts = sorted(others["rows"].to_list())
    gap = float(numbers.min()) / scale[1]  # type: ignore[arg-type]
    if (gap >= 0.3 and share >= 0.05) or share >= 0.4:
        return zeros
    return zeros if share >= 0.2 and zeros > 2 * counts[-1] else 0
