"""Colours of title cards by genre: the table that docs/posters.md describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Colours of one genre: the ground from top to bottom, two for the drawing, one for the lettering."""

    top: Colour
    bottom: Colour
    accent: Colour
    second: Colour
    ink: Colour


def _hex(text: str) -> Colour:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(colours: str) -> Palette:
    return Palette(*map(_hex, colours.split()))


PALETTES: dict[str, Palette] = {
    # In order of precedence: a card takes the colours of the first of these that the film has.
    #                        top    bottom accent second ink
    "film-noir": _palette("0d0d0f 2c2c30 e9e5da 8d8a84 f4f1ea"),
    "western": _palette("6a2f17 964a1f f6cf88 43200f fff4e2"),
    "horror": _palette("09090b 2c070b c5161f d9c8b4 f3e8e2"),
    "animation": _palette("34217d 6b3fa8 ff9770 ffd670 fff6ea"),
    "documentary": _palette("ece5d5 d9ceb6 2f4b5c bb6a42 23313a"),
    "musical": _palette("430d3c 8c1f5c ffb74d ffd7e4 fff1f2"),
    "sci-fi": _palette("060b22 0f3160 2ec9da c2f4ea eefbfb"),
    "war": _palette("2a2d1f 4f4c30 c1512f e0cf9d f6efdc"),
    "fantasy": _palette("1a1b4d 45307a 7fdfc4 f7d896 f8f4ff"),
    "children": _palette("0f5583 226f99 ffdd66 ff8d5e fdfbf3"),
    "crime": _palette("14161e 2d323e bd3d4a dcc8a2 f5f1e8"),
    "mystery": _palette("0e1f26 24424c 93bdac ebdba4 f3f6ee"),
    "romance": _palette("f7d3cc eaa5a4 c9344f fff1e9 4b1726"),
    "thriller": _palette("0f1418 263840 e5b53d 6f9092 f3f3ec"),
    "adventure": _palette("0c3a3d 17615f ecaa42 f3d5aa fbf5e6"),
    "action": _palette("2a0e13 671d1d ec5d31 f6b02a fff2e4"),
    "comedy": _palette("f8cd57 f2a73f e2522f fff3d2 2d1a0d"),
    "drama": _palette("1b2135 43324d d08a76 e8cdab f8f1ea"),
}
OTHER = _palette("21262e 3e4854 a3b8cb e7dcc6 f4f5f3")
"""For films of other genres, and of none."""

_ALIASES = {"children's": "children", "family": "children", "science fiction": "sci-fi", "music": "musical"}


def palette_of(genres: Sequence[str]) -> Palette:
    """The colours of a film with these genres; spelling of capitals does not matter."""
    names = {_ALIASES.get(name, name) for name in (genre.casefold().strip() for genre in genres)}
    return next((palette for name, palette in PALETTES.items() if name in names), OTHER)
