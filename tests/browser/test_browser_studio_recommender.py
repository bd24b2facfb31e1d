"""The studio's first page in a real browser: three favourites, links, steps back, a core that stops."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apps_support import Service
from browser_support import SCREENS, Calm
from studio_browser import OPENING, nothing_cut_off, pick, settled

FAVOURITES = ("Toy Story (1995)", "Heat (1995)", "Emma (1996) – id 838")
LINK = "/?film=1&film=6&film=838&model=collab"
PICKERS = ("First film", "Second film", "Third film")


def titles(page: Page) -> Locator:
    return page.locator("ol > li strong")


def test_studio_three_favourites(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url)
    expect(page.get_by_role("heading", name="Enter Your Three Favorite Movies")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text("Choose three films first")).to_be_visible()
    settled(page)
    for picker, label in zip(PICKERS, FAVOURITES, strict=True):
        pick(page, picker, label, typed=label.split(" (")[0].lower())
        settled(page)
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text("We think you'll like:")).to_be_visible()
    expect(titles(page)).to_have_count(10)
    assert [text.split(" ")[0] for text in titles(page).all_inner_texts()] == [f"{i}." for i in range(1, 11)]
    expect(page.locator("ol > li img")).to_have_count(10)
    expect(page).to_have_url(re.compile(r"\?film=1&film=6&film=838&model=content$"))
    settled(page)
    calm(page)
    by_content = titles(page).all_inner_texts()
    page.get_by_text("Collaborative Based Filtering", exact=True).click()
    expect(page.get_by_role("radio", name="Collaborative Based Filtering")).to_be_checked()
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text(re.compile("Collaborative Based Filtering, for"))).to_be_visible()
    expect(titles(page).first).not_to_have_text(by_content[0])
    settled(page)
    page.go_back()
    expect(page.get_by_text(re.compile("Content Based Filtering, for"))).to_be_visible()
    expect(titles(page).first).to_have_text(by_content[0])


@pytest.mark.parametrize("size", SCREENS)
def test_studio_link_restores_films_and_list(
    studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm
) -> None:
    """At every size, as the page is with all that it has; the walk that leads there is the same at every size and is
    proved on a desktop. On a phone a film is chosen too: its list of options lies over the page and is touched."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + LINK)
    expect(titles(page)).to_have_count(10)
    expect(page.get_by_role("combobox", name="Third film")).to_have_value(FAVOURITES[2])
    expect(page.get_by_role("radio", name="Collaborative Based Filtering")).to_be_checked()
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "phone":
        before = titles(page).all_inner_texts()
        picker = page.get_by_role("combobox", name="Third film")
        picker.tap(timeout=1000 * OPENING)
        picker.press_sequentially("jumanji", timeout=1000 * OPENING)
        page.get_by_role("option", name="Jumanji (1995)", exact=True).tap(timeout=1000 * OPENING)
        expect(picker).to_have_value("Jumanji (1995)")
        settled(page)
        page.get_by_role("button", name="Recommend", exact=True).tap()
        expect(page.get_by_text(re.compile(r"Filtering, for .* · Jumanji \(1995\)"))).to_be_visible()
        expect(page).to_have_url(re.compile(r"\?film=1&film=6&film=2&model=collab$"))
        settled(page)
        assert titles(page).all_inner_texts() != before


@pytest.mark.extended
def test_studio_pages_by_the_sidebar_and_back(studio: Service, page: Page) -> None:
    page.goto(studio.url)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("Choose Option")).to_be_visible()
    expect(page.get_by_role("heading", name="Enter Your Three Favorite Movies")).to_be_visible()
    settled(page)
    for name in ("Solution Overview", "Data"):
        sidebar.get_by_text(name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        settled(page)
    expect(page).to_have_url(re.compile(r"\?page=data$"))
    page.go_back()
    expect(page.get_by_role("heading", name="Solution Overview", level=1)).to_be_visible()
    expect(sidebar.get_by_role("radio", name="Solution Overview")).to_be_checked()


def test_studio_comes_back_by_itself_when_the_core_does(core: Service, studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + LINK)
    expect(titles(page)).to_have_count(10)
    settled(page)
    core.stop()
    page.get_by_role("button", name="Recommend", exact=True).click()
    trouble = page.get_by_role("heading", name="The core service does not answer")
    expect(trouble).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    calm(page)
    core.start()
    expect(trouble).to_have_count(0)
    expect(titles(page)).to_have_count(10)


@pytest.mark.extended
def test_studio_says_it_when_it_is_opened_while_the_core_is_away(core: Service, studio: Service, phone: Page) -> None:
    core.stop()
    phone.goto(studio.url + "/?page=overview")
    expect(phone.get_by_role("heading", name="The core service does not answer")).to_be_visible()
    core.start()
    expect(phone.get_by_role("heading", name="What answers now")).to_be_visible()
