"""Poster match as people use it: drop, paste, photograph, choose, or start from a film."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import Calm

FOUND = ".matches .card"
SHAWSHANK = "318"

_DROP = """([kind, data, name, type]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  const target = document.querySelector(".drop .zone");
  const more = { bubbles: true, cancelable: true };
  if (kind === "paste") target.dispatchEvent(new ClipboardEvent("paste", { ...more, clipboardData: carried }));
  else target.dispatchEvent(new DragEvent("drop", { ...more, dataTransfer: carried }));
}"""

# A camera that sees a poster; the browser itself makes the stream, the picture and the file.
_CAMERA = """() => { navigator.mediaDevices.getUserMedia = async () => {
  const image = new Image();
  image.src = "media/posters/318";
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const draw = () => { canvas.getContext("2d").drawImage(image, 0, 0); requestAnimationFrame(draw); };
  draw();
  return canvas.captureStream();
}; }"""


@pytest.fixture
def poster(core: Service, tmp_path: Path) -> Path:
    """The Shawshank Redemption's poster, as a file."""
    path = tmp_path / "poster.jpg"
    path.write_bytes(httpx.get(f"{core.url}/v1/movies/{SHAWSHANK}/poster", trust_env=False).content)
    return path


@pytest.fixture
def opened(web: Service, page: Page) -> Page:
    """The page, ready for a poster."""
    page.goto(f"{web.url}/?tab=match")
    page.locator(".starters img").first.wait_for()
    page.locator(".drop .zone").wait_for()
    return page


def choose(page: Page, path: Path) -> None:
    page.set_input_files(".drop input[type=file]", path)


def first_is_the_film(page: Page) -> None:
    expect(page.locator(FOUND).first).to_contain_text("The Shawshank Redemption (1994)")


def test_match_shows_five_posters_of_a_chosen_file(opened: Page, poster: Path, calm: Calm) -> None:
    choose(opened, poster)
    expect(opened.locator(FOUND)).to_have_count(5)
    first_is_the_film(opened)
    first = opened.locator(FOUND).first
    expect(first).to_contain_text("100 %")
    expect(first).to_contain_text("(1.000)")
    expect(first.get_by_role("link", name="IMDb")).to_have_attribute("href", "https://www.imdb.com/title/tt0111161")
    shown = opened.locator(f"{FOUND} img").evaluate_all("(all) => Promise.all(all.map((one) => one.decode()))")
    assert len(shown) == 5
    expect(opened.locator(".drop .preview img")).to_have_attribute("alt", "Your picture")
    calm(opened)
    first.locator("a").first.click()
    opened.wait_for_url(f"**/?tab=film&film={SHAWSHANK}*")


@pytest.mark.extended
def test_match_is_asked_again_when_the_number_changes(opened: Page, poster: Path) -> None:
    choose(opened, poster)
    expect(opened.locator(FOUND)).to_have_count(5)
    opened.locator("#match-k input[type=number]").fill("9")
    expect(opened.locator(FOUND)).to_have_count(9)
    opened.wait_for_url("**/?tab=match&k=9")
    opened.locator("#match-k input[type=number]").fill("99")
    expect(opened.locator(FOUND)).to_have_count(15)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_match_takes_what_is_dropped_or_pasted(opened: Page, poster: Path, kind: str) -> None:
    data = base64.b64encode(poster.read_bytes()).decode()
    opened.evaluate(_DROP, [kind, data, "poster.jpg", "image/jpeg"])
    expect(opened.locator(FOUND)).to_have_count(5)
    first_is_the_film(opened)


def test_match_takes_a_photograph(opened: Page) -> None:
    opened.evaluate(_CAMERA)
    opened.get_by_role("button", name="Take a photograph").click()
    opened.wait_for_function("document.querySelector('.drop video').videoWidth > 0")
    opened.get_by_role("button", name="Take it now").click()
    expect(opened.locator(FOUND)).to_have_count(5)
    first_is_the_film(opened)
    expect(opened.locator(".drop video")).to_be_hidden()


def test_match_without_a_camera_says_so(opened: Page) -> None:
    opened.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"));
        }"""
    )
    opened.get_by_role("button", name="Take a photograph").click()
    expect(opened.locator(".drop .note")).to_contain_text("No camera was found")
    expect(opened.get_by_role("button", name="Choose a picture")).to_be_visible()


def test_match_says_what_is_wrong_and_goes_on(opened: Page, poster: Path, tmp_path: Path, calm: Calm) -> None:
    for name, body, words in [
        ("notes.txt", b"hello, I am no picture", "not an image"),
        ("cut.jpg", poster.read_bytes()[:3000], "damaged or truncated"),
        ("empty.jpg", b"", "empty"),
    ]:
        path = tmp_path / name
        path.write_bytes(body)
        choose(opened, path)
        expect(opened.locator("#match-found .trouble")).to_contain_text(words)
    calm(opened)
    big = tmp_path / "big.jpg"
    big.write_bytes(b"\xff" * 20_000_000)
    choose(opened, big)
    expect(opened.locator(".drop .note")).to_contain_text("8 MB is the most")
    choose(opened, poster)
    expect(opened.locator(FOUND)).to_have_count(5)
    expect(opened.locator(".drop .note")).to_be_empty()


def test_match_starts_from_a_film(opened: Page) -> None:
    opened.locator(".starters a").nth(1).click()
    expect(opened.locator(FOUND)).to_have_count(5)
    expect(opened.locator(".drop .preview img")).to_have_attribute("alt", "Poster of The Shawshank Redemption (1994)")
    opened.wait_for_url(f"**/?tab=match&film={SHAWSHANK}")
    opened.locator(FOUND).nth(1).get_by_role("link", name="Films with posters like").click()
    expect(opened.locator(".matches h3")).not_to_contain_text("Shawshank")
    opened.go_back()
    expect(opened.locator(".matches h3")).to_contain_text("The Shawshank Redemption")


@pytest.mark.parametrize("size", [pytest.param("phone", marks=pytest.mark.extended), "dark"])
def test_match_on_other_screens(web: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(f"{web.url}/?tab=match&film={SHAWSHANK}&k=7")
    expect(page.locator(FOUND)).to_have_count(7)
    calm(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.extended
def test_match_while_the_core_is_away(
    opened: Page, core: Service, poster: Path, allow_errors: Callable[[Page], None]
) -> None:
    allow_errors(opened)
    core.stop()
    choose(opened, poster)
    expect(opened.locator("#match-found .trouble")).to_contain_text("does not answer")
    core.start()
    choose(opened, poster)
    expect(opened.locator(FOUND)).to_have_count(5)
