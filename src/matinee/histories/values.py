"""Values as exports write them: years, times, ids, stars, kinds of titles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from matinee.histories.entries import Kind

_YEAR = re.compile(r"\b(18[7-9]\d|19\d\d|2[01]\d\d)\b")
_IMDB = re.compile(r"(?:tt)?(\d{1,10})")
_IN_TEXT = re.compile(r"\btt(\d{5,10})\b")
_TMDB = re.compile(r"\d{1,10}")
_PARTED = re.compile(r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})")
_SERIES = frozenset({"tvseries", "tvminiseries", "series", "show", "tv", "tvshow", "anime", "season", "miniseries"})
_EPISODES = frozenset({"tvepisode", "episode", "podcastepisode", "webepisode"})
NO_STARS = frozenset({"", "-", "–", "null", "none", "nan", "n/a", "\\n", "unrated", "not rated"})
LAST_SECOND = 1 << 33


def year_of(value: Any) -> int | None:
    """The year in a value, which may be a number, a text or a date."""
    found = _YEAR.search(str(value)) if value not in (None, "") else None
    return int(found[1]) if found else None


def imdb_of(value: Any) -> str | None:
    """An id of IMDb: `tt0133093`, `0133093`, an address, or `="tt0133093"` as some spreadsheets have it."""
    text = str(value or "").strip().strip('="')
    if not text:
        return None
    found = _IMDB.fullmatch(text) or _IN_TEXT.search(text)
    return f"tt{int(found[1]):07d}" if found and int(found[1]) else None


def tmdb_of(value: Any) -> str | None:
    """An id of TMDB."""
    text = str(value if value is not None else "").strip().removesuffix(".0")
    return str(int(text)) if _TMDB.fullmatch(text) and int(text) else None


def stars_of(value: Any) -> float | None:
    """Stars as a number; None where there are none.

    Raises:
        ValueError: it is no number.
    """
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    if text.lower() in NO_STARS:
        return None
    if set(text) <= set("★☆½⭐"):
        return float(text.count("★") + text.count("⭐")) + 0.5 * text.count("½")
    number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    if number != number or abs(number) == float("inf"):
        raise ValueError(text)
    return number


def seconds_of(value: Any) -> int | None:
    """Seconds since 1970 UTC of an ISO time, a date, or a number of seconds or milliseconds; None: unreadable."""
    if value in (None, "") or isinstance(value, bool):
        return None
    text = str(value).strip()
    if text.replace(".", "", 1).isdigit() and len(text.partition(".")[0]) >= 9:
        number = float(text)
        while number >= LAST_SECOND:
            number /= 1000
        return int(number)
    try:
        # Python reads six digits of a second at most; Jellyfin writes seven.
        time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace(" UTC", "Z")))
    except ValueError:
        return None
    seconds = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
    return seconds if 0 <= seconds < LAST_SECOND else None


def days_of(values: Iterable[str]) -> list[int | None]:
    """Seconds of dates that are written in one way: `12/31/23`, `31.12.2023`, `2023-12-31`.

    Which number is the day is told by the whole column; where it cannot be told, the dates stay unknown.
    """
    texts = list(values)
    parted = [_PARTED.fullmatch(text.strip()) for text in texts]
    firsts = [int(found[1]) for found in parted if found and len(found[1]) < 3]
    seconds = [int(found[2]) for found in parted if found and len(found[1]) < 3]
    month_first = max(firsts, default=0) <= 12
    day_first = max(seconds, default=0) <= 12
    unclear = month_first == day_first and firsts != seconds
    times: list[int | None] = []
    for text, found in zip(texts, parted, strict=True):
        if not found or len(found[1]) == 4:
            times.append(seconds_of(text))
            continue
        if unclear:
            times.append(None)
            continue
        day, month = (int(found[2]), int(found[1])) if month_first else (int(found[1]), int(found[2]))
        year = int(found[3]) + (2000 if len(found[3]) < 3 else 0)
        try:
            times.append(int(datetime(year, month, day, tzinfo=UTC).timestamp()))
        except ValueError:
            times.append(None)
    return times


def kind_of(text: str) -> Kind:
    """What a title type says: `tvSeries`, `TV Mini Series`, `episode`, `Movie`, `Video` …"""
    word = re.sub(r"[^a-z]", "", text.lower())
    return "series" if word in _SERIES else "episode" if word in _EPISODES else "film"
