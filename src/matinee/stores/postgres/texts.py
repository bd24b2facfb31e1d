"""Any text in PostgreSQL, whose texts cannot hold the character NUL: that one and the backslash are escaped."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(.)")


def stored(text: str) -> str:
    """A text as it is stored. Only NUL and the backslash change."""
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def restored(text: str) -> str:
    """The text that `stored` was given."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: "\0" if match[1] == "0" else match[1], text)
