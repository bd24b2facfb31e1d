"""Netflix: the viewing history of a profile (Title, Date), and ViewingActivity.csv of the request for one's data.

https://help.netflix.com/node/101917. A title says neither the year nor whether it is a series: rows that name a season
are episodes. The fuller file has Profile Name, Start Time, Duration, Attributes, Title, Supplemental Video Type, …,
where trailers have a type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from matinee.histories.entries import HistoryEntry
from matinee.histories.files import Part
from matinee.histories.layouts.base import Layout
from matinee.histories.values import days_of, seconds_of

_SEASON = re.compile(
    r"(?:the )?(?:complete )?(?:limited series|mini-?series|miniserie|series|season|staffel|saison|temporada|stagione|"
    r"seizoen|sezon|säsong|sæson|sesong|kausi|évad|série)\b.*",
    re.IGNORECASE,
)
_PART = re.compile(
    r"(?:part|volume|vol\.|book|teil|partie|parte|collection|episode|folge|épisode|episodio|chapter|capítulo)\s+\w+",
    re.IGNORECASE,
)
_VIDEO_SECONDS = 20 * 60
"""What was played for less is no film that was seen."""


def is_episode(title: str) -> bool:
    """Whether a title of Netflix names a season or an episode: "Some Series: Season 1: Pilot"."""
    parts = [part.strip() for part in title.split(": ")]
    if any(_SEASON.fullmatch(part) for part in parts[1:]):
        return True
    return len(parts) > 2 and any(_PART.fullmatch(part) for part in parts[1:])


class Netflix(Layout):
    """See the module."""

    name, label = "netflix", "Netflix"

    def fits(self, part: Part) -> bool:
        """By exactly these columns, or the fuller file's."""
        columns = part.columns
        return columns == ["title", "date"] or {"profile name", "start time", "title"} <= set(columns)

    def read(self, part: Part, skipped: Counter[str], notes: list[str]) -> Iterator[HistoryEntry]:
        """What was watched, seen without stars."""
        rows = list(part.rows())
        profiles = {row.get("profile name") for row in rows} - {""}
        if len(profiles) > 1:
            notes.append(f"The file holds {len(profiles)} profiles, all of which are read.")
        times = days_of(row.get("date") for row in rows) if "date" in part.columns else []
        if rows and times and not any(time is not None for time in times):
            notes.append("The dates do not tell which number is the day; films count as seen now.")
        for i, row in enumerate(rows):
            if row.get("supplemental video type"):
                skipped["trailers and the like"] += 1
                continue
            if row.get("duration") and _seconds(row.get("duration")) < _VIDEO_SECONDS:
                skipped["watched for less than 20 minutes"] += 1
                continue
            title = row.get("title")
            yield HistoryEntry(
                title=title,
                state="seen",
                time=times[i] if times else seconds_of(row.get("start time")),
                kind="episode" if is_episode(title) else "film",
                line=row.line,
            )


def _seconds(duration: str) -> int:
    seconds = 0
    for part in duration.split(":"):
        seconds = 60 * seconds + (int(part) if part.isdigit() else 0)
    return seconds
