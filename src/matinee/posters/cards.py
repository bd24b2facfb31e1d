"""Title cards: drawn pictures for movies without a poster.

Colors depend on the genre and the drawing on the title, so that a movie has the same card everywhere. Cards are shown
but never encoded, because poster search would find them only for being cards.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING

from matinee._util.extras import need_pillow
from matinee.posters.lettering import fit, spell, width_of

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Colors of a genre: background gradient (top, bottom), two for the drawing, and the text."""

    top: Color
    bottom: Color
    accent: Color
    second: Color
    ink: Color


def _hex(text: str) -> Color:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(colors: str) -> Palette:
    return Palette(*map(_hex, colors.split()))


PALETTES: dict[str, Palette] = {
    # In order of precedence: the first genre in this list that the movie has decides.
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
"""For movies of other or no genres."""

_ALIASES = {"children's": "children", "family": "children", "science fiction": "sci-fi", "music": "musical"}


def palette_of(genres: Sequence[str]) -> Palette:
    """The colors of a movie with these genres (case-insensitive)."""
    names = {_ALIASES.get(name, name) for name in (genre.casefold().strip() for genre in genres)}
    return next((palette for name, palette in PALETTES.items() if name in names), OTHER)


if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

VERSION = 1
"""Increased when the appearance of cards changes; part of their ETag."""
MEDIA_TYPE = "image/webp"
SIZE = (342, 513)
"""Width and height of a card, the same as of TMDB's w342 posters."""

_WIDTH, _HEIGHT = SIZE
_FINE = 2
"""Supersampling factor: the drawing is made this many times larger and then reduced, for smooth edges."""
_MARGIN = 28
_HORIZON = 292
"""The drawing is above this line, the title below."""
_WILD = tuple(PALETTES[genre] for genre in ("western", "fantasy", "adventure", "war"))
"""Genres without the skyline motif."""
_SIZES = (46, 42, 38, 35, 32, 29, 26, 24, 22, 20, 18, 16)
_DOT = "  ·  "


def card(title: str, year: int | None, genres: Sequence[str], size: tuple[int, int] = SIZE) -> bytes:
    """A WebP picture with a movie's title, year and genres.

    Args:
        title: any text; what the font lacks is transliterated, or left out (see `lettering.spell`).
        size: width and height in pixels; other shapes than 2:3 are stretched.

    Returns:
        Equal bytes for equal arguments (and one version of Pillow).

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    need_pillow("Drawing title cards")
    from PIL import Image

    palette = palette_of(genres)
    chance = Random(int.from_bytes(hashlib.sha256(f"{title}\n{year}".encode("utf-8", "replace")).digest()[:8]))
    image = _ground(palette)
    motifs = [draw for draw in _MOTIFS if draw is not _skyline or palette not in _WILD]
    chance.choice(motifs)(_Pen(image), palette, chance)
    image = image.reduce(_FINE)
    _letter(image, palette, title, year, genres)
    if size != SIZE:
        image = image.resize(size, Image.Resampling.LANCZOS)
    out = BytesIO()
    image.save(out, "WEBP", quality=88, method=1)
    return out.getvalue()


def card_key(title: str, year: int | None, genres: Sequence[str], size: tuple[int, int] = SIZE) -> str:
    """A cache key that changes whenever the picture changes. Takes microseconds."""
    text = "\n".join([str(VERSION), str(size), title, str(year), *genres])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _mix(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _ground(palette: Palette) -> Image:
    from PIL import Image

    width, height = _WIDTH * _FINE, _HEIGHT * _FINE
    rows = (bytes(_mix(palette.top, palette.bottom, y / (height - 1))) * width for y in range(height))
    return Image.frombytes("RGB", (width, height), b"".join(rows))


# --- the drawing -------------------------------------------------------------------------------------------------
class _Pen:
    """Draws on the supersampled picture in coordinates of the card. Opaque shapes are several times faster."""

    def __init__(self, image: Image) -> None:
        from PIL import ImageDraw

        self._solid, self._glass = ImageDraw.Draw(image), ImageDraw.Draw(image, "RGBA")

    def _with(self, color: Color, alpha: float) -> tuple[ImageDraw, tuple[int, ...]]:
        return (self._solid, color) if alpha == 1 else (self._glass, (*color, round(255 * alpha)))

    def disc(self, x: float, y: float, radius: float, color: Color, alpha: float = 1.0) -> None:
        draw, fill = self._with(color, alpha)
        draw.ellipse([v * _FINE for v in (x - radius, y - radius, x + radius, y + radius)], fill=fill)

    def ring(self, x: float, y: float, radius: float, color: Color, alpha: float) -> None:
        draw, outline = self._with(color, alpha)
        box = [v * _FINE for v in (x - radius, y - radius, x + radius, y + radius)]
        draw.ellipse(box, outline=outline, width=round(1.5 * _FINE))

    def shape(self, points: Sequence[tuple[float, float]], color: Color, alpha: float = 1.0) -> None:
        draw, fill = self._with(color, alpha)
        draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=fill)


def _light(palette: Palette) -> Color:
    """The lighter of the two drawing colors."""
    return max(palette.accent, palette.second, key=sum)


def _sun(pen: _Pen, palette: Palette, chance: Random) -> None:
    """A disc with rings, and a smaller disc."""
    x, y, radius = chance.uniform(120, 222), chance.uniform(128, 158), chance.uniform(72, 92)
    for step in (3, 2, 1):
        pen.disc(x, y, radius + 26 * step, palette.accent, 0.07)
    pen.disc(x, y, radius, palette.accent)
    angle = chance.uniform(0, 2 * math.pi)
    pen.disc(x + 1.05 * radius * math.cos(angle), y + 1.05 * radius * math.sin(angle), 0.3 * radius, palette.second)


def _beam(pen: _Pen, palette: Palette, chance: Random) -> None:
    """A projector beam from a corner."""
    left, light = chance.random() < 0.5, _light(palette)

    def flip(x: float) -> float:
        return x if left else _WIDTH - x

    for spread, alpha in ((96, 0.10), (70, 0.14), (44, 0.22)):
        pen.shape([(flip(46), 62), (flip(_WIDTH), 176 - spread), (flip(_WIDTH), 176 + spread)], light, alpha)
    pen.disc(flip(46), 62, 30, palette.accent)
    pen.disc(flip(46), 62, 14, palette.second)
    for _ in range(14):  # dust particles
        x = chance.uniform(150, _WIDTH - 10)
        y = 62 + (x - 46) * (0.385 + chance.uniform(-0.16, 0.16))
        pen.disc(flip(x), y, chance.uniform(0.8, 2.2), light, 0.8)


def _hills(pen: _Pen, palette: Palette, chance: Random) -> None:
    """Overlapping ridges below a disc."""
    pen.disc(chance.uniform(90, 252), chance.uniform(84, 118), chance.uniform(42, 56), palette.second, 0.95)
    for layer, share in enumerate((0.85, 0.55, 0.22)):
        phase, waves = chance.uniform(0, 6.3), chance.uniform(1.0, 1.9)
        base, height = 168 + 40 * layer, 26 - 5 * layer

        def ridge(x: float, phase: float = phase, waves: float = waves, base: int = base, h: int = height) -> float:
            turn = 2 * math.pi * x / _WIDTH
            return base + h * math.sin(waves * turn + phase) + 0.35 * h * math.sin(2.7 * waves * turn + 2 * phase)

        crest = [(float(x), ridge(x)) for x in range(0, _WIDTH + 1, 3)]
        below = _mix(palette.bottom, palette.accent, share)
        pen.shape([*crest, (_WIDTH, _HEIGHT), (0, _HEIGHT)], below)
    crest = [(float(x), 282 + 10 * math.sin(x / 61)) for x in range(0, _WIDTH + 1, 3)]
    pen.shape([*crest, (_WIDTH, _HEIGHT), (0, _HEIGHT)], palette.bottom)


def _skyline(pen: _Pen, palette: Palette, chance: Random) -> None:
    """A skyline with lit windows, below a disc."""
    pen.disc(chance.uniform(80, 262), chance.uniform(70, 92), chance.uniform(30, 42), palette.accent)
    far, near = _mix(palette.bottom, palette.second, 0.28), _mix(palette.bottom, palette.second, 0.5)
    for color, low, high, wide in ((far, 120, 196, 38.0), (near, 62, 142, 57.0)):
        x = -chance.uniform(0, 20)
        while x < _WIDTH:
            width, top = chance.uniform(0.7, 1.2) * wide, _HORIZON - chance.uniform(low, high)
            pen.shape([(x, top), (x + width, top), (x + width, _HORIZON), (x, _HORIZON)], color)
            if color is near:
                for row in range(int((_HORIZON - top - 14) // 17)):
                    for column in range(int((width - 12) // 13)):
                        if chance.random() < 0.42:
                            left, up = x + 9 + 13 * column, top + 12 + 17 * row
                            edge = [(left, up), (left + 6, up), (left + 6, up + 9), (left, up + 9)]
                            pen.shape(edge, _light(palette), 0.92)
            x += width + 2
    pen.shape([(0, _HORIZON), (_WIDTH, _HORIZON), (_WIDTH, _HEIGHT), (0, _HEIGHT)], palette.bottom)


def _arcs(pen: _Pen, palette: Palette, chance: Random) -> None:
    """Quarter circles in a grid."""
    cell = 72.0
    left, top = (_WIDTH - 4 * cell) / 2, 34.0
    colors = ((palette.accent, 1.0), (palette.second, 0.9), (palette.accent, 0.45), (palette.second, 0.25))
    for row in range(3):
        for column in range(4):
            x, y = left + column * cell, top + row * cell
            corner = chance.randrange(4)
            cx, cy = x + cell * (corner % 2), y + cell * (corner // 2)
            start = math.pi / 2 * {0: 0, 1: 1, 3: 2, 2: 3}[corner]
            turns = [start + math.pi / 2 * step / 24 for step in range(25)]
            edge = [(cx + cell * math.cos(turn), cy + cell * math.sin(turn)) for turn in turns]
            color, alpha = chance.choice(colors)
            if chance.random() < 0.88:
                pen.shape([(cx, cy), *edge], color, alpha)


def _orbits(pen: _Pen, palette: Palette, chance: Random) -> None:
    """Planets on circular orbits."""
    x, y = chance.uniform(140, 202), chance.uniform(140, 158)
    for step, radius in enumerate((46, 74, 102, 130)):
        pen.ring(x, y, radius, palette.second, 0.5 - 0.09 * step)
        angle = chance.uniform(0, 2 * math.pi)
        color = palette.accent if step % 2 else palette.second
        pen.disc(x + radius * math.cos(angle), y + radius * math.sin(angle), chance.uniform(5, 12), color)
    pen.disc(x, y, 27, palette.accent)


_MOTIFS: tuple[Callable[[_Pen, Palette, Random], None], ...] = (_sun, _beam, _hills, _skyline, _arcs, _orbits)


# --- the lettering -----------------------------------------------------------------------------------------------
def _letter(image: Image, palette: Palette, title: str, year: int | None, genres: Sequence[str]) -> None:
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(image)
    wide = _WIDTH - 2 * _MARGIN
    below = [text for text in (str(year) if year is not None else "", *map(spell, genres[:3])) if text]
    letters = spell(title) or _initial(title, below)
    foot = _HEIGHT - 36
    if below and letters != below[0]:
        small = ImageFont.load_default(14)
        while len(below) > 1 and width_of(_DOT.join(below), 14) > wide:
            below.pop()
        faint = _mix(palette.ink, palette.bottom, 0.12)
        draw.text((_MARGIN, foot), _DOT.join(below), font=small, fill=faint, anchor="ls")
    draw.line([(_MARGIN, foot - 28), (_MARGIN + 44, foot - 28)], fill=palette.accent, width=3)
    if not letters:
        return
    bottom = foot - 46
    lines, size = fit(letters, wide, bottom - _HORIZON - 12, _SIZES)
    font = ImageFont.load_default(size)
    for line in reversed(lines):
        draw.text((_MARGIN - 1, bottom), line, font=font, fill=palette.ink, anchor="ls")
        bottom -= round(size * 1.12)


def _initial(title: str, below: Sequence[str]) -> str:
    """Replacement of a title that cannot be spelled: its first letter if possible, else the year or a genre."""
    first = spell(next((char for char in title if char.isalnum()), ""))
    return first[:1].upper() or (below[0] if below else "")
