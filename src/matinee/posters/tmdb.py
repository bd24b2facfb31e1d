"""Posters from The Movie Database (TMDB), with the user's own key, by TMDB id or else by IMDb id.

What is on the shelf is not asked for again, so that a run that was interrupted is simply repeated. Films come in the
order given: the first ones are there first.

This product uses the TMDB API but is not endorsed or certified by TMDB.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from matinee._util.atomic_files import replacing
from matinee._util.progress import Progress, silent
from matinee.data.catalog import Movie
from matinee.errors import FetchError, InvalidInputError
from matinee.posters.store import PosterStore, writing
from matinee.posters.tmdb_client import URL, WIDTH, StopError, TmdbClient, TmdbRefusedError, discreet

AT_ONCE = 8
"""Films that are being fetched at a time."""
MAX_FAILURES = 25
"""After so many failures in a row TMDB is taken to be out of reach."""
KEY_HINT = "Get one (free) at themoviedb.org/settings/api, and set MATINEE_TMDB_KEY or give --tmdb-key."
_EXAMPLES = 5
_KEY = re.compile(r"[A-Za-z0-9._~-]+")
_PATH = re.compile(r"/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class FetchReport:
    """What became of the films.

    Attributes:
        films: in the catalog.
        had: had a picture before.
        fetched: have one now.
        no_poster: TMDB has none, or does not know the film; asked again after 30 days.
        known_none: not asked, for that reason.
        no_id: have neither a TMDB id nor an IMDb id.
        broken: TMDB sent what is no picture of an acceptable size; asked again next time.
        failed: TMDB did not answer; asked again next time.
        left: were not asked, because of `limit` or `total_timeout`.
        stopped: why not all were asked: "limit", "time", or None.
        examples: ids of some films that were broken or failed.
    """

    films: int
    had: int
    fetched: int
    no_poster: int
    known_none: int
    no_id: int
    broken: int
    failed: int
    left: int
    stopped: str | None = None
    examples: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    movie_id: str
    tmdb_id: str | None
    imdb_id: str | None

    @property
    def asked(self) -> str:
        return f"tmdb:{self.tmdb_id}" if self.tmdb_id else f"imdb:{self.imdb_id}"


def fetch(
    movies: Iterable[Movie],
    shelf: PosterStore,
    key: str,
    *,
    limit: int | None = None,
    url: str | None = None,
    rate: float = 20.0,
    timeout: float = 15.0,
    total_timeout: float | None = None,
    backoff: float = 0.5,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch the posters of films that have none on the shelf.

    Ctrl-C keeps what was fetched.

    Args:
        key: an API key (v3) or a read access token (v4); it is sent to `url` only, and never logged.
        limit: most films to ask for.
        url: of the API; None: TMDB's own.
        rate: requests to the API a second; pictures, which come from another host, follow at that pace.
        timeout: seconds that one attempt of one request may take.
        total_timeout: seconds for all; what is not done by then is left.
        backoff: seconds before a failed request is tried again, doubled with each failure.

    Raises:
        InvalidInputError: there is no key.
        FetchError: the key is not accepted, or TMDB cannot be reached; what was fetched before stays.
        StoreError: the shelf cannot be written.
    """
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise InvalidInputError("That is no TMDB key." if key else "There is no TMDB key.", KEY_HINT)
    shelf.tidy()
    run = _Run(shelf, limit, progress or silent)
    wanted = run.choose(movies)
    if wanted:
        with discreet(key):
            client_of = _ClientOf(key, url or URL, rate, timeout, backoff)
            asyncio.run(run.all(wanted, client_of, total_timeout))
    return run.report()


@dataclass(frozen=True)
class _ClientOf:
    """Makes the client inside of the event loop that it belongs to."""

    key: str = field(repr=False)
    url: str
    rate: float
    timeout: float
    backoff: float

    def __call__(self) -> TmdbClient:
        return TmdbClient(self.key, url=self.url, rate=self.rate, timeout=self.timeout, backoff=self.backoff)


