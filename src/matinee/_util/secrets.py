"""Addresses without the passwords in them, for messages and listings."""

from __future__ import annotations

import re

HIDDEN = "********"
_NEXT_NODE = re.compile(r",(?=[a-z]+://)")
# Up to the last @, because a password that was not percent-encoded may hold one itself.
_USER_INFO = re.compile(r"(?<=://)([^:/?#@]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"(?<=[?&])((?:ssl)?password)=[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """An address, or several separated by commas, with every password in it replaced by asterisks.

    Examples:
        >>> without_password("postgresql://ann:secret@host/films")
        'postgresql://ann:********@host/films'
    """
    return ",".join(
        _PARAMETER.sub(rf"\1={HIDDEN}", _USER_INFO.sub(rf"\1:{HIDDEN}@", node)) for node in _NEXT_NODE.split(url)
    )
