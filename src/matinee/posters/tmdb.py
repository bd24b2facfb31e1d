"""Download of posters from The Movie Database (TMDB), with the user's own key, by TMDB id or else by IMDb id.

Stored posters are not requested again, so that an interrupted run can simply be repeated. Movies are requested in the
given order.

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
from urllib.parse import quote, urlsplit

from matinee._util.atomic_files import replacing
from matinee._util.progress import Progress, silent
from matinee._util.public_hosts import is_public_host
from matinee.data.catalog import Movie
from matinee.errors import FetchError, InvalidInputError
from matinee.posters.store import PosterStore, writing
from matinee.posters.tmdb_client import URL, WIDTH, StopError, TmdbClient, TmdbRefusedError, discreet

MAX_CONCURRENT = 8
"""Number of movies fetched concurrently."""
MAX_FAILURES = 25
"""Number of consecutive failures after which the run is aborted."""
KEY_HINT = "Get one (free) at themoviedb.org/settings/api, and set MATINEE_TMDB_KEY or give --tmdb-key."
_EXAMPLES = 5
_KEY = re.compile(r"[A-Za-z0-9._~-]+")
_PATH = re.compile(r"/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class FetchReport:
    """The result of a run, as numbers of movies.

    Attributes:
        films: number of movies in the catalog.
        had: had a picture before.
        fetched: got a picture.
        no_poster: TMDB has no poster, or does not know the movie; requested again after 30 days.
        known_none: not requested, because TMDB had no poster recently.
        no_id: have neither a TMDB id nor an IMDb id.
        broken: TMDB sent an invalid or too large picture; requested again next time.
        failed: TMDB did not answer; requested again next time.
        left: not requested, because of `limit` or `total_timeout`.
        stopped: why not all were requested: "limit", "time", or None.
        examples: ids of some movies that were broken or failed.
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
class _Target:
    movie_id: str
    tmdb_id: str | None
    imdb_id: str | None

    @property
    def requested(self) -> str:
        return f"tmdb:{self.tmdb_id}" if self.tmdb_id else f"imdb:{self.imdb_id}"


