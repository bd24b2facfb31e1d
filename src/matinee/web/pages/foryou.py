"""The page "For you": rate movies on a wall of posters, and see the recommendations change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import gradio as gr

from matinee.client import RefusedError, calls
from matinee.errors import InvalidInputError, MatineeError
from matinee.web.inputs import number
from matinee.web.pages.foryou_filter import Narrowing, narrowing
from matinee.web.shell import Page, Params, Shell, address_of, filter_trouble, select
from matinee.web.views import make_view

MAX_NAME, MAX_TITLE, MAX_FILTER = 64, 200, 2000
"""Maximum lengths of texts."""
MAX_GENRES = 40
MAX_YEAR = 9999
MAX_OFFSET = 1_000_000
FILTER_EXAMPLE = 'genre = "Comedy" and year >= 1990 and not tag = "gore"'
MIN_N, MAX_N = 5, 50
DEFAULT_N = 10
WALL_SIZE = 12
MAX_PAGES = 20
"""Maximum number of catalog pages to search for unrated movies."""
STRIP_SIZE = 30
SURPRISE_RANK = 300
"""Surprises have fewer ratings than the movie of this rank by number of ratings."""
SURPRISE_DIVERSITY = 0.4
DEFAULT_ADVENTUROUS = 0.5
"""The core's default."""
GENRES_TTL = 600.0
"""Seconds for which the list of genres is cached."""


@dataclass(frozen=True)
class Options:
    """Options of the recommendations.

    Attributes:
        filter: in the filter language.
        diversity: 0 … 1.
        n: number of movies, 5 … 50.
        adventurous: 0 (well known) … 1 (the long tail).
    """

    filter: str = ""
    diversity: float = 0.0
    n: int = DEFAULT_N
    adventurous: float = DEFAULT_ADVENTUROUS

    @classmethod
    def of(cls, filter: Any = "", diversity: Any = None, n: Any = None, adventurous: Any = None) -> Options:
        """Validated options: invalid numbers become the default, others are clamped.

        Raises:
            InvalidInputError: the filter is too long.
        """
        text = filter if isinstance(filter, str) else ""
        if len(text) > MAX_FILTER:
            raise InvalidInputError(
                f"The filter has {len(text):,} characters, more than the {MAX_FILTER:,} allowed.", "Shorten it."
            )
        return cls(
            text.strip(),
            round(number(diversity, 0.0, 0.0, 1.0), 2),
            int(number(n, DEFAULT_N, MIN_N, MAX_N)),
            round(number(adventurous, DEFAULT_ADVENTUROUS, 0.0, 1.0), 2),
        )

    @property
    def adventurous_or_none(self) -> float | None:
        """`adventurous`; None if it is the default."""
        return self.adventurous if self.adventurous != DEFAULT_ADVENTUROUS else None

    def params(self, user: str, surprise: bool) -> dict[str, object]:
        """Parameters of the page's address."""
        return {
            "user": user,
            "filter": self.filter,
            "diversity": self.diversity or None,
            "n": self.n if self.n != DEFAULT_N else None,
            "adventurous": self.adventurous_or_none,
            "surprise": 1 if surprise else None,
        }


def user_name(value: Any) -> str:
    """Validate a user's name.

    Raises:
        InvalidInputError: empty, too long, or with characters that are not allowed in ids.
    """
    name = str(value if value is not None else "").strip()
    if not name:
        raise InvalidInputError("Who are you?", "Choose a user or a new name at the top of the page.")
    if len(name) > MAX_NAME:
        raise InvalidInputError(
            f"This user name has {len(name):,} characters; at most {MAX_NAME} are allowed.", "Choose a shorter one."
        )
    if "/" in name or any(ord(char) < 32 for char in name):
        raise InvalidInputError("A user name cannot hold a slash or a line break.", "Choose another one.")
    return name


