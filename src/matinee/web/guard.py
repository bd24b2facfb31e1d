"""Restriction of Gradio's routes: only calls of endpoints, with limited bodies, and no access to files.

By default Gradio copies any local file, or fetches any URL, that a caller sends as a file reference, and serves the
copy at `/gradio_api/file=…`, which also fetches URLs. The app needs none of this.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

import gradio as gr
from fastapi.responses import Response
from gradio.route_utils import FnIndexInferError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee._util.trusted_hosts import TrustedHosts
from matinee.web.problems import problem

API = "/gradio_api/"
CALLS = {"api", "call", "run", "queue", "cancel", "reset", "heartbeat", "upload", "upload_progress"}
OPEN = CALLS | {"info", "openapi.json", "app_id", "startup-events", "theme.css"}
"""First segments of allowed paths below `API`."""
FILES = {"/app/import", "/app/picture"}
"""Other paths that take a file as their body."""
MAX_BODY = 1 << 20
"""Maximum size of a request body with inputs, in bytes."""
MAX_UPLOAD, MAX_FILE = 16 << 20, 8 << 20
"""Maximum size of an upload and of each file in it, in bytes; the latter is Gradio's to check (`max_file_size`)."""


PACKAGED = ("/static/", "/assets/", "/svelte/")
"""Below them Gradio looks for files of its own, and fails on names that are too long for a file."""
MAX_FILE_PATH = 255
"""Maximum length of such a path, in bytes."""
UNREADABLE = "This call cannot be read; see the API page of the app."
_FAULTS: ContextVar[list[BaseException] | None] = ContextVar("faults", default=None)
"""What was wrong with the inputs of the present request."""

log = logging.getLogger("matinee.web")


class Guard:
    """ASGI middleware: 404 for routes of Gradio that are not needed, 413 for too large bodies, 421 and 403 for others'.

    Args:
        app: the wrapped application.
        trusted: names of the web app.
    """

    def __init__(self, app: ASGIApp, trusted: TrustedHosts) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request or forward it."""
        rejection = None
        if scope["type"] == "http":
            refused = self._trusted.refusal(scope["method"], scope["headers"])
            rejection = problem(refused.status, refused.detail) if refused else _rejection(scope)
        if rejection is not None:
            await rejection(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(API):
            await self._api(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a call of Gradio's API; what its routes stumble over is the caller's fault: 400 or 404."""
        held: list[Message] = []
        faults: list[BaseException] = []

        async def watched(message: Message) -> None:
            # Gradio answers 500 before it lets the exception through.
            if held or (message["type"] == "http.response.start" and message["status"] == 500):
                held.append(message)
            else:
                await send(message)

        token = _FAULTS.set(faults)
        try:
            await self._app(scope, receive, watched)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            if not held:
                raise
            faults.append(error)
        except FnIndexInferError:
            await problem(404, "There is no such endpoint; see the API page of the app.")(scope, receive, send)
            return
        except RuntimeError as error:
            if held or not isinstance(error.__cause__, HTTPException):
                await _send_all(held, send)
                raise
            # Events of a session or a call that does not exist: their stream has begun, and breaks off here.
            log.warning("%s has no events: %s", scope["path"][:100], error.__cause__.detail)
            return
        except Exception:
            await _send_all(held, send)
            raise
        finally:
            _FAULTS.reset(token)
        if held and faults:
            fault = faults[0]
            log.warning("A call of %s cannot be read: %s: %.200s", scope["path"][:100], type(fault).__name__, fault)
            await problem(400, UNREADABLE)(scope, receive, send)
            return
        await _send_all(held, send)


async def _send_all(messages: list[Message], send: Send) -> None:
    for message in messages:
        await send(message)


def _rejection(scope: Scope) -> Response | None:
    path = scope["path"]
    if path.startswith("/pwa_icon"):  # Gradio cannot make one of a drawing, and fails
        return problem(404, "There is nothing here.")
    if path.startswith(PACKAGED) and len(path.encode("utf-8", "surrogatepass")) > MAX_FILE_PATH:
        return problem(404, "There is nothing here.")
    _, api, rest = path.partition(API)
    first = rest.split("/", 1)[0]
    if api and first not in OPEN:
        return problem(404, "There is nothing here.")
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return None
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if not length.isdigit():
        return problem(411, "Say how long the body is: send Content-Length.")
    limit = MAX_UPLOAD if first == "upload" or scope["path"] in FILES else MAX_BODY
    return problem(413, f"The body may have {limit:,} bytes at most.") if int(length) > limit else None


def keep_files_away(blocks: gr.Blocks) -> None:
    """Make Gradio treat file references as plain data. Listeners that take uploads read and check them themselves.

    Missing trailing inputs become null, so that older clients keep working when inputs are added. Inputs that cannot be
    read are the caller's fault, and of what runs in the browser only nothing can be called.
    """
    preprocess = blocks.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: Any, *others: Any, **options: Any) -> Any:
        try:
            if block_fn.fn is None:
                raise LookupError("this runs in the browser")
            missing = len(block_fn.inputs) - len(inputs)
            return await preprocess(block_fn, [*_plain(inputs), *([None] * missing)], *others, **options)
        except Exception as error:
            faults = _FAULTS.get()
            if faults is None:  # from the queue
                log.warning("A call of %s cannot be read: %s: %.200s", block_fn.api_name, type(error).__name__, error)
            else:
                faults.append(error)
            raise gr.Error(UNREADABLE, print_exception=False) from error

    blocks.preprocess_data = preprocess_data  # type: ignore[method-assign]


def keep_no_statistics(blocks: gr.Blocks) -> None:
    """Stop Gradio from summing up, after each call, the last thousands: for a page that the app does not have.

    It takes a data frame each time, and one session whose name is no text made it fail for all calls that followed.
    """
    queue = blocks._queue
    queue.compute_analytics_summary = lambda _: queue.cached_event_analytics_summary  # type: ignore[method-assign]


def _plain(value: Any) -> Any:
    """A value without the key `meta`, by which Gradio recognizes file references."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "meta"}
    return value
