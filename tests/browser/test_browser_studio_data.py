"""Data and Solution Overview of the studio in a real browser."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import Calm

PARTS = {
    "Ratings": "Ratings over time",
    "Users": "Most active users",
    "Films": "Long tail",
    "Genres and people": "Directors",
    "Cleaning": "Rows by table",
}
"""Parts of the page, and a heading of each."""


def metric(page: Page, name: str) -> str:
    return page.get_by_test_id("stMetric").filter(has_text=name).get_by_test_id("stMetricValue").inner_text().strip()


@pytest.mark.parametrize("size", ["page", "phone", "dark"])
def test_studio_data_in_every_part(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=data")
    parts = page.get_by_test_id("stButtonGroup")
    for name, heading in PARTS.items():
        parts.get_by_text(name, exact=True).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        if name != "Cleaning":
            expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        calm(page)


def test_studio_data_filters_tables_and_downloads(studio: Service, page: Page, tmp_path: Path) -> None:
    page.goto(studio.url + "/?page=data&part=films&genre=Film-Noir&from=1940&to=1949")
    expect(page.get_by_role("heading", name="Most rated films")).to_be_visible()
    films = int(metric(page, "Films with ratings"))
    assert 0 < films < 100
    box = page.get_by_role("textbox", name="Filter")
    box.fill('title ~ "maltese"')
    box.press("Enter")
    expect(page.get_by_test_id("stMetric").filter(has_text="Films with ratings")).to_contain_text("1")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download all as CSV").click()
    path = tmp_path / "all.zip"
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as bundle:
        rows = list(csv.DictReader(io.StringIO(bundle.read("top_films.csv").decode())))
    assert [row["Title"] for row in rows] == ["The Maltese Falcon (a.k.a. Dangerous Female)", "The Maltese Falcon"][1:]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").first.click()
    assert waiting.value.suggested_filename == "matinee-per-film.csv"
    page.get_by_text("Show as a table").first.click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)


def test_studio_data_shows_where_a_filter_is_wrong(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + "/?page=data")
    box = page.get_by_role("textbox", name="Filter")
    box.fill("genre = Drama and yaer > 1990")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("yaer")
    expect(page.get_by_test_id("stCode")).to_contain_text("^")
    calm(page)
    box.fill("genre = Drama and year > 1990")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.get_by_role("heading", name="Stars", exact=True)).to_be_visible()


@pytest.mark.parametrize("size", ["page", "phone", "dark"])
def test_studio_overview(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=overview")
    expect(page.get_by_role("heading", name="What it cannot do")).to_be_visible()
    assert metric(page, "Ratings") == "100,836"
    calm(page)