class Queries:
    """Queries of this page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self._genres: tuple[float, list[str]] = (0.0, [])

    async def history(self, user: str) -> list[dict[str, Any]]:
        """All ratings of a user, newest first; [] for new users."""
        try:
            [answer] = await self.shell.ask(calls.history(user))
        except RefusedError as error:
            if error.status == 404:
                return []
            raise
        return list(answer["items"])

    async def picks(self, user: str, options: Options) -> dict[str, Any]:
        """The list: `{"user", "items", "less_of", "fallback", "model", "filter", "at"}`.

        `items`: movies with stars, because and reason; `less_of`: disliked movies that lower the scores of others.

        `at` is the time of the request. It prevents an outdated answer from being drawn.
        """
        at = time.time()
        call = calls.recommendations(
            user,
            n=options.n,
            filter=options.filter,
            diversity=options.diversity or None,
            adventurous=options.adventurous_or_none,
            explain=True,
        )
        [answer] = await self.shell.ask(call)
        fields = select(answer, ("items", "fallback", "model"))
        return fields | {"user": user, "less_of": answer.get("less_of") or [], "filter": options.filter, "at": at}

    async def ratings(self, user: str, first: str = "") -> dict[str, Any]:
        """The strip: `{"user", "items": [{movie_id, title, rating}], "total", "lowest", "at"}`, newest first.

        `lowest` (and `seen`): the range of stars, see `Shell.stars`.

        Args:
            first: the movie that was just rated. It comes first, because ratings have times in whole seconds.
        """
        at = time.time()
        history, scale = await asyncio.gather(self.history(user), self.shell.stars())
        rated = sorted(history, key=lambda row: row["movie_id"] != first)
        items = [{name: row[name] for name in ("movie_id", "title", "rating")} for row in rated[:STRIP_SIZE]]
        return {"user": user, "items": items, "total": len(rated), "at": at, **scale}

    async def wall(self, user: str, offset: int = 0, title: str = "") -> dict[str, Any]:
        """Films to rate: `{"user", "items": [{movie_id, title, year, rating}], "title", "next": offset or null}`.

        Args:
            offset: number of movies of the catalog, most rated first, to skip.
            title: search for this title instead; includes rated movies.
        """
        stars = {row["movie_id"]: row["rating"] for row in await self.history(user)}
        if title:
            [answer] = await self.shell.ask(calls.search(title, n=WALL_SIZE, by="title"))
            items = [_card(movie, stars) for movie in answer["items"]]
            return {"user": user, "items": items, "title": title, "next": None, "offset": 0}
        items, position, total = [], offset, offset + 1
        for _ in range(MAX_PAGES):
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=position, limit=4 * WALL_SIZE))
            total = answer["total"]
            for movie in answer["items"]:
                position += 1
                if movie["movie_id"] not in stars:
                    items.append(_card(movie, stars))
                if len(items) == WALL_SIZE:
                    break
            if len(items) == WALL_SIZE or not answer["items"]:
                break
        next_offset = position if items and position < total else None
        return {"user": user, "items": items, "title": "", "next": next_offset, "offset": offset}

    async def surprise_limit(self) -> int:
        """The number of ratings that surprises must stay below."""
        [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=SURPRISE_RANK - 1, limit=1))
        if not answer["items"]:  # a small catalog: use its less rated half
            middle = max(answer["total"] // 2, 0)
            [answer] = await self.shell.ask(calls.movies(sort="ratings", offset=middle, limit=1))
        return max(int(answer["items"][0]["ratings"]), 1) if answer["items"] else 1

    async def genres(self) -> list[str]:
        """Genres of the most rated movies, sorted by name."""
        time_cached, cached = self._genres
        if not cached or time.monotonic() - time_cached > GENRES_TTL:
            [answer] = await self.shell.ask(calls.movies(sort="ratings", limit=500))
            cached = sorted({genre for movie in answer["items"] for genre in movie["genres"]})
            self._genres = (time.monotonic(), cached)
        return cached


def _card(movie: Mapping[str, Any], stars: Mapping[str, float]) -> dict[str, Any]:
    return select(movie) | {"rating": stars.get(movie["movie_id"])}


class RawOptions(NamedTuple):
    """The options as sent by the page or a program, in the order of `Controls.options`."""

    filter: Any = None
    diversity: Any = None
    n: Any = None
    adventurous: Any = None


class Controls:
    """The components, created in the current layout.

    Attributes:
        filter_controls: components that become part of the filter.
        options: the other components, the filter first.
    """

    def __init__(self) -> None:
        with gr.Column(elem_id="narrow"):
            with gr.Row(elem_id="narrow-controls"):
                self.genres = gr.Dropdown(
                    [], label="Genres", multiselect=True, allow_custom_value=True, elem_id="genres"
                )
                self.year_from = gr.Number(label="From year", precision=0, elem_id="year-from")
                self.year_to = gr.Number(label="To year", precision=0, elem_id="year-to")
                self.diversity = gr.Slider(0, 1, 0, step=0.05, label="Diversity", buttons=[], elem_id="diversity")
                self.adventurous = gr.Slider(
                    *(0, 1, DEFAULT_ADVENTUROUS), step=0.05, label="Hidden gems", buttons=[], elem_id="adventurous"
                )
                self.n = gr.Slider(MIN_N, MAX_N, DEFAULT_N, step=1, label="Films", buttons=[], elem_id="n")
                self.surprise = gr.Checkbox(label="Surprise me", elem_id="surprise")
            self.filter = gr.Textbox(label="Filter", placeholder=FILTER_EXAMPLE, max_lines=3, elem_id="filter")
        self.filter_controls = [self.genres, self.year_from, self.year_to, self.surprise]
        self.options = [self.filter, self.diversity, self.n, self.adventurous]

    def narrowing(self) -> list[Any]:
        """Events that change the filter."""
        years = (self.year_from, self.year_to)
        return [self.genres.input, self.surprise.input, *(event for box in years for event in (box.submit, box.blur))]

    def asking(self) -> list[Any]:
        """Events that request the list without changing the filter."""
        sliders = (self.diversity, self.adventurous, self.n)
        return [self.filter.submit, self.filter.blur, *(slider.input for slider in sliders)]


class ForYou:
    """The components and listeners of the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.queries = Queries(shell)
        with gr.Column(elem_id="for-you"):
            make_view("narrow", elem_id="narrow-toggle")
            self.controls = Controls()
            with gr.Row(elem_id="for-you-columns"):
                with gr.Column(elem_id="picked"):
                    self.picks = make_view("picks", elem_id="picks")
                    self.ratings = make_view("ratings", events=["rate", "unrate"], elem_id="ratings")
                self.wall = make_view("wall", events=["rate", "wall"], elem_id="wall")
        self._listen()

    def _listen(self) -> None:
        options = self.controls.options
        listen = partial(self.shell.listen, preprocess=False)  # the functions validate their inputs
        # Only one of the two `rate` listeners is a public endpoint.
        for view, visibility in ((self.wall, "public"), (self.ratings, "private")):
            listen(
                view.rate,
                self.rate,
                take=["user", "movie_id", "stars"],
                inputs=options,
                outputs=[self.picks, self.ratings],
                api_name="rate" if visibility == "public" else "rate_again",
                api_visibility=visibility,
                every=True,
            )
        listen(
            self.ratings.unrate,
            self.unrate,
            take=["user", "movie_id"],
            inputs=options,
            outputs=[self.picks, self.ratings],
            api_name="unrate",
            every=True,
        )
        listen(
            partial(gr.on, self.controls.narrowing()),
            self.narrow,
            take=["user"],
            inputs=[*self.controls.filter_controls, *options],
            outputs=[self.controls.filter, self.controls.diversity, self.picks, self.shell.address],
            api_name="narrow",
            last=True,
        )
        listen(
            partial(gr.on, self.controls.asking()),
            self.recommend,
            take=["user"],
            inputs=options,
            outputs=[self.picks, *self.controls.filter_controls, self.shell.address],
            api_name="recommend",
            last=True,
        )
        listen(
            self.wall.wall,
            self.films_to_rate,
            take=["user", "offset", "title"],
            outputs=[self.wall],
            api_name="wall",
            last=True,
        )

    async def rate(
        self,
        user: Any,
        movie_id: Any,
        stars: Any,
        filter: Any = None,
        diversity: Any = None,
        n: Any = None,
        adventurous: Any = None,
    ) -> Any:
        """Store one rating; the list and the ratings after it."""
        try:
            name = user_name(user)
            await self.shell.ask(calls.rate(name, _id(movie_id), number(stars, 0, -1, 100)))
        except MatineeError as error:
            return gr.skip(), filter_trouble(error) | {"movie_id": _id(movie_id)}
        return await self._lists(name, RawOptions(filter, diversity, n, adventurous), _id(movie_id))

    async def unrate(
        self,
        user: Any,
        movie_id: Any,
        filter: Any = None,
        diversity: Any = None,
        n: Any = None,
        adventurous: Any = None,
    ) -> Any:
        """Take one rating back; the list and the ratings after it."""
        try:
            name = user_name(user)
            await self.shell.ask(calls.unrate(name, _id(movie_id)))
        except MatineeError as error:
            if getattr(error, "status", None) != 404:  # 404: the rating is deleted already
                return gr.skip(), filter_trouble(error) | {"movie_id": _id(movie_id)}
        picks, ratings = await self._lists(name, RawOptions(filter, diversity, n, adventurous))
        return picks, ratings | {"removed": _id(movie_id)}

    async def _lists(self, name: str, raw: RawOptions, first: str = "") -> tuple[Any, Any]:
        rated = self._or_trouble(self.queries.ratings(name, first))
        picks, ratings = await asyncio.gather(self._picks(name, raw), rated)
        return picks, ratings

    async def _picks(self, user: Any, raw: RawOptions) -> dict[str, Any]:
        try:
            return await self.queries.picks(user_name(user), Options.of(*raw))
        except MatineeError as error:
            return filter_trouble(error, str(raw.filter)[:MAX_FILTER])

    async def _or_trouble(self, answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        try:
            return await answer
        except MatineeError as error:
            return filter_trouble(error)

    async def recommend(
        self, user: Any, filter: Any = None, diversity: Any = None, n: Any = None, adventurous: Any = None
    ) -> list[Any]:
        """The list for a user; the text of the filter is what counts, the controls follow it."""
        raw = RawOptions(filter, diversity, n, adventurous)
        parsed = narrowing(str(filter or "")[:MAX_FILTER])
        return [await self._picks(user, raw), *_controls(parsed), self._address(user, raw)]

    async def narrow(
        self,
        user: Any,
        genres: Any = None,
        year_from: Any = None,
        year_to: Any = None,
        surprise: Any = None,
        filter: Any = None,
        diversity: Any = None,
        n: Any = None,
        adventurous: Any = None,
    ) -> list[Any]:
        """The controls become the filter, other clauses of it stay; the list that it allows."""
        before = narrowing(str(filter or "")[:MAX_FILTER])
        first, last = _year(year_from), _year(year_to)
        if first is not None and last is not None and first > last:
            first, last = last, first
        selected = genres if isinstance(genres, list) else [genres] if genres else []
        after = replace(
            before,
            genres=tuple(str(genre)[:100] for genre in selected[:MAX_GENRES]),
            year_from=first,
            year_to=last,
        )
        new_diversity = number(diversity, 0.0, 0.0, 1.0)
        try:
            if surprise and before.fewer_than is None:
                after = replace(after, fewer_than=await self.queries.surprise_limit())
                new_diversity = max(new_diversity, SURPRISE_DIVERSITY)
            elif not surprise and before.fewer_than is not None:
                after = replace(after, fewer_than=None)
                new_diversity = 0.0 if new_diversity == SURPRISE_DIVERSITY else new_diversity
        except MatineeError as error:
            return [gr.skip(), gr.skip(), filter_trouble(error), gr.skip()]
        text = str(filter or "") if after == before else after.text()
        raw = RawOptions(text, new_diversity, n, adventurous)
        picks = await self._picks(user, raw)
        return [text, new_diversity, picks, self._address(user, raw)]

    async def films_to_rate(self, user: Any, offset: Any = None, title: Any = None) -> dict[str, Any]:
        """Well-known films that the user has not rated, or films called so."""
        try:
            start = int(number(offset, 0, 0, MAX_OFFSET))
            return await self.queries.wall(user_name(user), start, str(title or "").strip()[:MAX_TITLE])
        except MatineeError as error:
            return filter_trouble(error)

    def _address(self, user: Any, raw: RawOptions) -> Any:
        try:
            options = Options.of(*raw)
            params = options.params(user_name(user), narrowing(options.filter).fewer_than is not None)
        except MatineeError:
            return gr.skip()
        return address_of("for-you", params)

    async def restore(self, params: Params) -> list[Any]:
        """Values of all components of the page from an address."""
        user = params.get("user", "")
        text, n, adventurous = params.get("filter", "").strip(), params.get("n"), params.get("adventurous")
        new_diversity = number(params.get("diversity"), 0.0, 0.0, 1.0)
        parsed = narrowing(text[:MAX_FILTER])
        if params.get("surprise") and parsed.fewer_than is None and len(text) < MAX_FILTER:
            try:
                parsed = replace(parsed, fewer_than=await self.queries.surprise_limit())
                text, new_diversity = parsed.text(), max(new_diversity, SURPRISE_DIVERSITY)
            except MatineeError:
                pass  # the list reports the error
        picks, ratings, wall, genres = await asyncio.gather(
            self._picks(user, RawOptions(text, new_diversity, n, adventurous)),
            self._or_trouble(self._of_user(user, self.queries.ratings)),
            self._or_trouble(self._of_user(user, self.queries.wall)),
            self._all_genres(),
        )
        if "error" in ratings:  # the list already reports it
            ratings, wall = {}, {}
        chosen, *others = _controls(parsed)
        options = Options.of("", new_diversity, n, adventurous)
        listed = gr.Dropdown(choices=genres, value=chosen) if genres else chosen
        return [picks, ratings, wall, listed, *others, text, options.diversity, options.n, options.adventurous]

    async def _of_user(self, user: str, query: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        return await query(user_name(user))

    async def _all_genres(self) -> list[str]:
        try:
            return await self.queries.genres()
        except MatineeError:
            return []

    @property
    def outputs(self) -> list[Any]:
        """The components that `restore` sets."""
        return [self.picks, self.ratings, self.wall, *self.controls.filter_controls, *self.controls.options]


def build(shell: Shell) -> Page:
    """The page."""
    page = ForYou(shell)
    return Page("for-you", page.outputs, page.restore)


def _id(value: Any) -> str:
    return str(value)[:MAX_TITLE]


def _year(value: Any) -> int | None:
    return int(number(value, 0, 0, MAX_YEAR)) or None


def _controls(parsed: Narrowing) -> list[Any]:
    """Values of genres, first year, last year, surprise."""
    return [list(parsed.genres), parsed.year_from, parsed.year_to, parsed.fewer_than is not None]
