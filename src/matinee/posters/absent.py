"""Films known to have no poster at The Movie Database: remembered for a while, so that they are not asked for again.

A file of JSON lines in the shelf's folder. Each finding is appended at once, so that nothing is lost whenever the
process ends; lines that are out of date are dropped when it is next read.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from matinee.posters.shelf import writing

FILE = ".no-poster.ndjson"
DAYS = 30
"""After so many days a film is asked for again."""


class Absent:
    """Which films have no poster, by film id and the id that was asked for: another id may have one.

    Args:
        folder: the shelf's.
        now: seconds since 1970; None: the clock's.
    """

    def __init__(self, folder: Path, now: float | None = None) -> None:
        self._path = folder / FILE
        self._now = time.time() if now is None else now
        self._asked: dict[str, tuple[str, int]] = {}
        lines = 0
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            self._path.open(encoding="utf-8", errors="replace") as file,
        ):
            for line in file:
                lines += 1
                try:
                    record = json.loads(line)
                    movie_id, asked, date = str(record["movie_id"]), str(record["asked"]), int(record["date"])
                except (ValueError, KeyError, TypeError):  # a line cut short, when the power went
                    continue
                if self._now - DAYS * 86_400 < date <= self._now + 86_400:
                    self._asked[movie_id] = asked, date
        if lines > len(self._asked):
            self._rewrite()

    def __len__(self) -> int:
        return len(self._asked)

    def knows(self, movie_id: str, asked: str) -> bool:
        """Whether there was no poster when this id was asked for, not long ago."""
        return self._asked.get(movie_id, ("", 0))[0] == asked

    def add(self, movie_id: str, asked: str) -> None:
        """Remember a film; written before this returns."""
        self._asked[movie_id] = asked, int(self._now)
        with writing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._line(movie_id))

    def _line(self, movie_id: str) -> str:
        asked, date = self._asked[movie_id]
        return json.dumps({"movie_id": movie_id, "asked": asked, "date": date}) + "\n"

    def _rewrite(self) -> None:
        beside = self._path.with_name(f".{uuid4().hex}.part")
        with writing():
            beside.write_text("".join(map(self._line, self._asked)), encoding="utf-8")
            beside.replace(self._path)
