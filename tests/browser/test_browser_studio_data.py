"""Data and Solution Overview of the studio in a real browser."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import SCREENS, Calm
from studio_browser import enter, metric, nothing_cut_off, settled

PARTS = {
    "Ratings": "Ratings over time",
    "Users": "Most active users",
    "Films": "Long tail",
    "Genres and people": "Directors",
    "Cleaning": "Rows by table",
}
"""Parts of the page, and a heading of each."""
CHECKED = ("Films", "Cleaning")
"""Parts that have all kinds of things that the page is made of: charts, tables to fold out, tables, links to load."""


@pytest.mark.parametrize("size", SCREENS)
def test_studio_data_in_every_part(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """Every part is drawn at every size; axe looks at all of them on a desktop. Elsewhere it looks at two: colours and
    sizes are those of kinds of elements, and the two have every kind."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=data")
    parts = page.get_by_test_id("stButtonGroup")
    for name, heading in PARTS.items():
        parts.get_by_text(name, exact=True).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        settled(page)
        if name != "Cleaning":
            expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        if size == "page" or name in CHECKED:
            calm(page)
        nothing_cut_off(page)


@pytest.mark.extended
def test_studio_data_filters_tables_and_downloads(studio: Service, page: Page, tmp_path: Path) -> None:
    page.goto(studio.url + "/?page=data&part=films&genre=Film-Noir&from=1940&to=1949")
    expect(page.get_by_role("heading", name="Most rated films")).to_be_visible()
    settled(page)
    assert 1 < int(metric(page, "Films with ratings").inner_text()) < 100
    enter(page.get_by_role("textbox", name="Filter"), 'title ~ "maltese"')
    expect(metric(page, "Films with ratings")).to_have_text("1")
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download all as CSV").click()
    path = tmp_path / "all.zip"
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as bundle:
        rows = list(csv.DictReader(io.StringIO(bundle.read("top_films.csv").decode())))
    assert [row["Title"] for row in rows] == ["The Maltese Falcon"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").first.click()
    assert waiting.value.suggested_filename == "matinee-per-film.csv"
    page.get_by_text("Show as a table").first.click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)


def test_studio_data_shows_where_a_filter_is_wrong(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + "/?page=data")
    expect(page.get_by_role("heading", name="Stars", exact=True)).to_be_visible()
    settled(page)
    box = page.get_by_role("textbox", name="Filter")
    page.get_by_text("Mean stars", exact=True).first.click()
    box.fill("genre = Drama and yaer > 1990")  # while the page runs for the bars
    expect(page).to_have_url(re.compile("bars=mean"))
    settled(page)
    expect(box).to_have_value("genre = Drama and yaer > 1990")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("yaer")
    expect(page.get_by_test_id("stCode")).to_contain_text("^")
    settled(page)
    calm(page)
    enter(box, "genre = Drama and year > 1990")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.get_by_role("heading", name="Stars", exact=True)).to_be_visible()


@pytest.mark.parametrize("size", SCREENS)
def test_studio_overview(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=overview")
    expect(page.get_by_role("heading", name="What it cannot do")).to_be_visible()
    settled(page)
    assert metric(page, "Ratings").inner_text().strip() == "100,836"
    calm(page)
    nothing_cut_off(page)
