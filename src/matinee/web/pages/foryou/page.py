"""The page: layout, listeners, and restoring its state from an address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import number
from matinee.web.pages.foryou.controls import Controls, filter_values
from matinee.web.pages.foryou.filter import narrowing
from matinee.web.pages.foryou.options import MAX_FILTER, Options, user_name
from matinee.web.pages.foryou.queries import Queries
from matinee.web.shell import Page, Params, Shell, address_of, filter_trouble
from matinee.web.views import make_view

MAX_TEXT = 200
MAX_GENRES = 40
MAX_YEAR = 9999
MAX_OFFSET = 1_000_000
SURPRISE_DIVERSITY = 0.4


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
        """Store a rating. Returns the new list and the ratings."""
        try:
            name = user_name(user)
            await self.shell.ask(calls.rate(name, _id(movie_id), number(stars, 0, -1, 100)))
        except MatineeError as error:
            return gr.skip(), filter_trouble(error) | {"movie_id": _id(movie_id)}
        return await self._lists(name, Options.of(filter, diversity, n, adventurous), _id(movie_id))

    async def unrate(
        self,
        user: Any,
        movie_id: Any,
        filter: Any = None,
        diversity: Any = None,
        n: Any = None,
        adventurous: Any = None,
    ) -> Any:
        """Delete a rating. Returns the new list and the ratings."""
        try:
            name = user_name(user)
            await self.shell.ask(calls.unrate(name, _id(movie_id)))
        except MatineeError as error:
            if getattr(error, "status", None) != 404:  # 404: the rating is deleted already
                return gr.skip(), filter_trouble(error) | {"movie_id": _id(movie_id)}
        picks, ratings = await self._lists(name, Options.of(filter, diversity, n, adventurous))
        return picks, ratings | {"removed": _id(movie_id)}

    async def _lists(self, name: str, options: Options, first: str = "") -> tuple[dict[str, Any], ...]:
        ratings = self._of_user(name, partial(self.queries.ratings, first=first))
        return tuple(await asyncio.gather(self._picks(name, options), ratings))

    async def _picks(self, user: Any, options: Options) -> dict[str, Any]:
        try:
            return await self.queries.picks(user_name(user), options)
        except MatineeError as error:
            return filter_trouble(error, options.filter[:MAX_FILTER])

    async def _of_user(self, user: Any, query: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        try:
            return await query(user_name(user))
        except MatineeError as error:
            return filter_trouble(error)

    async def recommend(
        self, user: Any, filter: Any = None, diversity: Any = None, n: Any = None, adventurous: Any = None
    ) -> list[Any]:
        """The list for a user. The controls are set from the text of the filter."""
        options = Options.of(filter, diversity, n, adventurous)
        parsed = narrowing(options.filter[:MAX_FILTER])
        return [await self._picks(user, options), *filter_values(parsed), self._address(user, options)]

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
        """Put the controls into the filter, whose other clauses stay, and list what it allows."""
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
        options = Options.of(text, new_diversity, n, adventurous)
        return [text, new_diversity, await self._picks(user, options), self._address(user, options)]

    async def films_to_rate(self, user: Any, offset: Any = None, title: Any = None) -> dict[str, Any]:
        """Well-known films that the user has not rated, or films with this title."""
        start, text = int(number(offset, 0, 0, MAX_OFFSET)), str(title or "").strip()[:MAX_TEXT]
        return await self._of_user(user, partial(self.queries.wall, offset=start, title=text))

    def _address(self, user: Any, options: Options) -> Any:
        try:
            options.check()
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
        options = Options.of(text, new_diversity, n, adventurous)
        picks, ratings, wall, genres = await asyncio.gather(
            self._picks(user, options),
            self._of_user(user, self.queries.ratings),
            self._of_user(user, self.queries.wall),
            self._all_genres(),
        )
        if "error" in ratings:  # the list already reports it
            ratings, wall = {}, {}
        chosen, *others = filter_values(parsed)
        listed = gr.Dropdown(choices=genres, value=chosen) if genres else chosen
        return [picks, ratings, wall, listed, *others, text, options.diversity, options.n, options.adventurous]

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
    return str(value)[:MAX_TEXT]


def _year(value: Any) -> int | None:
    return int(number(value, 0, 0, MAX_YEAR)) or None
