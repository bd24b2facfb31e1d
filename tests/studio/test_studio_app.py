"""The studio as a whole: pages by address, trouble and recovery, text of others, the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from apps_support import Service, serving
from matinee.studio import navigation
from matinee.studio.pickers import catalog_of
from matinee.studio.style import plain
from studio_support import HOSTILE, open_app, texts_of
from web_server import serve

TITLES = {
    "recommender": "Movie Recommender Engine",
    "overview": "Solution Overview",
    "data": "Data",
    "map": "Map",
    "before-after": "Before and after",
    "explain": "Explain",
    "models": "Models",
    "runs": "Runs",
    "experiments": "Experiments",
}


@pytest.mark.usefixtures("asked_core")
@pytest.mark.parametrize("page", TITLES)
def test_studio_each_page_has_an_address(page: str) -> None:
    app = open_app(page=page)
    assert not app.exception
    assert [title.value for title in app.title] == [TITLES[page]]
    assert [radio.value for radio in app.sidebar.radio if radio.value] == [page]
    for frame in (*app.dataframe, *app.table):
        cells = {str(cell) for column in frame.value for cell in frame.value[column] if isinstance(cell, str)}
        assert not cells & {"None", "nan", "<NA>", ""}, page


def test_studio_pages_stand_in_sections() -> None:
    assert list(navigation.PAGES) == list(TITLES)
    assert [entry.title for entry in navigation.SECTIONS["Choose Option"]] == [
        "Recommender System",
        "Solution Overview",
    ]


@pytest.mark.usefixtures("asked_core")
def test_studio_unknown_page_is_the_first() -> None:
    app = open_app(page=HOSTILE)
    assert app.title[0].value == TITLES["recommender"]
    assert not app.exception


@pytest.mark.usefixtures("asked_core")
def test_studio_another_page_starts_with_an_empty_address() -> None:
    app = open_app(page="data", filter="year = 1995")
    app.sidebar.radio[0].set_value("overview").run()
    assert app.query_params == {"page": "overview"}
    assert [radio.value for radio in app.sidebar.radio if radio.value] == ["overview"]
    app.sidebar.radio[0].set_value("recommender").run()
    assert app.query_params == {}


@pytest.mark.parametrize(
    "pages", [["recommender", "runs"], pytest.param(list(TITLES), marks=pytest.mark.extended)], ids=len
)
def test_studio_stopped_core_is_said_and_pages_come_back(asked_core: Service, pages: list[str]) -> None:
    apps = {page: open_app(page=page) for page in pages}
    asked_core.stop()
    try:
        for app in apps.values():
            app.run()
            assert not app.exception
            assert "The core service does not answer" in texts_of(app)
            assert "matinee serve" in texts_of(app)
            app.button(key="try-again").click().run()
            assert "The core service does not answer" in texts_of(app)
    finally:
        asked_core.start()
    for page, app in apps.items():
        app.button(key="try-again").click().run()
        assert not app.exception
        assert "does not answer" not in texts_of(app)
        assert app.title[0].value == TITLES[page]


def test_studio_another_program_in_place_of_the_core_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "2")
        request.end_headers()
        request.wfile.write(b"[]")

    with serve(answer) as url:
        monkeypatch.setenv("MATINEE_CORE_URL", url)
        app = open_app()
    assert not app.exception
    assert plain(f"The service at {url} is not a core service.") in texts_of(app)


@pytest.mark.usefixtures("asked_core")
def test_studio_overview_tells_what_answers() -> None:
    app = open_app(page="overview")
    assert {metric.label: metric.value for metric in app.metric}["Users"] == "60"
    models = app.table[0].value
    assert plain("blend (default)") in list(models["Model"])
    assert all(float(value.replace("\\", "")) >= 0 for value in models["nDCG@10"])
    assert "–" in list(models["RMSE"])
    said = texts_of(app)
    for words in ("Content Based Filtering", "Collaborative Based Filtering", "What it cannot do", "nDCG@10"):
        assert words in said


def test_studio_plain_leaves_no_markdown() -> None:
    assert plain("$a$ :red[b]\n*c*") == r"\$a\$ \:red\[b\] \*c\*"
    assert ":smile:" not in plain(":smile:").replace("\\", "")
    assert plain(None) == "None"
    assert plain("Amélie – 名前") == "Amélie – 名前"


def test_studio_labels_stand_for_one_film_each() -> None:
    table = {
        "movie_ids": ["1", "2", "3", "4"],
        "titles": ["Emma", "Emma", "emma", "L" * 500 + "\n"],
        "years": [1996, 1996, None, 2000],
    }
    found = catalog_of(table)
    assert found.labels == ["emma", "Emma (1996) – id 1", "Emma (1996) – id 2", "L" * 119 + "…"]
    assert [found.ids[text] for text in found.labels] == ["3", "1", "2", "4"]
    assert all(found.ids[text] == key for key, text in found.by_id.items())


@pytest.mark.parametrize("sig", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.extended)])
def test_studio_process_serves_and_ends(odd_core: Service, tmp_path: Path, sig: signal.Signals) -> None:
    environment = {"MATINEE_CORE_URL": odd_core.url, "HOME": str(tmp_path / "home")}
    with serving(["studio"], "/_stcore/health", tmp_path, environment) as studio:
        assert httpx.get(studio.url + "/?page=data").status_code == 200
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        upgrade |= {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "origin": "http://[::1"}
        assert httpx.get(studio.url + "/_stcore/stream", headers=upgrade).status_code == 403
        assert studio.process is not None
        studio.process.send_signal(sig)
        assert studio.process.wait(90) == 0
        assert "Traceback" not in studio.told()
    assert not (tmp_path / "home").exists()


def test_studio_taken_port_is_said(odd_core: Service) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "matinee", "studio", "--port", str(odd_core.port)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert str(odd_core.port) in done.stderr
