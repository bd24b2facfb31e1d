"""The moving picture of the README: first visit, five films, the list, acting on a card, search; half a minute.

    python tools/moving_picture.py [--out docs/images/matinee.webp] [--url http://localhost:7860]

Without `--url` it trains ml-latest-small in a scratch folder and starts core and web app, as
`tools/screenshots.py` does. Posters are other people's work: an app that is given must have none, so that
cards are drawn in their place.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, Page, sync_playwright
from screenshots import ROOT, SHARED, draw_cards, serving, settled, train_films

from browser_support import FLAGS, SECONDS, chromium

SIZE, BAR = (960, 600), 44
MOST_BYTES = 3_000_000
PICKS = (0, 2, 3, 5, 7)
WISHES = ("90s action with bruce willis", "a lonely robot cleans the earth")


class Film:
    """Frames with their times, a caption below each, and where the pointer is."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []
        self.caption = ""

    def shoot(self, milliseconds: int, at: Locator | None = None) -> None:
        """A frame of the page as it is; `at`: what the pointer is on."""
        settled(self.page)
        frame = Image.new("RGB", (SIZE[0], SIZE[1] + BAR), "#1c1917")
        frame.paste(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))
        draw = ImageDraw.Draw(frame, "RGBA")
        if at is not None and (box := at.bounding_box()):
            x, y = box["x"] + box["width"] / 2, box["y"] + min(box["height"] / 2, 60)
            draw.ellipse((x - 17, y - 17, x + 17, y + 17), fill=(234, 88, 12, 90), outline=(234, 88, 12, 255), width=3)
        draw.text((20, SIZE[1] + 10), self.caption, fill="#fafaf9", font=ImageFont.load_default(size=20))
        self.frames.append(frame)
        self.times.append(milliseconds)

    def press(self, target: Locator, before: int = 500) -> None:
        """A frame with the pointer on a button, then its click."""
        target.scroll_into_view_if_needed()
        self.shoot(before, target)
        target.click()

    def save(self, path: Path) -> None:
        """Write the frames, as good as the limit allows."""
        for quality in (80, 65, 50, 35):
            out = io.BytesIO()
            self.frames[0].save(
                out, "WEBP", save_all=True, append_images=self.frames[1:], duration=self.times, loop=0, quality=quality,
                method=4,
            )  # fmt: skip
            if len(out.getvalue()) <= MOST_BYTES:
                break
        path.write_bytes(out.getvalue())
        print(f"{path}: {len(self.frames)} frames, {sum(self.times) / 1000:.0f} s, {len(out.getvalue()) / 1e6:.2f} MB")


def play(film: Film, url: str) -> None:
    """From a first visit to a search."""
    page = film.page
    film.caption = "A first visit: pick five films you like, or drop your Letterboxd export"
    page.goto(url)
    films = page.locator("[data-pick]")
    films.nth(10).wait_for()
    film.shoot(2600)
    for place in PICKS:
        film.press(films.nth(place), 450)
        film.shoot(500, films.nth(place))
    film.caption = "Six clicks later: your list, in rows, with the reason for each film"
    film.press(page.locator("[data-show]"), 900)
    page.locator(".shelf .why").first.wait_for()
    page.locator(".shelf").nth(1).locator(".tile").first.wait_for()
    page.evaluate("scrollTo(0, 0)")
    film.shoot(3800)
    cards = page.locator("[data-kind=for-you] .tile")
    film.caption = "Every card acts: watchlist, seen, not interested, stars, with Undo"
    film.press(cards.nth(1).locator("[data-act=watchlist]"), 700)
    film.shoot(1700)
    film.press(cards.nth(2).locator("[data-act=not_interested]"), 700)
    film.shoot(2000)
    film.caption = "More like this: near in content, ranked by your taste"
    film.press(cards.nth(0).locator("[data-like]"), 700)
    like = page.locator(".shelf.like")
    like.locator(".tile .name").nth(4).wait_for()
    like.scroll_into_view_if_needed()
    film.shoot(3000)
    film.caption = "Search reads wishes, people and plots, and forgives typos"
    for wish in WISHES:
        page.goto(f"{url}/?tab=search")
        box = page.locator("#search-text")
        box.wait_for()
        for end in (len(wish) // 2, len(wish)):
            box.fill(wish[:end])
            film.shoot(500)
        box.press("Enter")
        page.locator(".result").nth(2).wait_for()
        film.shoot(3400)


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "matinee.webp")
    parser.add_argument("--url", help="of a web app that runs, without posters")
    options = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("There is no Chromium: apt-get install chromium-headless-shell, or set MATINEE_CHROMIUM.")
    with tempfile.TemporaryDirectory(prefix="matinee-film-") as scratch, ExitStack() as stack:
        url = options.url
        if url is None:
            films = partial(train_films, shared=SHARED, add=draw_cards)(Path(scratch))
            core = stack.enter_context(serving(["serve"], "/ready", Path(scratch), films))
            given = {"MATINEE_CORE_URL": core.url}
            url = stack.enter_context(serving(["web"], "/health", Path(scratch), given)).url
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, locale="en-GB")
        page.set_default_timeout(1000 * SECONDS)
        film = Film(page)
        play(film, url.rstrip("/"))
        film.save(options.out)
        browser.close()


if __name__ == "__main__":
    main()
