from __future__ import annotations

import os

# Threads of BLAS and Polars that wait for processors which other tests use take several times the work: a training of
# the random data set takes 2.5 to 4.5 s of processor time, with one thread 0.6 s. NumPy reads this when it is loaded,
# here and in child processes.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")

# ruff: noqa: E402
import functools
import gc
import itertools
import subprocess
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest

from matinee.data.dataset import Dataset
from support import SHARED, random_dataset

# Trainings in tests fetch no weights, in child processes neither; tests of encoders say so themselves.
os.environ.setdefault("MATINEE_TEXT_ENCODER", "off")

# Each client of httpx reads all certificates anew, for more than 20 ms; nothing here speaks TLS.
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)

# Two loaded cores make single examples slow; that is no fault.
hypothesis.settings.register_profile("matinee", deadline=None)
hypothesis.settings.load_profile("matinee")


LONG = (
    *("test_browser_tonight.py", "test_browser_foryou.py", "test_browser_studio_recommender.py"),
    *("test_browser_film.py", "test_browser_outage.py", "test_browser_studio_models.py", "test_browser_similar.py"),
    *("test_browser_shell.py", "test_browser_guard.py", "test_browser_studio_data.py", "test_browser_search.py"),
)
"""Files of tests/browser that take longest, in this order: not the number of their tests tells, but what these walk."""

BEGUN = pytest.StashKey[list[subprocess.Popen[bytes]]]()


def pytest_configure(config: pytest.Config) -> None:
    """pytest-xdist deals files out in the order below, instead of those of fewest tests last, wherever they are."""
    if getattr(config.option, "loadscopereorder", False):
        config.option.loadscopereorder = False


def pytest_sessionstart(session: pytest.Session) -> None:
    """The process that deals tests out to others begins what they share, see run_support."""
    config = session.config
    if getattr(config.option, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        from run_support import begin  # which imports much that a single test does not need

        paths = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
        config.stash[BEGUN] = begin(paths, config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if BEGUN in session.config.stash:
        from run_support import end

        end(session.config.stash[BEGUN])


@hypothesis.settings(max_examples=1, database=None)
@hypothesis.given(hypothesis.strategies.none())
def _first_example(_: None) -> None:
    """At the first one Hypothesis looks for who refers to NumPy's random numbers, and does not see what is frozen."""


def _set_aside() -> None:
    """Leave the objects that there are out of garbage collections.

    Ten thousand tests with all that they import are a million: each collection over them takes 0.6 s of processor
    time, and Streamlit begins one after each run of a page. Those during the search for tests took a third of its time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        found = yield
    finally:
        gc.enable()
    _first_example()
    _set_aside()
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of tests/browser come last, see there; of both kinds the short ones, so that processes end together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        browser, sizes = Path(__file__).parent / "browser", Counter(item.path for item in items)
        long = {name: place for place, name in enumerate(LONG)}

        def place(item: pytest.Item) -> tuple[bool, int, int, Path]:
            path = item.path
            return browser in path.parents, long.get(path.name, len(LONG)), -sizes[path], path

        items.sort(key=place)


@pytest.fixture
def own_heap() -> Iterator[None]:
    """For a test that freezes the heap itself, and leaves nothing frozen behind."""
    yield
    _set_aside()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The measuring data; tests that need it skip cleanly where it is absent."""
    if not (SHARED / "ml-100k" / "u.data").exists():
        pytest.skip(f"the measuring data is not at {SHARED} (set MATINEE_TEST_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """60 users × 40 films with two clear tastes."""
    return random_dataset()


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_ambient_settings(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Tests never see the developer's own folders.

    Nothing is made for the thousands of tests that have no files: a new `tmp_path` takes time, the more there are.
    """
    if "tmp_path" in request.fixturenames:
        folder: Path = request.getfixturevalue("tmp_path")
    else:
        folder = tmp_path_factory.getbasetemp() / "without-files" / str(next(_numbers))
    monkeypatch.setenv("MATINEE_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("MATINEE_CONFIG", str(folder / "none.toml"))
