"""What the page says of itself: language, title, description and picture for shared links, the visitor's strings."""

from __future__ import annotations

import asyncio
import json
import re
from html import escape
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinee.client import AsyncClient, calls
from matinee.errors import MatineeError
from matinee.web.shell import params_of
from matinee.web.strings import COOKIE, LANGUAGES, catalog, language_of, text
from matinee.web.titlebox import with_year

SECONDS = 1.5
"""Time that the core gets to name the film of an address: the page must not wait for it."""
MAX_ID = 300
_ADVERTISED = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*?/>', re.DOTALL)
_LANGUAGE = re.compile(r'(<html\s+lang=")[^"]*(")')
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)
MAX_DESCRIPTION = 200


class PageHead:
    """ASGI middleware that rewrites the head of the page at `/`.

    Args:
        app: the wrapped application.
        core: names the film of an address.
        root: path at which a proxy shows the app; empty: at the root.
    """

    def __init__(self, app: ASGIApp, core: AsyncClient, root: str = "") -> None:
        self._app, self._core, self._root = app, core, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request; the page is held until its head is rewritten."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        language = language_of(request.cookies.get(COOKIE), request.headers.get("accept-language"))
        film = asyncio.create_task(self._film(request.url.query))
        start: Message | None = None
        body = b""

        async def rewritten(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body") or start is None:
                return
            headers = MutableHeaders(raw=start["headers"])
            if headers.get("content-type", "").startswith("text/html") and start["status"] == 200:
                page = with_head(body.decode(), head(request, language, await film, self._root), language)
                body = page.encode()
                headers["content-length"] = str(len(body))
                headers["content-language"] = language
                headers.append("vary", "Accept-Language, Cookie")
            await send(start)
            await send({"type": "http.response.body", "body": body})

        try:
            await self._app(scope, receive, rewritten)
        finally:
            film.cancel()

    async def _film(self, query: str) -> dict[str, Any] | None:
        """The record of the film that an address is about; None where there is none, or the core takes too long."""
        movie_id = params_of(query).get("film", "").strip()[:MAX_ID]
        if not movie_id:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                return dict(await self._core.send(calls.movie(movie_id)))
        except (MatineeError, TimeoutError):
            return None


def head(request: Request, language: str, film: dict[str, Any] | None, root: str = "") -> str:
    """The tags of a page: of a film, or of the app.

    Args:
        film: the record of the core; None: the page is not about one.
        root: path at which a proxy shows the app.
    """
    here = f"{request.url.scheme}://{request.url.netloc}{root}"
    if film is None:
        title, about = text(language, "share.title"), text(language, "share.about")
        picture, kind = f"{here}/matinee/share.png", "website"
    else:
        title = f"{with_year(film)} – Matinee"
        about = str(film.get("overview") or ", ".join(film.get("genres") or ()) or text(language, "share.about"))
        picture, kind = f"{here}/media/posters/{quote(str(film['movie_id']), safe='')}", "video.movie"
    about = about if len(about) <= MAX_DESCRIPTION else about[: MAX_DESCRIPTION - 1].rstrip() + "…"
    query = f"?{request.url.query}" if request.url.query else ""
    tags = {
        "og:site_name": "Matinee",
        "og:type": kind,
        "og:title": title,
        "og:description": about,
        "og:url": f"{here}/{query}",
        "og:image": picture,
        "og:locale": language,
    }
    named = {"description": about, "twitter:card": "summary", "twitter:title": title, "twitter:image": picture}
    given = {"language": language, "languages": LANGUAGES, "strings": catalog(language)}
    # "<" could end the script.
    script = json.dumps(given, ensure_ascii=False).replace("<", "\\u003c")
    lines = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()]
    lines += [f'<meta name="{name}" content="{escape(value)}" />' for name, value in named.items()]
    lines += [f"<title>{escape(title)}</title>", f"<script>window.matineeWords = {script};</script>"]
    return "\n".join(lines)


def with_head(page: str, head: str, language: str) -> str:
    """Gradio's page with another head."""
    before, found, after = page.partition("</head>")
    if not found:
        return page
    before = _TITLE.sub("", _ADVERTISED.sub("", before))
    before = _LANGUAGE.sub(rf"\g<1>{language}\g<2>", before, count=1)
    place = before.find('<meta charset="utf-8" />')
    at = place + len('<meta charset="utf-8" />') if place >= 0 else before.find("<head>") + len("<head>")
    return f"{before[:at]}\n{head}{before[at:]}{found}{after}"
