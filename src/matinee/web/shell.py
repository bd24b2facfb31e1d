"""What the pages share: the core, listeners, addresses, trouble said in friendly words."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr
from gradio.components import Component

from matinee.client import AsyncClient, Call, RefusedError, calls
from matinee.errors import MatineeError, ServiceError
from matinee.web.core import AWAY
from matinee.web.views import taking

MAX_QUERY = 4000
"""Characters of an address's query that are read."""
SCALE_KEPT = 600.0
"""Seconds for which the scale of the ratings is remembered."""

Params = dict[str, str]
Restore = Callable[[Params], Awaitable[Sequence[Any]]]


@dataclass(frozen=True)
class Page:
    """A tab.

    Attributes:
        id: its name in addresses, `?tab=film`.
        outputs: the components that `restore` gives values for.
        restore: parameters of an address → values of `outputs` (updates, values or `gr.skip()`).
    """

    id: str
    outputs: Sequence[Component]
    restore: Restore


class Shell:
    """Handed to every page's `build`.

    Attributes:
        core: the client.
        address: output component of listeners: the query string of the state that they have made, as `address_of`.
    """

    def __init__(self, core: AsyncClient) -> None:
        self.core = core
        self.address = gr.Textbox(visible=False, label="address")
        self._scale: tuple[float, tuple[float, float] | None] = (0.0, None)

    async def ask(self, *calls: Call) -> list[Any]:
        """Answers to calls that are sent together.

        Raises:
            MatineeError: one of them failed.
        """
        return list(await asyncio.gather(*(self.core.send(call) for call in calls)))

    async def stars(self) -> dict[str, Any]:
        """`{"lowest": the fewest stars that can be given}`, None where the core does not say.

        And `"seen": True` where the data hold no stars: 1 says that a film was seen.
        """
        asked, known = self._scale
        if known is None or time.monotonic() - asked > SCALE_KEPT:
            try:
                [answer] = await self.ask(calls.report())
                known = (float(answer["scale"][0]), float(answer["scale"][1]))
                self._scale = (time.monotonic(), known)
            except MatineeError:
                if known is None:
                    return {"lowest": None}
        low, high = known
        return {"lowest": low} | ({"seen": True} if low == high else {})

    def listen(
        self,
        event: Callable[..., Any],
        function: Callable[..., Any],
        *,
        api_name: str,
        take: Sequence[str] = (),
        inputs: Sequence[Component] = (),
        outputs: Sequence[Component] = (),
        every: bool = False,
        last: bool = False,
        js: str | None = None,
        **options: Any,
    ) -> Any:
        """Call a function at an event: `function(*taken, *inputs) -> outputs`.

        Args:
            event: a component's event, as `view.rate` or `button.click`.
            api_name: the endpoint's name; the parameters' names are the function's.
            take: names of values that a view has put into `matinee.args` (texts and numbers).
            inputs: components whose values come after those.
            every: every event counts, also while an earlier one is being answered.
            last: of the events that come while one is being answered only the last counts.
            js: JavaScript that makes the inputs out of theirs, where `take` does not do: it puts its values first.
        """
        hidden: list[Component] = [gr.JSON(visible=False, label=name) for name in take]
        mode = "multiple" if every else "always_last" if last else "once"
        listener = event(
            hearing(function),
            inputs=[*hidden, *inputs],
            outputs=list(outputs),
            js=taking(take) if take else js,
            api_name=api_name,
            queue=False,
            show_progress="hidden",
            trigger_mode=mode,
            **options,
        )
        listener.failure(None, js="() => matinee.failed()")  # this app itself is away; the core's failures are answers
        return listener


def hearing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A listener of whole texts only: halves of characters, which JSON can hold, cannot be sent on or answered."""
    if not inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def heard(*given: Any) -> Any:
        return await function(*map(_whole, given))

    return heard


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value


def address_of(tab: str, params: Mapping[str, object] | None = None) -> str:
    """The query string of a state, `?tab=film&film=318`; empty and missing values are left out."""
    given = {name: value for name, value in (params or {}).items() if value not in (None, "", [], ())}
    return "?" + urlencode({"tab": tab} | given)


def params_of(query: str) -> Params:
    """The parameters of an address; of several of one name the last counts, of a long one the beginning."""
    return dict(parse_qsl(str(query or "")[:MAX_QUERY].lstrip("?"), errors="replace"))


def trouble(error: MatineeError) -> dict[str, Any]:
    """An error as the value of a view: `{"error": {"title", "hint", "retry"}}`.

    What a `ServiceError` says (addresses, paths, settings) is for operators: `Core` logs it.
    """
    if isinstance(error, ServiceError):
        hint = "Nothing that you did is lost. Try again in a moment."
        return {"error": {"title": AWAY, "hint": hint, "retry": True}}
    if isinstance(error, RefusedError) and error.status >= 500:
        return {"error": {"title": "The film service has met a fault.", "hint": str(error), "retry": True}}
    return {"error": {"title": error.message, "hint": error.hint, "retry": False}}
