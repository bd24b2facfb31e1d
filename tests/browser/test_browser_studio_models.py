"""Models and Explain of the studio in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import Calm

SIDE = "/?page=models&view=side-by-side&user=42"


def drawn(page: Page, number: int) -> None:
    """Wait until so many charts are drawn."""
    expect(page.locator(".stPlotlyChart:has(.main-svg)")).to_have_count(number)


def pick(page: Page, name: str, text: str) -> None:
    page.get_by_role("combobox", name=name, exact=True).fill(text)
    page.get_by_role("option", name=text).first.click()


@pytest.mark.parametrize("size", ["page", "phone", "dark"])
def test_studio_models_in_figures(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=models")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    expect(page.get_by_text("trained without measuring")).to_be_visible()  # as all trainings of these tests
    drawn(page, 2)
    calm(page)
    page.get_by_text("What the models are").click()
    expect(page.get_by_text("The chart by weighted mean")).to_be_visible()
    page.get_by_text("Show as a table").first.click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
    page.get_by_text("Snapshots", exact=True).click()
    expect(page.get_by_text("No snapshot was measured.")).to_be_visible()
    expect(page).to_have_url(re.compile("view=snapshots"))
    calm(page)


@pytest.mark.parametrize("size", ["page", "phone", "dark"])
def test_studio_two_models_side_by_side(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + SIDE)
    expect(page.locator("ol li")).to_have_count(20)
    expect(page.locator("ol li img")).to_have_count(20)
    expect(page.get_by_text("Liked most:")).to_be_visible()
    pick(page, "Second model", "edlae")
    expect(page).to_have_url(re.compile("right=edlae"))
    expect(page.get_by_text(re.compile(r"of 10 films are in both lists"))).to_be_visible()
    expect(page.locator("ol li", has_text="in the other").first).to_be_visible()
    calm(page)
    page.reload()
    expect(page.get_by_text(re.compile(r"of 10 films are in both lists"))).to_be_visible()
    expect(page.get_by_role("heading", name="edlae")).to_be_visible()


def test_studio_models_of_somebody_typed_and_a_wrong_filter(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + SIDE)
    expect(page.locator("ol li")).to_have_count(20)
    box = page.get_by_role("combobox", name="User")
    box.click()
    box.fill("<b>nobody</b>")
    box.press("Enter")
    expect(page.get_by_text("That cannot be the id of a user.")).to_be_visible()
    box.click()
    box.fill("<b>nobody")
    box.press("Enter")
    expect(page.get_by_text("User <b>nobody has rated nothing.")).to_be_visible()
    words = page.get_by_role("textbox", name="Filter")
    words.fill("gnre = Drama")
    words.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("Did you mean")
    expect(page.get_by_test_id("stCode")).to_contain_text("^")
    calm(page)
    words.fill("year < 1960")
    words.press("Enter")
    expect(page.get_by_test_id("stAlert").filter(has_text="Did you mean")).to_have_count(0)
    expect(page.locator("ol li")).to_have_count(20)


@pytest.mark.parametrize("size", ["page", "phone", "dark"])
def test_studio_explains_a_film(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=explain&user=42&film=2959&model=ease")
    expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()
    expect(page.get_by_text("You gave it 3 stars; that rating is left out")).to_be_visible()
    expect(page.get_by_text("of similar taste have rated it")).to_be_visible()
    drawn(page, 4)
    calm(page)
    pick(page, "Model", "itemknn")
    expect(page).to_have_url(re.compile("model=itemknn"))
    expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()


def test_studio_explains_what_is_recommended_and_any_film(studio: Service, page: Page) -> None:
    page.goto(studio.url + "/?page=explain&user=42")
    first = page.get_by_test_id("stMain").get_by_role("heading", level=3).first
    expect(first).to_be_visible()
    recommended = first.inner_text()
    page.get_by_text("Any film", exact=True).click()
    pick(page, "Film", "Heat (1995)")
    expect(page.get_by_role("heading", name="Heat (1995)")).to_be_visible()
    assert recommended != "Heat (1995)"
    page.go_back()
    expect(page.get_by_role("heading", name="Heat (1995)")).to_have_count(0)