def fetch(
    movies: Iterable[Movie],
    store: PosterStore,
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
    """Fetch the posters of movies that have none in the store.

    If interrupted with Ctrl-C, fetched posters stay.

    Args:
        key: an API key (v3) or a read access token (v4); sent to `url` only, and never logged.
        limit: maximum number of movies to request.
        url: address of the API; None: TMDB's own.
        rate: API requests per second. Pictures, which come from another host, follow at the same rate.
        timeout: maximum seconds of one attempt of a request.
        total_timeout: maximum seconds of the whole run.
        backoff: seconds before the first retry, doubled with each failure.

    Raises:
        InvalidInputError: the key is missing or not valid.
        FetchError: the key is rejected, or TMDB cannot be reached. Posters fetched before stay.
        StoreError: the store cannot be written.
    """
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise InvalidInputError("The TMDB key is not valid." if key else "There is no TMDB key.", KEY_HINT)
    store.tidy()
    run = _Run(store, limit, progress or silent)
    targets = run.choose(movies)
    if targets:

        async def fetch_all() -> None:
            client = TmdbClient(
                key, url=url or URL, rate=rate, timeout=timeout, backoff=backoff
            )  # needs a running loop
            await run.all(targets, client, total_timeout)

        with discreet(key):
            asyncio.run(fetch_all())
    return run.report()


class _Run:
    """One run over the movies."""

    def __init__(self, store: PosterStore, limit: int | None, progress: Progress) -> None:
        self._store, self._limit, self._progress = store, limit, progress
        self._missing = KnownMissing(store.folder)
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._consecutive_failures = 0
        self._stopped: str | None = None
        self._images = ""

    def choose(self, movies: Iterable[Movie]) -> list[_Target]:
        """The movies to request, in order."""
        stored = self._store.ids()
        targets = []
        for movie in movies:
            self._counts["films"] += 1
            target = _Target(movie.movie_id, movie.tmdb_id, movie.imdb_id)
            if movie.movie_id in stored:
                self._counts["had"] += 1
            elif not (target.tmdb_id or target.imdb_id):
                self._counts["no_id"] += 1
            elif self._missing.knows(target.movie_id, target.requested):
                self._counts["known_none"] += 1
            else:
                targets.append(target)
        if self._limit is not None and len(targets) > self._limit:
            self._stopped = "limit"
            self._counts["left"] = len(targets) - self._limit
            del targets[self._limit :]
        return targets

    async def all(self, targets: list[_Target], client: TmdbClient, total_timeout: float | None) -> None:
        """Request all targets, a few at a time, and close the client."""
        self._progress("Fetching posters", 0.0)
        queue = iter(targets)
        tasks: list[asyncio.Task[None]] = []
        try:
            async with asyncio.timeout(total_timeout):
                self._images = await _images_url(client)
                works = (self._work(queue, len(targets), client) for _ in range(min(MAX_CONCURRENT, len(targets))))
                tasks += map(asyncio.create_task, works)
                await asyncio.gather(*tasks)
        except TimeoutError:
            self._stopped = "time"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()
            self._counts["left"] += len(targets) - self._done()
        self._progress("Fetching posters", 1.0)

    def _done(self) -> int:
        return sum(self._counts[name] for name in ("fetched", "no_poster", "broken", "failed"))

    async def _work(self, queue: Iterator[_Target], total: int, client: TmdbClient) -> None:
        for target in queue:
            outcome = await self._one(target, client)
            self._counts[outcome] += 1
            if outcome in ("broken", "failed"):
                examples = self._examples.setdefault(outcome, [])
                if len(examples) < _EXAMPLES:
                    examples.append(target.movie_id)
            self._progress("Fetching posters", self._done() / total)

    async def _one(self, target: _Target, client: TmdbClient) -> str:
        try:
            path = await _poster_path(target, client)
            if path is None:
                self._missing.add(target.movie_id, target.requested)
                self._consecutive_failures = 0
                return "no_poster"
            data = await client.picture(self._images + path, self._store.max_bytes)
        except StopError:
            raise
        except FetchError:
            self._consecutive_failures += 1
            if self._consecutive_failures >= MAX_FAILURES:
                raise
            return "failed"
        except (TmdbRefusedError, InvalidInputError):
            return "broken"
        self._consecutive_failures = 0
        try:
            self._store.put(target.movie_id, data)
        except InvalidInputError:
            return "broken"
        return "fetched"

    def report(self) -> FetchReport:
        """The result of the run."""
        names = ("films", "had", "fetched", "no_poster", "known_none", "no_id", "broken", "failed", "left")
        figures = {name: self._counts[name] for name in names}
        return FetchReport(**figures, stopped=self._stopped, examples=self._examples)


async def _images_url(client: TmdbClient) -> str:
    """The base address of posters of our width, to which a poster's path is appended."""
    try:
        images = (await client.ask("/3/configuration"))["images"]
        base, sizes = images["secure_base_url"], images["poster_sizes"]
        if not (isinstance(base, str) and base.startswith(("https://", "http://"))):
            raise TypeError
        host = urlsplit(base).hostname or ""
        if host != client.host and not is_public_host(host):  # an address of this network, by its word
            raise TypeError
    except (TmdbRefusedError, KeyError, TypeError, ValueError):
        raise FetchError("TMDB's configuration is not valid.", "Check --tmdb-url, or try again later.") from None
    return f"{base.rstrip('/')}/{WIDTH if WIDTH in sizes else 'original'}"


async def _ask(client: TmdbClient, path: str, **params: str) -> Mapping[str, Any]:
    """Like `TmdbClient.ask`, but returns an empty answer for 404."""
    try:
        return await client.ask(path, **params)
    except TmdbRefusedError as error:
        if error.status == 404:
            return {}
        raise


def _path_of(entry: object) -> str | None:
    path = entry.get("poster_path") if isinstance(entry, dict) else None
    return path if isinstance(path, str) and _PATH.fullmatch(path) else None


async def _poster_path(target: _Target, client: TmdbClient) -> str | None:
    """The path of a movie's poster; None if TMDB has none or does not know the movie."""
    if target.tmdb_id:
        entry = await _ask(client, f"/3/movie/{quote(target.tmdb_id, safe='')}")
        if entry:
            return _path_of(entry)
    if target.imdb_id:  # also if the TMDB id is gone, because TMDB merges duplicate entries
        answer = await _ask(client, f"/3/find/{quote(target.imdb_id, safe='')}", external_source="imdb_id")
        for name in ("movie_results", "tv_results"):
            entries = answer.get(name)
            for entry in entries if isinstance(entries, list) else ():
                if path := _path_of(entry):
                    return path
    return None


MISSING_FILE = ".no-poster.ndjson"
MISSING_DAYS = 30
"""Number of days after which a movie without a poster is requested again."""


class KnownMissing:
    """A persistent list of movies without a poster at TMDB, by movie id and requested id.

    Args:
        folder: the folder of the poster store.
        now: seconds since 1970; None: the current time.
    """

    def __init__(self, folder: Path, now: float | None = None) -> None:
        self._path = folder / MISSING_FILE
        self._now = time.time() if now is None else now
        self._requests: dict[str, tuple[str, int]] = {}
        lines = 0
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            self._path.open(encoding="utf-8", errors="replace") as file,
        ):
            for line in file:
                lines += 1
                try:
                    record = json.loads(line)
                    movie_id, requested, date = str(record["movie_id"]), str(record["asked"]), int(record["date"])
                except (ValueError, KeyError, TypeError):  # a truncated line, after a power cut
                    continue
                if self._now - MISSING_DAYS * 86_400 < date <= self._now + 86_400:
                    self._requests[movie_id] = requested, date
        if lines > len(self._requests):
            with writing(), replacing(self._path) as file:
                file.write_text("".join(map(self._line, self._requests)), encoding="utf-8")

    def __len__(self) -> int:
        return len(self._requests)

    def knows(self, movie_id: str, requested: str) -> bool:
        """Whether TMDB recently had no poster for this id."""
        return self._requests.get(movie_id, ("", 0))[0] == requested

    def add(self, movie_id: str, requested: str) -> None:
        """Add a movie. It is written to the file before this returns."""
        self._requests[movie_id] = requested, int(self._now)
        with writing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._line(movie_id))

    def _line(self, movie_id: str) -> str:
        requested, date = self._requests[movie_id]
        return json.dumps({"movie_id": movie_id, "asked": requested, "date": date}) + "\n"
