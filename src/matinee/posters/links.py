"""Which addresses of pictures in films' records are handed on to visitors' browsers.

The service itself never asks them: it answers with a redirect. What a browser could be made to ask for with it is the
visitor's own network, so addresses of private networks are left out.
"""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

from matinee._util.public_hosts import is_public_host


def allowed_link(address: str | None, hosts: str = "") -> str | None:
    """The address of a picture, where it may be handed on: http or https, no credentials, of a public host.

    Args:
        hosts: names that alone are allowed (`images.example.org`, `*.example.org`), separated by commas; private ones
            may be among them. Empty: every public one.

    Examples:
        >>> allowed_link("https://example.org/1.jpg")
        'https://example.org/1.jpg'
        >>> allowed_link("http://192.168.1.1/reboot"), allowed_link("javascript:alert(1)")
        (None, None)
    """
    if address is None or any(c.isspace() or c == "\\" or unicodedata.category(c)[0] == "C" for c in address):
        return None
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    names = [name.strip().lower() for name in hosts.split(",") if name.strip()]
    allowed = any(_matches(host, name) for name in names) if names else is_public_host(host)
    return address if allowed else None


def _matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
