"""The frame of the web app: colors that can be read, styles that Gradio does not tear apart, `open` for programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gradio_client import Client

import matinee.web
from apps_support import Service
from matinee.web.app import HEAD
from matinee.web.pages import PAGES
from matinee.web.theme import theme

ASSETS = Path(matinee.web.__file__).parent / "assets"
STYLES = sorted(ASSETS.glob("*.css"))
READABLE = 4.5


def luminance(color: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def color(name: str) -> str:
    """A color of the theme as `#rrggbb`; `*neutral_600` names another."""
    value = str(getattr(theme(), name))
    if value.startswith("*"):
        return color(value[1:])
    return {"white": "#ffffff"}.get(value, value)


@pytest.mark.parametrize("dark", ["", "_dark"])
@pytest.mark.parametrize("text", ["body_text_color", "body_text_color_subdued", "link_text_color"])
@pytest.mark.parametrize("ground", ["body_background_fill", "background_fill_primary", "background_fill_secondary"])
def test_words_can_be_read(text: str, ground: str, dark: str) -> None:
    assert contrast(color(text + dark), color(ground + dark)) >= READABLE


@pytest.mark.parametrize("dark", ["", "_dark"])
@pytest.mark.parametrize("button", ["button_primary", "button_secondary"])
def test_buttons_can_be_read(button: str, dark: str) -> None:
    for ground in ("background_fill", "background_fill_hover"):
        assert contrast(color(f"{button}_text_color{dark}"), color(f"{button}_{ground}{dark}")) >= READABLE


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_survive_gradio(path: Path) -> None:
    # Gradio puts its own classes in front of every selector, and takes each comma for the end of one.
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for selector in re.findall(r"([^{};]+)\{", text):
        assert not re.search(r":(is|where|not|has)\([^)]*,", selector), f"a list within {selector.strip()}"
        assert not ("," in selector and ".dark" in selector), f".dark in the list {selector.strip()}"
    assert "@import" not in text
    assert "http" not in text


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_modules_ask_no_other_machine_and_run_no_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in ("http:", "https://", "eval(", "new Function", "document.write", "insertAdjacentHTML"):
        assert word not in text.replace("https://www.imdb.com/title/", ""), word
    assert not re.search(r"innerHTML\s*\+?=\s*`", text), "markup is made by `html`, which escapes"


def test_the_head_loads_only_what_is_here() -> None:
    assert "http" not in HEAD
    assert 'src="matinee/matinee.js"' in HEAD


def test_a_program_opens_addresses_without_a_user(web: Service) -> None:
    client = Client(web.url, verbose=False, download_files=False)
    try:
        for tab in PAGES:
            address, *_ = client.predict(query=f"?tab={tab}", api_name="/open")
            assert address == f"?tab={tab}"
        picks, _, *_ = client.predict(user="1", api_name="/recommend")
        assert len(picks["items"]) == 10
        assert client.predict(prefix="5", api_name="/users")["items"]
    finally:
        client.close()
