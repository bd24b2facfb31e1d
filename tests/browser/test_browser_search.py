"""The search page in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from apps_support import Service
from browser_support import Calm

TEXT = "slow-burn heist in the rain"


def visit(page: Page, web: Service, query: str = "") -> Locator:
    """The box of the search page at an address."""
    page.goto(f"{web.url}/?tab=search{query}")
    return page.get_by_label("What are you looking for?")


def results(page: Page) -> Locator:
    return page.locator("#search-results .result")


def no_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


def test_what_a_film_is_about(web: Service, page: Page, phone: Page, calm: Calm) -> None:
    for each in (page, phone):
        box = visit(each, web)
        expect(each.get_by_role("link", name=TEXT)).to_be_visible()
        calm(each)
        box.fill(TEXT)
        box.press("Enter")
        expect(each.locator("#search-results h2")).to_contain_text(f"films for “{TEXT}”")
        expect(results(each)).to_have_count(12)
        expect(results(each).first.locator(".how")).to_contain_text(re.compile(r"\w+"))
        each.wait_for_function("document.querySelector('.result img').naturalWidth > 0")
        no_sideways(each)
        calm(each)


def test_titles_with_typing_errors(web: Service, page: Page) -> None:
    box = visit(page, web)
    box.fill("starr warrs")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(results(page).first).to_contain_text("Star Wars: Episode IV - A New Hope (1977)")
    expect(results(page).first).to_contain_text("spelt 90 % alike")
    expect(page).to_have_url(re.compile(r"tab=search&q=starr\+warrs$"))
    results(page).first.get_by_role("link").click()
    expect(page.locator("#film h2").first).to_contain_text("Star Wars")
    page.go_back()
    expect(box).to_have_value("starr warrs")
    expect(results(page).first).to_contain_text("Star Wars")


def test_options_and_their_address(web: Service, page: Page) -> None:
    box = visit(page, web)
    box.fill("heat")
    page.get_by_text("Advanced").click()
    page.get_by_label("Only films where").fill("year >= 1990")
    page.get_by_label("Only films where").press("Enter")
    expect(page.locator("#search-results h2")).to_contain_text("where year >= 1990")
    page.get_by_label("Title", exact=True).check()
    expect(page).to_have_url(re.compile(r"q=heat&by=title&filter=year"))
    expect(results(page).first).to_contain_text("Heat (1995)")
    expect(page.locator("#search-results .waiting")).to_have_count(0)
    first = results(page).all_inner_texts()
    page.reload()
    expect(results(page).first).to_contain_text("Heat (1995)")
    assert results(page).all_inner_texts() == first
    expect(page.get_by_label("Title", exact=True)).to_be_checked()
    expect(page.get_by_label("Only films where")).to_have_value("year >= 1990")


def test_examples_are_links(web: Service, page: Page) -> None:
    visit(page, web)
    page.get_by_role("link", name="starr warrs").click()
    expect(results(page).first).to_contain_text("Star Wars")
    expect(page.get_by_label("What are you looking for?")).to_have_value("starr warrs")


def test_a_faulty_filter_is_shown_where_it_is_at_fault(web: Service, page: Page, calm: Calm) -> None:
    visit(page, web, "&q=heat&filter=yeer > 3")
    alert = page.locator("#search-results").get_by_role("alert")
    expect(alert).to_contain_text("This filter cannot be read.")
    expect(alert).to_contain_text("Did you mean")
    calm(page)
    page.get_by_label("Only films where").fill("year > 3")
    page.get_by_label("Only films where").press("Enter")
    expect(results(page).first).to_contain_text("Heat")


def test_any_text(web: Service, page: Page) -> None:
    box = visit(page, web)
    found = page.locator("#search-results")
    for text, answer in (
        ("x" * 10_000, "This text has 10,000 characters; at most 500 can be searched for."),
        ("🎬😀👽", "Nothing comes near “🎬😀👽”."),
        ("<b>${1}</b>{{x}}", "for “<b>${1}</b>{{x}}”"),
        ("   ", "For instance:"),
    ):
        box.fill(text)
        box.press("Enter")
        expect(found).to_contain_text(answer)
    visit(page, web, "&q=alien&by=smell&n=abc")
    expect(results(page)).to_have_count(12)


@pytest.mark.extended
def test_the_core_stops_and_comes_back_while_one_searches(
    web: Service, core: Service, page: Page, allow_errors: Callable[[Page], None]
) -> None:
    allow_errors(page)
    box = visit(page, web)
    core.stop()
    box.fill("alien")
    box.press("Enter")
    alert = page.locator("#search-results").get_by_role("alert")
    expect(alert).to_contain_text("does not answer")
    core.start()
    alert.get_by_role("button", name="Try again").click()
    expect(results(page).first).to_contain_text("Alien")


@pytest.mark.extended
def test_search_in_dark_colours(web: Service, dark: Page, calm: Calm) -> None:
    visit(dark, web, "&q=alien")
    expect(results(dark).first).to_be_visible()
    calm(dark)
