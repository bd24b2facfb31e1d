"""Secrets: addresses without the passwords in them, for messages and listings; headers with a key in them."""

from __future__ import annotations

import re

from matinee.errors import InvalidInputError

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


def bearer(key: str) -> dict[str, str]:
    """The header that an API key is sent in; {} without a key.

    Raises:
        InvalidInputError: it cannot be sent.

    Examples:
        >>> bearer("matinee_1"), bearer("")
        ({'authorization': 'Bearer matinee_1'}, {})
    """
    if key and not (key.isascii() and key.isprintable()):
        raise InvalidInputError(
            "The API key (MATINEE_API_KEY) has characters that no key has.",
            "Set it to what `matinee keys create` prints.",
        )
    return {"authorization": f"Bearer {key}"} if key else {}
