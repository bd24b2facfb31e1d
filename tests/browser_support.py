"""Matinee as it runs, and Chromium looking at it: processes by the real commands, faults of a page, axe."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebSocket

from matinee.data.load import load_dataset
from matinee.engine.training import train_dataset
from matinee.posters.folder import add_folder
from matinee.posters.shelf import PosterShelf
from matinee.settings import Settings
from service_support import free_port
from tiny_models import image_model

N_POSTERS = 3000
"""Films, the most rated first, that get their poster: adding all 6,847 takes seconds more and shows nothing more."""
DESKTOP, PHONE = (1280, 900), (390, 844)
SECONDS = 15.0
"""Time that a page gets for what a test waits for."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
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
running: list[Service] = []
"""Services that should be up."""


def chromium() -> str | None:
    """The browser: MATINEE_CHROMIUM, or one on the path; None where there is none."""
    given = os.environ.get("MATINEE_CHROMIUM")
    if given:
        return given if Path(given).exists() else None
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)


def new_user() -> str:
    """The id of somebody who has rated nothing."""
    return f"visitor-{os.getpid()}-{next(_numbers)}"


# --- data and processes ----------------------------------------------------------------------------------------
def train_films(folder: Path, shared: Path) -> dict[str, str]:
    """Train on ml-latest-small with overviews and posters; returns the environment of a core that serves it.

    Without an encoder of texts, and with a small one of images: no weights are fetched, and training takes seconds.
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
    add_folder(shared / "posters", films, PosterShelf.of(settings, dataset.name))
    train_dataset(settings, dataset)
    kept = ("data_dir", "cache_dir", "data", "offline", "text_encoder", "image_encoder", "verify_on_load")
    return {f"MATINEE_{name.upper()}": str(getattr(settings, name)) for name in kept} | {
        "MATINEE_CONFIG": str(folder / "none.toml")
    }


class Service:
    """A command that serves: core, web app or studio, on a port of its own.

    Args:
        words: of the command line after `matinee`; `--port PORT` comes behind them.
        ready: path that answers 200 as soon as it can be used.
    """

    def __init__(self, words: list[str], ready: str, log: Path, environment: dict[str, str]) -> None:
        self.words, self.ready, self.log = words, ready, log
        self.environment = {**os.environ, **environment}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, at the same address as before, and wait until it can be used."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "matinee", *self.words, "--port", str(self.port)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.process.poll() is None, self.told()
            try:
                if httpx.get(self.url + self.ready, timeout=5, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.words} did not start\n{self.told()}")

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None and self.up:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    @property
    def up(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def told(self, lines: int = 40) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@contextmanager
def serving(words: list[str], ready: str, folder: Path, environment: dict[str, str]) -> Iterator[Service]:
    """A service that can be used."""
    service = Service(words, ready, folder / f"{words[0]}.log", environment)
    try:
        service.start()
        running.append(service)
        yield service
    finally:
        if service in running:
            running.remove(service)
        service.stop()


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
