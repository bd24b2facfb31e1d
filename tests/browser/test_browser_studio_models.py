"""Models and Explain of the studio in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import SCREENS, Calm
from studio_browser import drawn, enter, nothing_cut_off, pick, settled

SIDE = "/?page=models&view=side-by-side&user=42"


@pytest.mark.parametrize("size", SCREENS)
def test_studio_models_in_figures(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """What unfolds and what the address says is the same at every size: once, on a desktop."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=models")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    expect(page.get_by_text("trained without measuring")).to_be_visible()  # as all trainings of these tests
    drawn(page, 2)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        page.get_by_text("What the models are").click()
        expect(page.get_by_text("The films with the most ratings, the same")).to_be_visible()
        page.get_by_text("Show as a table").first.click()
        expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
        settled(page)
    page.get_by_text("Snapshots", exact=True).click()
    expect(page.get_by_text("No snapshot was measured.")).to_be_visible()
    expect(page).to_have_url(re.compile("view=snapshots"))
    settled(page)
    calm(page)
    nothing_cut_off(page)


@pytest.mark.parametrize("size", SCREENS)
def test_studio_two_models_side_by_side(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """On a desktop the second model is chosen, and the page loaded again; elsewhere it comes with the address, which
    ends at the same page."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + SIDE + ("" if size == "page" else "&right=edlae"))
    expect(page.locator("ol li")).to_have_count(20)
    expect(page.locator("ol li img")).to_have_count(20)
    expect(page.get_by_text("Liked most:")).to_be_visible()
    settled(page)
    if size == "page":
        pick(page, "Second model", "edlae")
    expect(page).to_have_url(re.compile("right=edlae"))
    expect(page.get_by_role("heading", name="edlae")).to_be_visible()
    expect(page.get_by_text(re.compile(r"of 10 films are in both lists"))).to_be_visible()
    expect(page.locator("ol li", has_text="in the other").first).to_be_visible()
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        page.reload()
        expect(page.get_by_text(re.compile(r"of 10 films are in both lists"))).to_be_visible()
        expect(page.get_by_role("heading", name="edlae")).to_be_visible()


def test_studio_models_of_somebody_typed_and_a_wrong_filter(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + SIDE)
    expect(page.locator("ol li")).to_have_count(20)
    settled(page)
    box = page.get_by_role("combobox", name="User")
    enter(box, "no\u202ebody")
    expect(page.get_by_text("That cannot be the id of a user.")).to_be_visible()
    settled(page)
    enter(box, "<b>nobody")
    expect(page.get_by_text("User <b>nobody has rated nothing.")).to_be_visible()
    settled(page)
    words = page.get_by_role("textbox", name="Filter")
    enter(words, "gnre = Drama")
    fault = page.get_by_test_id("stAlert")
    expect(fault.filter(has_text="Did you mean")).to_be_visible()
    settled(page)
    expect(fault).to_have_count(1)  # nothing of the page before is left beside it
    expect(page.get_by_test_id("stCode")).to_contain_text("^")
    calm(page)
    enter(words, "year < 1960")
    expect(fault.filter(has_text="Did you mean")).to_have_count(0)
    expect(page.locator("ol li")).to_have_count(20)


@pytest.mark.parametrize("size", SCREENS)
def test_studio_explains_a_film(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """Another model is chosen on a desktop only: it is the same picker and the same page at every size."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=explain&user=42&film=2959&model=ease")
    expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()
    expect(page.get_by_text("You gave it 3 stars; that rating is left out")).to_be_visible()
    expect(page.get_by_text("of similar taste have rated it")).to_be_visible()
    drawn(page, 4)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        poster = page.locator("img[src^='data:image']").first.bounding_box()
        name = page.get_by_role("heading", name="Fight Club (1999)").bounding_box()
        assert poster is not None
        assert name is not None
        assert poster["x"] + poster["width"] <= name["x"], "the poster covers the name"
        pick(page, "Model", "itemknn")
        expect(page).to_have_url(re.compile("model=itemknn"))
        expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()


@pytest.mark.extended
def test_studio_explains_what_is_recommended_and_any_film(studio: Service, page: Page) -> None:
    page.goto(studio.url + "/?page=explain&user=42")
    first = page.get_by_test_id("stMain").get_by_role("heading", level=3).first
    expect(first).to_be_visible()
    expect(page).to_have_url(re.compile("film="))
    settled(page)
    recommended = first.inner_text()
    page.get_by_text("Any film", exact=True).click()
    # The picker from all films has the same name as the one before it: what is typed into that one goes with it.
    expect(page.get_by_placeholder(re.compile(r"Type to search [\d,]+ films"))).to_be_visible()
    settled(page)
    pick(page, "Film", "Heat (1995)")
    expect(page.get_by_role("heading", name="Heat (1995)")).to_be_visible()
    assert recommended != "Heat (1995)"
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Heat (1995)")).to_have_count(0)
