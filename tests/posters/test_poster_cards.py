from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from matinee.posters.cards import OTHER, PALETTES, SIZE, card, card_key, palette_of
from matinee.posters.lettering import DRAWN, MAX_LETTERS, fit, spell, wrap

SIZES = (46, 38, 29, 20, 16)
TITLES = [
    "Toy Story", "M", "", " ", "…", "W" * 500, "word " * 99, "千と千尋の神隠し", "الرسالة", "🎬🎥", "Сталкер", "Ταξίδι",
    "기생충", "ガンダム", "Amélie", "\x00\x07\u202e", "\ud800", "a\nb\tc", "Koyaanisqatsi " * 3, "-" * 300, "💡" * 400,
]  # fmt: skip


@pytest.mark.parametrize("title", TITLES, ids=range(len(TITLES)))
def test_every_title_has_a_card(title: str) -> None:
    for year, genres in ((1995, ["Comedy"]), (None, []), (-5, ["映画", "x" * 200, "", "Drama", "War"])):
        data = card(title, year, genres)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert (image.format, image.size) == ("WEBP", SIZE)
        assert len(data) < 60_000


def test_a_card_is_the_same_everywhere() -> None:
    program = (
        "import sys; from matinee.posters.cards import card; sys.stdout.buffer.write(card('Heat', 1995, ['Crime']))"
    )
    others = [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)]
    assert others == [card("Heat", 1995, ["Crime"])] * 2


def test_unlike_films_have_unlike_cards() -> None:
    about = [
        ("Heat", 1995, ["Crime"]),
        ("Heat", 1986, ["Crime"]),
        ("Heat", 1995, ["Comedy"]),
        ("Head", 1995, ["Crime"]),
    ]
    assert len({card(*film) for film in about}) == 4
    assert len({card_key(*film) for film in about} | {card_key(*about[0], (160, 240))}) == 5
    assert card_key(*about[0]) == card_key(*about[0])


def test_other_sizes() -> None:
    with Image.open(io.BytesIO(card("Heat", 1995, [], (160, 240)))) as image:
        assert image.size == (160, 240)


def test_the_font_has_what_is_said_to_be_drawn() -> None:
    font = ImageFont.load_default(40)
    box = bytes(font.getmask("\U0010fffe"))
    assert [char for char in sorted(DRAWN) if bytes(font.getmask(char)) == box] == []


@pytest.mark.parametrize(
    ("title", "spelt"),
    [
        ("Amélie", "Amelie"),
        ("  Ærø\t½ ", "AEro 1⁄2"),
        ("Сталкер", "Stalker"),
        ("Конь", "Kon"),
        ("Ταξίδι", "Taxidi"),
        ("ガンダム", "Gandamu"),
        ("しょうじょ", "Shoujo"),
        ("きょう", "Kyou"),
        ("기생충", "Gisaengchung"),
        ("機動戦士ガンダム", "Gandamu"),
        ("千と千尋の神隠し", ""),
        ("الرسالة", ""),
        ("🎬 Movie 🎥", "Movie"),
        ("[REC]²", "[REC]2"),
        ("Hello—world…", "Hello-world…"),
        ("eXistenZ", "eXistenZ"),
        ("…", ""),
        ("", ""),
    ],
)
def test_spelling(title: str, spelt: str) -> None:
    assert spell(title) == spelt


@given(st.text(max_size=60))
def test_only_what_the_font_has_is_drawn(title: str) -> None:
    spelt = spell(title)
    assert set(spelt) <= DRAWN
    assert spelt == "" or any(char.isalnum() for char in spelt)


@settings(max_examples=40)
@given(st.lists(st.text(sorted(DRAWN - {" "}), min_size=1, max_size=40), min_size=1, max_size=30).map(" ".join))
@example("W" * 500)
@example("i" * 199 + " W")
def test_a_title_fits_its_box(title: str) -> None:
    lines, size = fit(title, 286, 160, SIZES)
    font = ImageFont.load_default(size)
    assert size in SIZES
    assert len(lines) * size * 1.12 <= 160
    assert all(font.getlength(line) <= 286 * 1.03 for line in lines)
    shown = "".join(lines).replace("-", "").replace(" ", "")
    if "…" not in shown:
        assert shown == title.replace("-", "").replace(" ", "")
    elif "…" not in title:
        assert len(title) > MAX_LETTERS or size == SIZES[-1]


def test_words_are_cut_only_where_they_must_be() -> None:
    assert fit("Toy Story", 286, 160, SIZES) == (["Toy Story"], 46)
    lines, size = fit("Supercalifragilisticexpialidocious", 286, 160, SIZES)
    assert size >= 29
    assert lines[0].endswith("-")
    assert wrap("Supercalifragilisticexpialidocious", 40, 100) is None
    assert fit("Honorificabilitudinitatibus etc", 286, 160, SIZES)[0][-1] == "etc"


def test_colors_are_those_of_the_most_telling_genre() -> None:
    assert palette_of(["Drama", "Film-Noir"]) is PALETTES["film-noir"]
    assert palette_of(["Comedy", "Drama"]) is PALETTES["comedy"]
    assert palette_of(["Children's"]) is palette_of(["family"]) is PALETTES["children"]
    assert palette_of(["SCI-FI "]) is palette_of(["Science Fiction"]) is PALETTES["sci-fi"]
    assert palette_of([]) is palette_of(["Unheard of"]) is OTHER


def test_lettering_can_be_read() -> None:
    """Contrast of 4.5 (WCAG 2.1, large text needs 3) between lettering and ground, where the title stands."""

    def luminance(color: tuple[int, int, int]) -> float:
        parts = [c / 255 for c in color]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for name, palette in (PALETTES | {"other": OTHER}).items():
        middle = tuple((a + b) // 2 for a, b in zip(palette.top, palette.bottom, strict=True))
        for ground in (middle, palette.bottom):
            light, dark = sorted((luminance(palette.ink), luminance(ground)), reverse=True)  # type: ignore[arg-type]
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_the_page_lists_every_genre() -> None:
    page = (Path(__file__).parents[2] / "docs" / "posters.md").read_text(encoding="utf-8").casefold()
    order = [page.index(f"| {name} |") for name in PALETTES]
    assert order == sorted(order)
