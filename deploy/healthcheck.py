"""Exit with 0 if a service on this machine answers with success: python healthcheck.py PORT PATH.

PORT and PATH may be `VARIABLE=DEFAULT`: the value of an environment variable, or the default where it is empty.
"""

from __future__ import annotations

import os
import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

TIMEOUT = 5.0
"""Seconds that the service may take to answer."""


def value(given: str) -> str:
    """What an argument stands for."""
    variable, equals, default = given.partition("=")
    return (os.environ.get(variable) or default) if equals else given


def main() -> int:
    """Ask, and print what is wrong."""
    port, *path = map(value, sys.argv[1:])
    url = f"http://127.0.0.1:{port}{''.join(path)}"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT):
            return 0
    except (URLError, OSError) as error:
        body = error.read(500).decode(errors="replace") if hasattr(error, "read") else ""
        print(f"{url}: {error} {body}".strip())
        return 1


if __name__ == "__main__":
    sys.exit(main())