class _Run:
    """One run over the films."""

    def __init__(self, shelf: PosterStore, limit: int | None, tell: Progress) -> None:
        self._shelf, self._limit, self._tell = shelf, limit, tell
        self._absent = KnownMissing(shelf.folder)
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._in_a_row = 0
        self._stopped: str | None = None
        self._images = ""

    def choose(self, movies: Iterable[Movie]) -> list[_Wanted]:
        """The films to ask for, in order."""
        here = self._shelf.ids()
        wanted = []
        for movie in movies:
            self._counts["films"] += 1
            one = _Wanted(movie.movie_id, movie.tmdb_id, movie.imdb_id)
            if movie.movie_id in here:
                self._counts["had"] += 1
            elif not (one.tmdb_id or one.imdb_id):
                self._counts["no_id"] += 1
            elif self._absent.knows(one.movie_id, one.asked):
                self._counts["known_none"] += 1
            else:
                wanted.append(one)
        if self._limit is not None and len(wanted) > self._limit:
            self._stopped = "limit"
            self._counts["left"] = len(wanted) - self._limit
            del wanted[self._limit :]
        return wanted

    async def all(self, wanted: list[_Wanted], client_of: _ClientOf, total_timeout: float | None) -> None:
        """Ask for all of them, a few at a time."""
        client = client_of()
        self._tell("Fetching posters", 0.0)
        films = iter(wanted)
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(total_timeout):
                self._images = await _images_url(client)
                works = (self._work(films, len(wanted), client) for _ in range(min(AT_ONCE, len(wanted))))
                tasks += map(asyncio.create_task, works)
                await asyncio.gather(*tasks)
        except TimeoutError:
            self._stopped = "time"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()
            self._counts["left"] += len(wanted) - self._done()
        self._tell("Fetching posters", 1.0)

    def _done(self) -> int:
        return sum(self._counts[name] for name in ("fetched", "no_poster", "broken", "failed"))

    async def _work(self, films: Iterator[_Wanted], total: int, client: TmdbClient) -> None:
        for film in films:
            outcome = await self._one(film, client)
            self._counts[outcome] += 1
            if outcome in ("broken", "failed"):
                examples = self._examples.setdefault(outcome, [])
                if len(examples) < _EXAMPLES:
                    examples.append(film.movie_id)
            self._tell("Fetching posters", self._done() / total)

    async def _one(self, film: _Wanted, client: TmdbClient) -> str:
        try:
            path = await _poster_path(film, client)
            if path is None:
                self._absent.add(film.movie_id, film.asked)
                self._in_a_row = 0
                return "no_poster"
            data = await client.picture(self._images + path, self._shelf.max_bytes)
        except StopError:
            raise
        except FetchError:
            self._in_a_row += 1
            if self._in_a_row >= MAX_FAILURES:
                raise
            return "failed"
        except (TmdbRefusedError, InvalidInputError):
            return "broken"
        self._in_a_row = 0
        try:
            self._shelf.put(film.movie_id, data)
        except InvalidInputError:
            return "broken"
        return "fetched"

    def report(self) -> FetchReport:
        """What became of all films."""
        names = ("films", "had", "fetched", "no_poster", "known_none", "no_id", "broken", "failed", "left")
        figures = {name: self._counts[name] for name in names}
        return FetchReport(**figures, stopped=self._stopped, examples=self._examples)


async def _images_url(client: TmdbClient) -> str:
    """Where pictures of our width are: the address that a poster's path is added to."""
    try:
        images = (await client.ask("/3/configuration"))["images"]
        base, sizes = images["secure_base_url"], images["poster_sizes"]
        if not (isinstance(base, str) and base.startswith(("https://", "http://"))):
            raise TypeError
    except (TmdbRefusedError, KeyError, TypeError):
        raise FetchError("TMDB does not say where its pictures are.", "Check --tmdb-url, or try again later.") from None
    return f"{base.rstrip('/')}/{WIDTH if WIDTH in sizes else 'original'}"


async def _ask(client: TmdbClient, path: str, **params: str) -> Mapping[str, Any]:
    """As `TmdbClient.ask`; an empty answer where TMDB does not know what is asked for."""
    try:
        return await client.ask(path, **params)
    except TmdbRefusedError as error:
        if error.status == 404:
            return {}
        raise


def _path_of(entry: object) -> str | None:
    path = entry.get("poster_path") if isinstance(entry, dict) else None
    return path if isinstance(path, str) and _PATH.fullmatch(path) else None


async def _poster_path(film: _Wanted, client: TmdbClient) -> str | None:
    """The path of a film's poster, None where TMDB has none or does not know the film."""
    if film.tmdb_id:
        entry = await _ask(client, f"/3/movie/{quote(film.tmdb_id, safe='')}")
        if entry:
            return _path_of(entry)
    if film.imdb_id:  # also where the TMDB id has gone: entries that were there twice get merged
        found = await _ask(client, f"/3/find/{quote(film.imdb_id, safe='')}", external_source="imdb_id")
        for name in ("movie_results", "tv_results"):
            entries = found.get(name)
            for entry in entries if isinstance(entries, list) else ():
                if path := _path_of(entry):
                    return path
    return None


FILE = ".no-poster.ndjson"
DAYS = 30
"""After so many days a film is asked for again."""


class KnownMissing:
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
        with writing(), replacing(self._path) as file:
            file.write_text("".join(map(self._line, self._asked)), encoding="utf-8")
