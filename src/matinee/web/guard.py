"""What of Gradio stays open: the calls of the page and of programs, with bodies of limited size, and no files.

By itself Gradio copies any file of this machine, or fetches any link, that a caller writes into a value as the
reference of a file, and hands out the copy at `/gradio_api/file=…`, where it also fetches links. We need none of that.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

API = "/gradio_api/"
CALLS = {"api", "call", "run", "queue", "cancel", "reset", "heartbeat", "upload", "upload_progress"}
OPEN = CALLS | {"info", "openapi.json", "app_id", "startup-events", "theme.css"}
"""First parts of paths below `API` that are answered."""
MAX_BODY = 1 << 20
"""Bytes of a body with the inputs of a listener."""
MAX_UPLOAD = 16 << 20
"""Bytes of a body with files; how large each may be is for Gradio (`max_file_size`)."""


class Guard:
    """Lets through what the app needs of Gradio: other routes are 404, too large bodies 413.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        refused = _refusal(scope) if scope["type"] == "http" else None
        await (self._app if refused is None else refused)(scope, receive, send)


def _refusal(scope: Scope) -> JSONResponse | None:
    _, api, rest = scope["path"].partition(API)
    first = rest.split("/", 1)[0]
    if api and first not in OPEN:
        return _problem(404, "There is nothing here.")
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return None
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if not length.isdigit():
        return _problem(411, "Say how long the body is: send Content-Length.")
    most = MAX_UPLOAD if first == "upload" else MAX_BODY
    return _problem(413, f"The body may have {most:,} bytes at most.") if int(length) > most else None


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers={"connection": "close"})


def keep_files_away(blocks: gr.Blocks) -> None:
    """Make references of files plain data for Gradio; a listener that takes an upload reads it itself, with checks.

    What a program leaves out at the end, as it did not exist when the program was written, is null.
    """
    preprocess = blocks.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: Any, *others: Any, **options: Any) -> Any:
        missing = len(block_fn.inputs) - len(inputs)
        return await preprocess(block_fn, [*_plain(inputs), *([None] * missing)], *others, **options)

    blocks.preprocess_data = preprocess_data  # type: ignore[method-assign]


def _plain(value: Any) -> Any:
    """A value without the mark (`meta`) by which Gradio knows the reference of a file."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key != "meta"}
    return value
