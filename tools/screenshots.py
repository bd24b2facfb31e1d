"""Screenshots of the web app and the studio, for the documentation.

    python tools/screenshots.py [--out docs/images] [NAME …]

Trains ml-latest-small in a scratch folder, starts core, web app and studio, and looks at them with Chromium. Posters
are other people's work and may not be shown here: each film has a drawn card in place of its poster, also where posters
are searched. The script is not in docs, since `mkdocs` would publish it there, and no test: what it starts and how it
looks at pages it shares with the tests of tests/browser.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from apps_support import serving  # noqa: E402
from browser_support import FLAGS, SECONDS, chromium, kept_films, train_films  # noqa: E402
from matinee.client import Client, calls  # noqa: E402
from matinee.data.catalog import Movie  # noqa: E402
from matinee.data.load import load_dataset  # noqa: E402
from matinee.evaluation.experiment import evaluate_in_detail  # noqa: E402
from matinee.posters.cards import card  # noqa: E402
from matinee.posters.store import PosterStore  # noqa: E402
from matinee.settings import Settings  # noqa: E402
from matinee.tracking.recording import record_run  # noqa: E402
from matinee.tracking.runs import RunStore  # noqa: E402
from support import SHARED  # noqa: E402

DESKTOP, PHONE = (1200, 800), (390, 780)
N_CARDS = 1200
MOST_BYTES = 250_000
USER = "anna"
RATED = {"1": 4, "260": 5, "1214": 5, "541": 5, "1200": 4, "2571": 5, "2959": 2, "1196": 5}
"""Toy Story, Star Wars, Alien, Blade Runner, Aliens, The Matrix, Fight Club, The Empire Strikes Back."""


@dataclass(frozen=True)
class Shot:
    """A picture of a page.

    Attributes:
        path: below the address of the app.
        there: a selector; the page is shown as soon as the first such element is seen.
    """

    app: str
    path: str
    there: str
    size: tuple[int, int] = DESKTOP
    dark: bool = False


SHOTS = {
    "web-tonight": Shot("web", f"/?tab=tonight&user={USER}", ".shelf .tile"),
    "web-tonight-phone": Shot("web", f"/?tab=tonight&user={USER}", ".shelf .tile", PHONE, dark=True),
    "web-first-visit": Shot("web", "/?tab=tonight&user=guest-0123456789abcdef", "[data-pick]"),
    "web-for-you": Shot("web", f"/?tab=for-you&user={USER}", "#picks .why"),
    "web-for-you-phone": Shot("web", f"/?tab=for-you&user={USER}", "#picks .why", PHONE),
    "web-match": Shot("web", "/?tab=match&film=541", "[role=tabpanel]:visible img.poster"),
    "web-map": Shot("web", "/?tab=similar&title=Blade%20Runner&view=map", "canvas:visible, .js-plotly-plot:visible"),
    "web-similar": Shot("web", "/?tab=similar&title=Blade%20Runner", "[role=tabpanel]:visible img.poster"),
    "web-favourites": Shot(
        "web", "/?tab=favourites&model=content&film1=1&film2=260&film3=541", "[role=tabpanel]:visible img.poster"
    ),
    "web-search": Shot("web", "/?tab=search&q=starr%20warrs", "[role=tabpanel]:visible img.poster"),
    "web-film-dark": Shot("web", "/?tab=film&film=541", "[role=tabpanel]:visible img.poster", dark=True),
    "studio-recommender": Shot("studio", "/?film=1&film=260&film=541&model=content", "ol li img"),
    "studio-data": Shot("studio", "/?page=data", ".js-plotly-plot:visible, [data-testid=stDataFrame]:visible"),
    "studio-models": Shot("studio", "/?page=models", ".js-plotly-plot:visible, [data-testid=stDataFrame]:visible"),
    "studio-before-after": Shot(
        "studio", "/?page=before-after&user=42&user=1&model=blend&adventurous-after=0.8", "ol li img", (1200, 1300)
    ),
    "studio-runs": Shot("studio", "/?page=runs", ".js-plotly-plot:visible", (1200, 1000)),
    "studio-explain": Shot("studio", "/?page=explain&user=42&film=541", ".js-plotly-plot:visible"),
    "studio-map": Shot("studio", "/?page=map", ".js-plotly-plot:visible"),
}


def draw_cards(films: list[Movie], shelf: PosterStore) -> None:
    """A drawn card as the poster of each film."""
    for film in films[:N_CARDS]:
        shelf.put(film.movie_id, card(film.title, film.year, film.genres), durable=False)


def keep_run(films: dict[str, str]) -> None:
    """An evaluation for the studio's page of runs."""
    settings = Settings(data_dir=Path(films["MATINEE_DATA_DIR"]), offline=True, text_encoder="off")
    data = load_dataset(str(SHARED / "ml-latest-small"), settings)
    found = evaluate_in_detail(
        "holdout", ["popular", "itemknn", "ease", "content", "stars"], data=data, settings=settings
    )
    record_run(RunStore(settings.runs_dir), "evaluate", found, memory_limit=settings.memory_limit)


def small(picture: bytes) -> bytes:
    """The picture in as many colours as fit into the limit."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    data = picture
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
        data = out.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return data


def settled(page: Page) -> None:
    """Until all pictures in sight have come, and nothing moves."""
    page.wait_for_function("""() => [...document.images].every((one) => {
        const place = one.getBoundingClientRect();
        return one.complete || !one.checkVisibility() || place.top > innerHeight || place.left > innerWidth;
    })""")
    page.wait_for_function("() => document.getAnimations().every((one) => one.playState !== 'running')")
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)


def main() -> None:
    """Take the screenshots that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHOTS)}; default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--kept", type=Path, help="folder in which the trained films are kept for the next time")
    options = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("There is no Chromium: apt-get install chromium-headless-shell, or set MATINEE_CHROMIUM.")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="matinee-shots-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        print("training …", flush=True)
        train = partial(train_films, shared=SHARED, add=draw_cards, measure=True)
        films = kept_films(options.kept, folder, train) if options.kept else train(folder)
        core = stack.enter_context(serving(["serve"], "/ready", folder, films))
        with Client(core.url) as client:
            for movie_id, stars in RATED.items():
                client.send(calls.rate(USER, movie_id, float(stars)))
        keep_run(films)
        given = {"MATINEE_CORE_URL": core.url}
        urls = {
            "web": stack.enter_context(serving(["web"], "/health", folder, given)).url,
            "studio": stack.enter_context(serving(["studio"], "/_stcore/health", folder, given)).url,
        }
        playwright = stack.enter_context(sync_playwright())
        expect.set_options(timeout=1000 * SECONDS)
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        stack.callback(browser.close)
        missed = []
        for name in options.names or SHOTS:
            shot = SHOTS[name]
            context = browser.new_context(
                viewport={"width": shot.size[0], "height": shot.size[1]},
                color_scheme="dark" if shot.dark else "light",
                locale="en-GB",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(urls[shot.app] + shot.path)
            try:
                page.locator(shot.there).first.wait_for(timeout=1000 * 2 * SECONDS)
                settled(page)
            except (Error, AssertionError) as error:  # the picture that there is stays
                print(f"{name}: {error}", flush=True)
                missed.append(name)
                context.close()
                continue
            picture = small(page.screenshot())
            (options.out / f"{name}.png").write_bytes(picture)
            print(f"{name:<24}{len(picture) / 1000:>8.0f} kB", flush=True)
            context.close()
    if missed:
        raise SystemExit(f"Not taken: {', '.join(missed)}.")


if __name__ == "__main__":
    main()
