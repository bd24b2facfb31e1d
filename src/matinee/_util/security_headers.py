"""Headers by which a browser guards a service's pages and answers: content policy, no framing, no sniffing, HSTS.

A header that an answer has already is left as it is, so that a page with needs of its own states its own policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
"""Browsers keep to HTTPS for a year. Sent over HTTPS only, which a trusted proxy may have ended."""
SANDBOX = "default-src 'none'; frame-ancestors 'none'"
"""Content policy of answers that are no pages: if a browser shows one, it loads and runs nothing."""
_UNUSED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "payment", "usb")


def security_headers(
    policy: str = SANDBOX, *, framed_by: str = "", readable_by: str = "same-origin", page: bool = False
) -> tuple[Header, ...]:
    """The headers of a service's answers.

    Args:
        policy: Content-Security-Policy.
        framed_by: origins, separated by spaces, that may frame the pages; the policy has to name them as well.
        readable_by: whose pages may embed the answers: `same-origin`, `same-site` or `cross-origin`.
        page: with those that count for documents only.
    """
    headers = {
        "x-content-type-options": "nosniff",
        "content-security-policy": policy,
        # `no-referrer` would make browsers send forms with `Origin: null`.
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": readable_by,
    }
    if not framed_by:
        headers["x-frame-options"] = "DENY"
    if page:
        headers["permissions-policy"] = ", ".join(f"{name}=()" for name in _UNUSED)
        headers["cross-origin-opener-policy"] = "same-origin"
    return tuple((name.encode(), value.encode("latin-1")) for name, value in headers.items())


def with_headers(given: Iterable[Header], added: Sequence[Header], *, https: bool) -> list[Header]:
    """An answer's headers with those of `added` that it does not have, and HSTS over HTTPS."""
    headers = list(given)
    names = {name for name, _ in headers}
    headers += [header for header in added if header[0] not in names]
    if https and HSTS[0] not in names:
        headers.append(HSTS)
    return headers


class SecurityHeaders:
    """ASGI middleware that adds the headers to every answer.

    Args:
        app: the wrapped application.
        headers: of answers, see `security_headers`.
        pages: of HTML pages; default: the same.
    """

    def __init__(self, app: ASGIApp, headers: Sequence[Header], pages: Sequence[Header] | None = None) -> None:
        self.app, self.headers = app, headers
        self.pages = headers if pages is None else pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        https = scope.get("scheme") == "https"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                is_page = self.pages is not self.headers and _is_html(given)
                headers = with_headers(given, self.pages if is_page else self.headers, https=https)
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, guarded)


def _is_html(headers: Iterable[Header]) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)
