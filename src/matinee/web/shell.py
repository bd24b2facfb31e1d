"""Shared by all pages: the core, listeners, addresses, and error values."""

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
"""Maximum length of an address's query string."""
SCALE_TTL = 600.0
"""Seconds for which the star scale is cached."""

Params = dict[str, str]
Restore = Callable[[Params], Awaitable[Sequence[Any]]]


@dataclass(frozen=True)
class Page:
    """A tab.

    Attributes:
        id: its name in addresses, `?tab=film`.
        outputs: the components that `restore` sets.
        restore: parameters of an address → values of `outputs` (updates, values or `gr.skip()`).
    """

    id: str
    outputs: Sequence[Component]
    restore: Restore


class Shell:
    """The context of all pages, passed to their `build`.

    Attributes:
        core: the client.
        address: output component of listeners for the query string of the new state; see `address_of`.
    """

    def __init__(self, core: AsyncClient) -> None:
        self.core = core
        self.address = gr.Textbox(visible=False, label="address")
        self._scale: tuple[float, tuple[float, float] | None] = (0.0, None)

    async def ask(self, *calls: Call) -> list[Any]:
        """Answers to concurrent calls.

        Raises:
            MatineeError: a call failed.
        """
        return list(await asyncio.gather(*(self.core.send(call) for call in calls)))

    async def stars(self) -> dict[str, Any]:
        """`{"lowest": minimum stars}` (None if the core fails), with `"seen": True` for implicit feedback."""
        time_cached, cached = self._scale
        if cached is None or time.monotonic() - time_cached > SCALE_TTL:
            try:
                [answer] = await self.ask(calls.report())
                cached = (float(answer["scale"][0]), float(answer["scale"][1]))
                self._scale = (time.monotonic(), cached)
            except MatineeError:
                if cached is None:
                    return {"lowest": None}
        low, high = cached
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
        """Call a function on an event: `function(*taken, *inputs) -> outputs`.

        Args:
            event: a component's event, for example `view.rate` or `button.click`.
            api_name: name of the endpoint. Its parameters are named like the function's.
            take: names of values in `matinee.args`, set by a view (texts and numbers). They come first.
            inputs: components with the remaining values.
            every: handle every event, including those during an earlier call.
            last: of the events during a call, handle only the last.
            js: JavaScript that converts the inputs, as an alternative to `take`.
        """
        hidden: list[Component] = [gr.JSON(visible=False, label=name) for name in take]
        mode = "multiple" if every else "always_last" if last else "once"
        listener = event(
            with_valid_unicode(function),
            inputs=[*hidden, *inputs],
            outputs=list(outputs),
            js=taking(take) if take else js,
            api_name=api_name,
            queue=False,
            show_progress="hidden",
            trigger_mode=mode,
            **options,
        )
        listener.failure(None, js="() => matinee.failed()")  # this app is down; failures of the core are values
        return listener


def with_valid_unicode(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a listener to replace lone surrogates in its inputs, which are valid JSON but cannot be encoded as UTF-8."""
    if not inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    async def wrapper(*inputs: Any) -> Any:
        return await function(*map(_valid_unicode, inputs))

    return wrapper


def _valid_unicode(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_valid_unicode(item) for item in value]
    if isinstance(value, dict):
        return {_valid_unicode(key): _valid_unicode(item) for key, item in value.items()}
    return value


def address_of(tab: str, params: Mapping[str, object] | None = None) -> str:
    """The query string of a state, `?tab=film&film=318`; empty and missing values are left out."""
    present = {name: value for name, value in (params or {}).items() if value not in (None, "", [], ())}
    return "?" + urlencode({"tab": tab} | present)


def params_of(query: str) -> Params:
    """The parameters of an address. Of repeated names the last counts; long queries are truncated."""
    return dict(parse_qsl(str(query or "")[:MAX_QUERY].lstrip("?"), errors="replace"))


def trouble(error: MatineeError) -> dict[str, Any]:
    """An error as the value of a view: `{"error": {"title", "hint", "retry", "kind"}}`.

    Messages of `ServiceError`s (addresses, paths, settings) are not shown; `Core` logs them for operators.
    """
    if isinstance(error, ServiceError):
        return error_value(AWAY, "Nothing that you did is lost. Try again in a moment.", retry=True, kind="away")
    if isinstance(error, RefusedError) and error.status >= 500:
        return error_value("The film service has met a fault.", str(error), retry=True, kind="broken")
    return error_value(error.message, error.hint, kind=_kind(error))


def _kind(error: MatineeError) -> str | None:
    """What a problem document names as the kind of error: "unknown-movie"."""
    return str(error.problem.get("type") or "").rsplit(":", 1)[-1] if isinstance(error, RefusedError) else None


def error_value(title: str, hint: str | None, *, retry: bool = False, kind: str | None = None) -> dict[str, Any]:
    """The value of a view that shows an error.

    Args:
        retry: adds a button.
        kind: names the words for it in other languages, `fault.KIND` of `web/strings`.
    """
    return {"error": {"title": title, "hint": hint, "retry": retry} | ({"kind": kind} if kind else {})}


def filter_trouble(error: MatineeError, filter: str = "") -> dict[str, Any]:
    """As `trouble`, with the position of an error in the filter. It is unique, so that it is always redrawn."""
    value = trouble(error)
    if isinstance(error, RefusedError) and isinstance(position := error.problem.get("position"), int):
        value = error_value("This filter cannot be read.", error.message, kind=_kind(error))
        value["error"] |= {"filter": filter, "position": position}
    return value | {"at": time.time()}


def select(record: Mapping[str, Any], names: Sequence[str] = ("movie_id", "title", "year")) -> dict[str, Any]:
    """Some fields of a record of the core; None for those that it lacks."""
    return {name: record.get(name) for name in names}
