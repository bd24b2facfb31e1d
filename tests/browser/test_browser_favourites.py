"""Three favourites in a browser (CONTRACTS B2)."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from apps_support import Service
from browser_support import Calm

ORDINALS = ("First", "Second", "Third")
THREE = (("toy stor", "Toy Story (1995)"), ("alien", "Alien (1979)"), ("heat", "Heat (1995)"))


def box_of(page: Page, place: int) -> Locator:
    return page.get_by_role("combobox", name=f"{ORDINALS[place]} favourite")


def choose(page: Page, place: int, text: str, title: str) -> None:
    """Type into a box and choose by the keyboard."""
    box = box_of(page, place)
    box.fill(text)
    expect(page.locator(f"#favourite-{place + 1} [role=option]").first).to_contain_text(title.split(" (")[0])
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value(title)


def recommend(page: Page) -> None:
    page.get_by_role("button", name="Recommend").click()


def items(page: Page) -> Locator:
    return page.locator("#favourites ol .name")


def visit(page: Page, web: Service, query: str = "") -> None:
    page.goto(f"{web.url}/?tab=favourites{query}")
    expect(page.get_by_role("heading", name="Enter Your Three Favorite Movies")).to_be_visible()


def no_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


def test_three_favourites_lead_to_ten_films(web: Service, core: Service, page: Page, phone: Page, calm: Calm) -> None:
    for each in (page, phone):
        visit(each, web)
        expect(each.get_by_label("Content Based Filtering")).to_be_checked()
        calm(each)
        for place, (text, title) in enumerate(THREE):
            choose(each, place, text, title)
        for label, model in (("Content Based Filtering", "content"), ("Collaborative Based Filtering", "collab")):
            each.get_by_label(label).check()
            recommend(each)
            expect(each).to_have_url(re.compile(rf"model={model}&film1=1&film2=1214&film3=6$"))
            body = {"movies": [title for _, title in THREE], "model": model, "top_n": 10}
            answer = httpx.post(f"{core.url}/favourites", json=body, trust_env=False, timeout=30).json()
            expect(items(each)).to_have_text([f"{rank}. {title}" for rank, title in enumerate(answer["titles"], 1)])
        expect(each.get_by_role("heading", name="We think you'll like:")).to_be_visible()
        no_sideways(each)
        calm(each)


def test_a_link_to_the_list_restores_it(web: Service, page: Page) -> None:
    visit(page, web, "&model=collab&film1=1&film2=1214&film3=6")
    expect(items(page)).to_have_count(10)
    for place, (_, title) in enumerate(THREE):
        expect(box_of(page, place)).to_have_value(title)
    expect(page.get_by_label("Collaborative Based Filtering")).to_be_checked()
    first = items(page).all_inner_texts()
    page.locator("#favourites ol").get_by_role("link").first.click()
    expect(page.locator("#film h2").first).to_have_text(first[0].removeprefix("1. "))
    page.go_back()
    expect(items(page)).to_have_text(first)


def test_fewer_the_same_twice_and_a_text_that_is_no_film(web: Service, page: Page, calm: Calm) -> None:
    visit(page, web)
    recommend(page)
    alert = page.locator("#favourites").get_by_role("alert")
    expect(alert).to_contain_text("There is no favourite film yet.")
    choose(page, 0, "alien", "Alien (1979)")
    box_of(page, 1).fill("starr warrs")
    box_of(page, 2).fill("🎬😀👽")
    recommend(page)
    notes = page.locator("#favourites .notes")
    expect(notes).to_contain_text("“starr warrs” was taken for Star Wars: Episode IV")
    expect(notes).to_contain_text("No title comes near “🎬😀👽”")
    expect(notes).to_contain_text("one more makes the list better")
    expect(items(page)).to_have_count(10)
    calm(page)
    for place in (1, 2):
        choose(page, place, "alien", "Alien (1979)")
    recommend(page)
    expect(notes).to_have_count(0)
    expect(items(page)).to_have_count(10)


def test_a_film_that_nobody_has_rated_counts_by_its_content(web: Service, page: Page) -> None:
    visit(page, web, "&model=collab&film1=1&film2=1214&film3=5721")  # The Chosen
    expect(page.locator("#favourites .notes")).to_contain_text("Nobody has rated The Chosen (1981) yet")
    expect(items(page)).to_have_count(10)


@pytest.mark.extended
def test_any_text_in_the_boxes(web: Service, page: Page) -> None:
    visit(page, web, "&film1=nothing&film2=<b>x</b>&model=astrology")
    expect(page.locator("#favourites").get_by_role("alert")).to_contain_text("no film with the id “<b>x</b>”")
    for place, text in enumerate(("x" * 10_000, "<b>${1}</b>{{x}}", "🎬")):
        box_of(page, place).fill(text)
    recommend(page)
    expect(page.locator("#favourites").get_by_role("alert")).to_contain_text("No title comes near “<b>${1}</b>{{x}}”")


@pytest.mark.extended
def test_the_core_stops_and_comes_back_while_one_chooses(
    web: Service, core: Service, page: Page, allow_errors: Callable[[Page], None]
) -> None:
    allow_errors(page)
    visit(page, web)
    choose(page, 0, "alien", "Alien (1979)")
    core.stop()
    recommend(page)
    expect(page.locator("#favourites").get_by_role("alert")).to_contain_text("does not answer")
    expect(box_of(page, 0)).to_have_value("Alien (1979)")
    core.start()
    recommend(page)
    expect(items(page)).to_have_count(10)


def test_favourites_in_dark_colours(web: Service, dark: Page, calm: Calm) -> None:
    visit(dark, web, "&film1=1&film2=1214&film3=6")
    expect(items(dark)).to_have_count(10)
    calm(dark)
