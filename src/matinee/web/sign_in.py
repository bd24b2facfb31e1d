"""Signing in to the web app with a shared password: the page, its routes, and the check before everything else."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from matinee.access.sign_in import SharedPassword
from matinee.web.problems import problem
from matinee.web.sessions import Sessions

PATH, OUT = "/sign-in", "/sign-out"
OPEN = frozenset({"/health", PATH, OUT, "/matinee/icon.svg", "/manifest.json"})
"""Paths that need no session; browsers ask for the manifest without cookies, and it tells nothing."""
MAX_TARGET = 4000
MAX_FORM = 8192
"""Maximum size of the form, in bytes."""
WRONG = "This is not the password."
STYLE = """
:root { color-scheme: light dark; --back: #faf8f5; --card: #fff; --text: #1c1917; --line: #8c837a; --fault: #b91c1c }
@media (prefers-color-scheme: dark) {
  :root { --back: #100e0d; --card: #1b1817; --text: #f5f5f4; --line: #7d746c; --fault: #fca5a5 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 16px;
  background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif }
main { width: min(24rem, 100%); padding: 28px; border-radius: 14px;
  background: var(--card); border: 1px solid var(--line) }
h1 { margin: 0 0 4px; font: 700 1.9rem/1.1 "Iowan Old Style", Palatino, Georgia, "Noto Serif", "DejaVu Serif", serif }
label { display: block; margin: 18px 0 6px; font-weight: 600 }
input, button { width: 100%; padding: 10px 12px; border-radius: 8px; font: inherit }
input { border: 1px solid var(--line); background: var(--back); color: inherit }
button { margin-top: 16px; border: 0; background: #b91c1c; color: #fff; font-weight: 600; cursor: pointer }
:focus-visible { outline: 3px solid var(--fault); outline-offset: 2px }
p { margin: 0 }
.fault { margin-top: 12px; color: var(--fault) }
"""
POLICY = (
    "default-src 'none'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "style-src 'sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode() + "'"
)


def safe_target(text: str) -> str:
    """Where to go after signing in: a path of this site, with its query; `/` for anything else.

    Browsers take `//host`, `/\\\\host`, and both with tabs and line ends in between, for addresses of other sites.

    Examples:
        >>> safe_target("/?tab=film&film=318"), safe_target("//evil.test/"), safe_target("https://evil.test/")
        ('/?tab=film&film=318', '/', '/')
    """
    if len(text) > MAX_TARGET or not text.startswith("/") or text.startswith("//"):
        return "/"
    if not text.isprintable() or "\\" in text:
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc or parts.path in (PATH, OUT) else text


def routes(password: SharedPassword, sessions: Sessions, root: str) -> APIRouter:
    """The page and its form.

    Args:
        root: path at which a proxy shows the app; empty: at the root.
    """
    router = APIRouter()

    @router.get(PATH)
    async def show(request: Request, next: str = "/") -> Response:
        target = safe_target(next)
        return _to(root + target) if sessions.is_valid(request.scope) else _page(root, target)

    @router.post(PATH)
    async def enter(request: Request) -> Response:
        form = await _form(request)
        target = safe_target(form.get("next", "/"))
        wait = password.too_many(request.client.host if request.client else "")
        if wait is not None:
            sentence = f"There were too many attempts. Try again in {wait.retry_after} seconds."
            return _page(root, target, sentence, 429, {"retry-after": str(wait.retry_after)})
        if not password.matches(form.get("password", "")):
            return _page(root, target, WRONG, 401)
        response = _to(root + target)
        sessions.start(response, https=request.url.scheme == "https")
        return response

    @router.post(OUT)
    async def leave(request: Request) -> Response:
        response = _to(root + PATH)
        sessions.end(request.scope, response, https=request.url.scheme == "https")
        return response

    return router


class RequireSession:
    """ASGI middleware: what comes without a session is sent to the sign-in page, or answered 401.

    Args:
        app: the wrapped application.
        sessions: of the visitors.
        root: path at which a proxy shows the app; empty: at the root.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, root: str) -> None:
        self._app, self._sessions, self._root = app, sessions, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request or forward it."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"] not in OPEN and not self._sessions.is_valid(scope):
            answer = self._rejection(scope)
        elif scope["type"] == "websocket":  # the app has none
            answer = problem(404, "There is nothing here.")
        await answer(scope, receive, send)

    def _rejection(self, scope: Scope) -> Response:
        accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
        if scope["method"] in ("GET", "HEAD") and b"text/html" in accepts:
            query = scope["query_string"].decode("latin-1")
            wanted = safe_target(scope["path"] + (f"?{query}" if query else ""))
            return _to(f"{self._root}{PATH}?next={quote(wanted, safe='/')}")
        return problem(401, "Sign in first: the session has ended, or there was none.")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; of repeated ones the last counts."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in fields.items()}


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


def _page(
    root: str, target: str, fault: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    described = ' aria-invalid="true" aria-describedby="fault"' if fault else ""
    told = f'<p class="fault" id="fault" role="alert">{escape(fault)}</p>' if fault else ""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{"Error: " if fault else ""}Sign in · Matinee</title>
<link rel="icon" href="{root}/matinee/icon.svg">
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Matinee</h1>
<p>Sign in to see films that suit you.</p>
<form method="post" action="{root}{PATH}">
<input type="hidden" name="next" value="{escape(target)}">
<label for="password">Password</label>
<input id="password" name="password" type="password" required autofocus autocomplete="current-password"{described}>
{told}
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
"""
    policy = {"content-security-policy": POLICY, "cache-control": "no-store"}
    return HTMLResponse(html, status, headers={**policy, **(headers or {})})
