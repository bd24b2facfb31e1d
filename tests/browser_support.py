"""Matinee as it runs, and Chromium looking at it: processes by the real commands, faults of a page, axe."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, WebSocket

from apps_support import environment_of
from matinee._util.atomic_files import locked
from matinee.data.catalog import Movie
from matinee.data.load import load_dataset
from matinee.errors import MatineeError
from matinee.posters.folder import add_folder
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from tiny_models import image_model

N_POSTERS = 3000
"""Films, the most rated first, that get their poster: adding all 6,847 takes seconds more and shows nothing more."""
DESKTOP, PHONE = (1280, 900), (390, 844)
SCREENS = ("page", *(pytest.param(screen, marks=pytest.mark.extended) for screen in ("phone", "dark")))
"""Fixtures of a page, for tests that any of them passes."""
SECONDS = 45.0
"""Time that a page gets for what a test waits for: more than it takes where many processes share two cores."""
CHROMIUM = (
    "chromium-headless-shell",  # the same pages without a browser's own windows, for half the work
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
GRAVE = ("serious", "critical")
_numbers = itertools.count(1)


def chromium() -> str | None:
    """The browser: MATINEE_CHROMIUM, or one on the path; None where there is none."""
    given = os.environ.get("MATINEE_CHROMIUM")
    if given:
        return given if Path(given).exists() else None
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


def new_user() -> str:
    """The id of somebody who has rated nothing."""
    return f"visitor-{os.getpid()}-{next(_numbers)}"


# --- data  ----------------------------------------------------------------------------------------
Add = Callable[[list[Movie], PosterStore], object]


def train_films(folder: Path, shared: Path, add: Add | None = None, measure: bool = False) -> dict[str, str]:
    """Train on ml-latest-small with overviews and posters; returns the environment of a core that serves it.

    Without an encoder of texts, and with a small one of images: no weights are fetched, and training takes seconds.

    Args:
        add: puts posters of the most rated films on the shelf; None: those of the measuring data.
        measure: also measure the models, which fits them twice.
    """
    data = folder / "ml-latest-small"
    data.mkdir()
    for path in [*(shared / "ml-latest-small").iterdir(), shared / "overviews" / "overviews.csv"]:
        (data / path.name).symlink_to(path)
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        data=str(data),
        offline=True,
        text_encoder="off",
        image_encoder=str(image_model(folder / "image.onnx")),
        verify_on_load="size",
    )
    dataset = load_dataset(str(data), settings)
    most_rated = (-dataset.ratings.counts).argsort(kind="stable")[:N_POSTERS]
    films = [dataset.catalog.movie(int(row)) for row in most_rated]
    shelf = PosterStore.of(settings, dataset.name)
    if add is None:
        add_folder(shared / "posters", films, shelf)
    else:
        add(films, shelf)
    train_dataset(settings, dataset, measure=measure)
    return environment_of(settings, folder)


def keep_films(kept: Path, train: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    """The environment that `train` gives; it trains in `kept`, unless another process or run has done so."""
    done = kept / "environment.json"
    with locked(kept.with_suffix(".lock"), 300, MatineeError("Another process is still training for these tests.")):
        if not done.exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            done.write_text(json.dumps(train(kept)), encoding="utf-8")
    environment: dict[str, str] = json.loads(done.read_text(encoding="utf-8"))
    return environment


def kept_films(kept: Path, folder: Path, train: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    """The environment that `train` gives, with a copy of what was trained in `kept`."""
    environment = keep_films(kept, train)
    shutil.copytree(kept / "data", folder / "data", copy_function=os.link)
    return environment | {"MATINEE_DATA_DIR": str(folder / "data")}


# --- pages -----------------------------------------------------------------------------------------------------
class Watch:
    """What goes wrong on the pages of a browser context: errors told on the console, errors of scripts, requests that
    fail or that go to another machine.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        self.strangers: list[str] = []
        self.errors_allowed = False
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"error of a script: {error.error}"))
        context.on("request", lambda request: self._address(request.url))
        context.on("requestfailed", self._failed)
        context.on("page", lambda page: page.on("websocket", self._socket))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left, or an image replaced, while it was loading
            self.faults.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _socket(self, socket: WebSocket) -> None:
        self._address(socket.url)

    def _address(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.strangers.append(url)

    def check(self) -> None:
        """Raises:
        AssertionError: something went wrong that the test has not allowed.
        """
        assert not self.strangers, f"requests to other machines: {self.strangers}"
        assert self.errors_allowed or not self.faults, "\n".join(self.faults)


# `painted` is called when what follows from the click has been put into the document; the next frame shows it.
_CLICK = """(button, watched) => new Promise((done) => {
  const start = performance.now();
  const painted = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
  if (watched.startsWith("matinee:")) addEventListener(watched, painted, { once: true });
  else {
    const [shown, before] = [document.querySelector(watched), document.querySelector(watched).textContent];
    const watch = new MutationObserver(() => {
      if (shown.textContent === before) return;
      watch.disconnect();
      painted();
    });
    watch.observe(shown, { childList: true, subtree: true, characterData: true });
  }
  button.click();
})"""


def redrawn_in(button: Locator, watched: str) -> float:
    """Milliseconds from a click to the frame that shows what follows from it.

    Args:
        watched: a selector of an element whose text the answer changes, or an event that the app tells then.
    """
    return float(button.evaluate(_CLICK, watched))


def rated_in(page: Page, place: int, stars: int) -> float:
    """Milliseconds from a click on a star of the film at a place of the wall to the new list on the screen.

    The app says `matinee:rated` when the answer is drawn: the ratings, and in the same moment the list.
    """
    button = page.locator("#wall li").nth(place).locator(f"button.star[data-stars='{stars}']")
    return redrawn_in(button, "matinee:rated")


def listed(page: Page) -> list[str]:
    """Ids of the films in the list."""
    found: list[str] = page.locator("#picks li").evaluate_all("(all) => all.map((one) => one.dataset.movie)")
    return found


watches: dict[BrowserContext, Watch] = {}


def allow_errors(page: Page) -> None:
    """Let a page tell errors, in tests of outages: Chromium itself tells the console of each request that fails."""
    watches[page.context].errors_allowed = True


def faults(page: Page) -> list[str]:
    """What went wrong on a page so far."""
    return watches[page.context].faults


def calm(page: Page) -> None:
    """No serious or critical fault of accessibility, by axe-core.

    Raises:
        AssertionError: with the rules, what they ask for, and the elements.
    """
    from axe_playwright_python.sync_playwright import Axe

    response: dict[str, Any] = Axe().run(page).response
    found = [violation for violation in response["violations"] if violation["impact"] in GRAVE]
    told = [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n"
        + "\n".join(f"    {node['html'][:200]}\n      {_why(node)}" for node in violation["nodes"][:5])
        for violation in found
    ]
    assert not found, f"{len(found)} faults of accessibility at {page.url}\n" + "\n".join(told)


def _why(node: dict[str, Any]) -> str:
    return " ".join(check["message"] for kind in ("any", "all", "none") for check in node.get(kind, ()))[:300]


Calm = Callable[[Page], None]
