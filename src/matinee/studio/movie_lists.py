"""Lists of movies with posters."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from matinee.studio import core
from matinee.studio.style import html, truncated, with_year

ROW = "display:flex;align-items:center;gap:.75rem;margin:0 0 .5rem;padding:.25rem;border-left:4px solid "
PICTURE = "width:46px;height:69px;object-fit:cover;border-radius:4px;flex:none;background:#8884"
QUIET = "font-size:.875rem;opacity:.85"
BADGE = "font-size:.75rem;border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;white-space:nowrap"
WORDS = "overflow-wrap:anywhere;min-width:0"
MAX_TEXT = 200


@dataclass(frozen=True)
class Entry:
    """A movie of a list.

    Attributes:
        note: a second line, such as its genres.
        badge: a highlighted label, or "".
    """

    movie_id: str
    title: str
    year: int | None = None
    note: str = ""
    badge: str = ""


def movie_list(entries: Sequence[Entry], *, numbered: bool = True) -> None:
    """Show a list of movies with posters."""
    pictures = core.posters([entry.movie_id for entry in entries])
    rows = [
        _row(entry, picture, f"{rank}. " if numbered else "")
        for rank, (entry, picture) in enumerate(zip(entries, pictures, strict=True), start=1)
    ]
    st.html(f'<ol style="list-style:none;margin:0;padding:0">{"".join(rows)}</ol>')


def _row(entry: Entry, picture: bytes | None, number: str) -> str:
    image = f'<img src="{source(picture)}" alt="" style="{PICTURE}">' if picture else f'<span style="{PICTURE}"></span>'
    name = html(number + with_year(truncated(entry.title, MAX_TEXT), entry.year))
    badge = f' <span style="{BADGE}">{html(entry.badge)}</span>' if entry.badge else ""
    note = f'<br><span style="{QUIET}">{html(truncated(entry.note, MAX_TEXT))}</span>' if entry.note else ""
    line = "currentColor" if entry.badge else "transparent"
    return f'<li style="{ROW}{line}">{image}<span style="{WORDS}"><strong>{name}</strong>{badge}{note}</span></li>'


def portrait(picture: bytes) -> None:
    """Show one poster. `st.image` is not used, because its file may be deleted before the browser requests it."""
    st.html(f'<img src="{source(picture)}" alt="" width="140" style="border-radius:6px;max-width:100%">')


def source(picture: bytes) -> str:
    """A picture as a data URL."""
    kind = "png" if picture.startswith(b"\x89PNG") else "webp" if picture[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{b64encode(picture).decode()}"
