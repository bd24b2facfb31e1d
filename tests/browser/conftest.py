"""One browser, core, web app and studio for all tests of this folder; each test has pages of its own.

`page` and `phone` start with an empty storage, and fail the test at its end if the console told an error, a script or a
request failed, or anything was asked of another machine. MATINEE_TEST_TRAINED names a folder in which the trained films
are kept between runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

import apps_support
import browser_support
from apps_support import Service, serving
from browser_support import DESKTOP, FLAGS, PHONE, SECONDS, Calm, Watch, kept_films, train_films, watches
from matinee.web.serve import without_stubs

without_stubs()  # Gradio is imported in half the time

HERE = Path(__file__).parent
UNTRACED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Services that a browser looks at run at their own speed; tests/api, tests/web and tests/studio measure coverage."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests come last: while Playwright is at work in a thread, no other event loop can run there.

    One that fails is run once more, as Chromium shares two processors with other tests; the summary counts reruns.
    """
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.shared_data)
            if item.config.pluginmanager.hasplugin("rerunfailures"):
                item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the services have logged stands beside a failure, and the page as it was in a picture."""
    report = yield
    if report.failed:
        for service in apps_support.running:
            report.sections.append((f"end of the log of `matinee {service.words[0]}`", service.told(15)))
        for name in ("page", "phone"):
            shown = getattr(item, "funcargs", {}).get(name)
            if isinstance(shown, Page) and not shown.is_closed() and report.when == "call":
                path = item.funcargs["tmp_path"] / f"{name}.png"  # type: ignore[attr-defined]
                with suppress(Error):  # a browser that has no time for it must not end the whole run
                    shown.screenshot(path=path)
                    report.sections.append((name, f"{shown.url}\n{path}"))
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    program = browser_support.chromium()
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium-headless-shell, or set MATINEE_CHROMIUM to where it is")
    with sync_playwright() as playwright:
        expect.set_options(timeout=1000 * SECONDS)
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def films(browser: Browser, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a core that has learnt from ml-latest-small with overviews and posters."""
    for name in ("ml-latest-small", "overviews", "posters"):
        if not (shared_data / name).is_dir():
            pytest.skip(f"the measuring data has no {name}")
    folder = tmp_path_factory.mktemp("films")
    train = partial(train_films, shared=shared_data)
    kept = os.environ.get("MATINEE_TEST_TRAINED")
    if kept is None and "PYTEST_XDIST_WORKER" not in os.environ:
        return train(folder)
    # Begun with the run where all of these tests are run (run_support); else the first of pytest's processes trains.
    return kept_films(Path(kept) if kept else tmp_path_factory.getbasetemp().parent / "trained", folder, train)


@pytest.fixture(scope="session")
def core(films: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The core service. A test that stops it starts it again."""
    with serving(["serve"], "/ready", tmp_path_factory.mktemp("logs"), films | UNTRACED) as service:
        yield service


@pytest.fixture(scope="session")
def web(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The web app."""
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"], **UNTRACED}
    with serving(["web"], "/health", tmp_path_factory.mktemp("logs"), environment) as service:
        yield service


@pytest.fixture(scope="session")
def studio(core: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The studio."""
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_CONFIG": core.environment["MATINEE_CONFIG"], **UNTRACED}
    with serving(["studio"], "/_stcore/health", tmp_path_factory.mktemp("logs"), environment) as service:
        yield service


@pytest.fixture(autouse=True)
def _all_up() -> Iterator[None]:
    """A test that fails while a service is stopped does not make the others fail."""
    yield
    for service in apps_support.running:
        if not service.up:
            service.start()


@contextmanager
def watched(browser: Browser, size: tuple[int, int], **options: Any) -> Iterator[Page]:
    # Movements, Streamlit's above all, are a third of a page's work; pages of a phone have them.
    given = {"locale": "en-GB", "reduced_motion": "reduce"} | options
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **given)
    watch = watches[context] = Watch(context)
    context.set_default_timeout(1000 * SECONDS)
    try:
        yield context.new_page()
        watch.check()
    finally:
        del watches[context]
        context.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a desktop's size."""
    with watched(browser, DESKTOP) as opened:
        yield opened


@pytest.fixture
def phone(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a phone's size, touched by a finger."""
    with watched(browser, PHONE, has_touch=True, is_mobile=True, reduced_motion="no-preference") as opened:
        yield opened


@pytest.fixture
def dark(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a desktop's size, of somebody who likes dark colours."""
    with watched(browser, DESKTOP, color_scheme="dark") as opened:
        yield opened


@pytest.fixture
def german(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of a desktop's size, of somebody who reads German."""
    with watched(browser, DESKTOP, locale="de-DE") as opened:
        yield opened


@pytest.fixture
def reader(browser: Browser) -> Callable[[str], AbstractContextManager[Page]]:
    """`with reader("fr") as page:` a page of a desktop's size, of somebody who reads a language."""
    return lambda language: watched(browser, DESKTOP, locale=language)


@pytest.fixture
def calm() -> Calm:
    """`calm(page)`: no serious or critical fault of accessibility."""
    return browser_support.calm


@pytest.fixture
def allow_errors() -> Callable[[Page], None]:
    """`allow_errors(page)`: errors on the console are expected, in tests of outages."""
    return browser_support.allow_errors


@pytest.fixture
def new_user() -> Callable[[], str]:
    """`new_user()`: the id of somebody who has rated nothing."""
    return browser_support.new_user
