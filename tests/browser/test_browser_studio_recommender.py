"""The studio's first page in a real browser: three favourites, links, steps back, a core that stops."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apps_support import Service
from browser_support import Calm

FAVOURITES = ("Toy Story (1995)", "Heat (1995)", "Emma (1996) – id 838")
LINK = "/?film=1&film=6&film=838&model=collab"


def choose(page: Page, place: int, typed: str, label: str) -> None:
    picker = page.get_by_role("combobox", name=f"{('First', 'Second', 'Third')[place]} film")
    picker.click()
    picker.press_sequentially(typed)
    page.get_by_role("option", name=label, exact=True).click()
    expect(picker).to_have_value(label)


def titles(page: Page) -> Locator:
    return page.locator("ol > li strong")


@pytest.mark.parametrize("size", ["page", "phone"])
def test_studio_three_favourites(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url)
    expect(page.get_by_role("heading", name="Enter Your Three Favorite Movies")).to_be_visible()
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text("Choose three films first")).to_be_visible()
    for place, label in enumerate(FAVOURITES):
        choose(page, place, label.split(" (")[0].lower(), label)
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text("We think you'll like:")).to_be_visible()
    expect(titles(page)).to_have_count(10)
    assert [text.split(" ")[0] for text in titles(page).all_inner_texts()] == [f"{i}." for i in range(1, 11)]
    expect(page.locator("ol > li img")).to_have_count(10)
    expect(page).to_have_url(re.compile(r"\?film=1&film=6&film=838&model=content$"))
    calm(page)
    by_content = titles(page).all_inner_texts()
    page.get_by_text("Collaborative Based Filtering", exact=True).click()
    page.get_by_role("button", name="Recommend", exact=True).click()
    expect(page.get_by_text(re.compile("Collaborative Based Filtering, for"))).to_be_visible()
    expect(titles(page).first).not_to_have_text(by_content[0])
    page.go_back()
    expect(page.get_by_text(re.compile("Content Based Filtering, for"))).to_be_visible()
    expect(titles(page).first).to_have_text(by_content[0])


def test_studio_link_restores_films_and_list(studio: Service, page: Page) -> None:
    page.goto(studio.url + LINK)
    expect(titles(page)).to_have_count(10)
    expect(page.get_by_role("combobox", name="Third film")).to_have_value(FAVOURITES[2])
    expect(page.get_by_role("radio", name="Collaborative Based Filtering")).to_be_checked()


def test_studio_pages_by_the_sidebar_and_back(studio: Service, page: Page) -> None:
    page.goto(studio.url)
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("Choose Option")).to_be_visible()
    for name in ("Solution Overview", "Data"):
        sidebar.get_by_text(name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?page=data$"))
    page.go_back()
    expect(page.get_by_role("heading", name="Solution Overview", level=1)).to_be_visible()
    expect(sidebar.get_by_role("radio", name="Solution Overview")).to_be_checked()


def test_studio_comes_back_by_itself_when_the_core_does(core: Service, studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + LINK)
    expect(titles(page)).to_have_count(10)
    core.stop()
    page.get_by_role("button", name="Recommend", exact=True).click()
    trouble = page.get_by_role("heading", name="The core service does not answer")
    expect(trouble).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    calm(page)
    core.start()
    expect(trouble).to_have_count(0)
    expect(titles(page)).to_have_count(10)


def test_studio_says_it_when_it_is_opened_while_the_core_is_away(core: Service, studio: Service, phone: Page) -> None:
    core.stop()
    phone.goto(studio.url + "/?page=overview")
    expect(phone.get_by_role("heading", name="The core service does not answer")).to_be_visible()
    core.start()
    expect(phone.get_by_role("heading", name="What answers now")).to_be_visible()
