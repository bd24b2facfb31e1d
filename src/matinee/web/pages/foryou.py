"""The page "For you": rate movies on a wall of posters, and see the recommendations change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from matinee.client import calls
from matinee.errors import MatineeError
from matinee.web.inputs import number
from matinee.web.pages.foryou_controls import Asked, Controls
from matinee.web.pages.foryou_data import (
    MAX_FILTER,
    SURPRISE_DIVERSITY,
    Options,
    Rows,
    explained,
    user_name,
)
from matinee.web.pages.foryou_filter import Narrowing, narrowing
from matinee.web.shell import Page, Params, Shell, address_of
from matinee.web.views import make_view

MAX_GENRES = 40
LAST_YEAR = 9999
MAX_OFFSET = 1_000_000
MAX_TITLE = 200


class ForYou:
    """The components and listeners of the page."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.rows = Rows(shell)
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
            inputs=[*self.controls.narrowed, *options],
            outputs=[self.controls.filter, self.controls.diversity, self.picks, self.shell.address],
            api_name="narrow",
            last=True,
        )
        listen(
            partial(gr.on, self.controls.asking()),
            self.recommend,
            take=["user"],
            inputs=options,
            outputs=[self.picks, *self.controls.narrowed, self.shell.address],
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
            return gr.skip(), explained(error) | {"movie_id": _id(movie_id)}
        return await self._lists(name, Asked(filter, diversity, n, adventurous), _id(movie_id))

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
                return gr.skip(), explained(error) | {"movie_id": _id(movie_id)}
        picks, ratings = await self._lists(name, Asked(filter, diversity, n, adventurous))
        return picks, ratings | {"removed": _id(movie_id)}

    async def _lists(self, name: str, asked: Asked, first: str = "") -> tuple[Any, Any]:
        picks, ratings = await asyncio.gather(
            self._picks(name, asked), self._or_trouble(self.rows.ratings(name, first))
        )
        return picks, ratings

    async def _picks(self, user: Any, asked: Asked) -> dict[str, Any]:
        try:
            return await self.rows.picks(user_name(user), Options.of(*asked))
        except MatineeError as error:
            return explained(error, str(asked.filter)[:MAX_FILTER])

    async def _or_trouble(self, asked: Any) -> dict[str, Any]:
        try:
            return dict(await asked)
        except MatineeError as error:
            return explained(error)

    async def recommend(
        self, user: Any, filter: Any = None, diversity: Any = None, n: Any = None, adventurous: Any = None
    ) -> list[Any]:
        """The list for a user; the text of the filter is what counts, the controls follow it."""
        asked = Asked(filter, diversity, n, adventurous)
        picks = await self._picks(user, asked)
        shown = narrowing(str(filter or "")[:MAX_FILTER])
        return [picks, *_controls(shown), self._address(user, asked)]

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
        varied = number(diversity, 0.0, 0.0, 1.0)
        try:
            if surprise and before.fewer_than is None:
                after = replace(after, fewer_than=await self.rows.little_known())
                varied = max(varied, SURPRISE_DIVERSITY)
            elif not surprise and before.fewer_than is not None:
                after = replace(after, fewer_than=None)
                varied = 0.0 if varied == SURPRISE_DIVERSITY else varied
        except MatineeError as error:
            return [gr.skip(), gr.skip(), explained(error), gr.skip()]
        text = str(filter or "") if after == before else after.text()
        asked = Asked(text, varied, n, adventurous)
        picks = await self._picks(user, asked)
        return [text, varied, picks, self._address(user, asked)]

    async def films_to_rate(self, user: Any, offset: Any = None, title: Any = None) -> dict[str, Any]:
        """Well-known films that the user has not rated, or films called so."""
        try:
            start = int(number(offset, 0, 0, MAX_OFFSET))
            return await self.rows.wall(user_name(user), start, str(title or "").strip()[:MAX_TITLE])
        except MatineeError as error:
            return explained(error)

    def _address(self, user: Any, asked: Asked) -> Any:
        try:
            options = Options.of(*asked)
            params = options.params(user_name(user), narrowing(options.filter).fewer_than is not None)
        except MatineeError:
            return gr.skip()
        return address_of("for-you", params)

    async def restore(self, params: Params) -> list[Any]:
        """Values of all components of the page from an address."""
        user = params.get("user", "")
        text, n, adventurous = params.get("filter", "").strip(), params.get("n"), params.get("adventurous")
        varied = number(params.get("diversity"), 0.0, 0.0, 1.0)
        shown = narrowing(text[:MAX_FILTER])
        if params.get("surprise") and shown.fewer_than is None and len(text) < MAX_FILTER:
            try:
                shown = replace(shown, fewer_than=await self.rows.little_known())
                text, varied = shown.text(), max(varied, SURPRISE_DIVERSITY)
            except MatineeError:
                pass  # the list reports the error
        picks, ratings, wall, genres = await asyncio.gather(
            self._picks(user, Asked(text, varied, n, adventurous)),
            self._or_trouble(self._named(user, self.rows.ratings)),
            self._or_trouble(self._named(user, self.rows.wall)),
            self._all_genres(),
        )
        if "error" in ratings:  # the list already reports it
            ratings, wall = {}, {}
        chosen, *others = _controls(shown)
        options = Options.of("", varied, n, adventurous)
        listed = gr.Dropdown(choices=genres, value=chosen) if genres else chosen
        return [picks, ratings, wall, listed, *others, text, options.diversity, options.n, options.adventurous]

    async def _named(self, user: str, ask: Any) -> dict[str, Any]:
        return dict(await ask(user_name(user)))

    async def _all_genres(self) -> list[str]:
        try:
            return await self.rows.genres()
        except MatineeError:
            return []

    @property
    def outputs(self) -> list[Any]:
        """The components that `restore` sets."""
        return [self.picks, self.ratings, self.wall, *self.controls.narrowed, *self.controls.options]


def build(shell: Shell) -> Page:
    """The page."""
    page = ForYou(shell)
    return Page("for-you", page.outputs, page.restore)


def _id(value: Any) -> str:
    return str(value)[:MAX_TITLE]


def _year(value: Any) -> int | None:
    return int(number(value, 0, 0, LAST_YEAR)) or None


def _controls(shown: Narrowing) -> list[Any]:
    """Values of genres, first year, last year, surprise."""
    return [list(shown.genres), shown.year_from, shown.year_to, shown.fewer_than is not None]
