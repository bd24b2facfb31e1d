"""The frame in a real browser: tabs, addresses, Back and Forward, hostile addresses, light and dark."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from apps_support import Service
from browser_support import Calm
from matinee.web.pages import CLASSIC, PAGES

WHOLE = 0.95
"""Of an element's area that is in the window: widths are fractions of pixels, scrolling goes by whole ones."""


def chosen(page: Page) -> str:
    return page.get_by_role("tab", selected=True).inner_text()


@pytest.mark.parametrize("kind", [pytest.param("page", marks=pytest.mark.extended), "phone"])
def test_every_tab_has_its_address(request: pytest.FixtureRequest, kind: str, web: Service, calm: Calm) -> None:
    page: Page = request.getfixturevalue(kind)
    for tab, (label, _) in PAGES.items():
        page.goto(f"{web.url}/?tab={tab}")
        expect(page.locator(f"#page-{tab}")).to_be_visible()
        expect(page).to_have_title(re.compile("Matinee$"))
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{label} scrolls sideways"


def test_tabs_by_hand_and_back(web: Service, page: Page, calm: Calm) -> None:
    page.goto(web.url)
    page.locator("#tonight [data-pick]").first.wait_for()
    home = page.url
    page.get_by_role("tab", name="Search").click()
    page.wait_for_url(re.compile("tab=search"))
    expect(page).to_have_title("Search – Matinee")
    page.get_by_role("tab", name="Film").click()
    page.wait_for_url(re.compile("tab=film"))
    page.go_back()
    page.wait_for_url(re.compile("tab=search"))
    expect(page.get_by_role("tab", selected=True)).to_have_text("Search")
    page.go_back()
    page.wait_for_url(home)
    expect(page.get_by_role("tab", selected=True)).to_have_text("Tonight")
    expect(page.locator("#tonight [data-pick]").first).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Search")
    page.get_by_role("link", name="Matinee").click()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Tonight")


def test_classic_screens_are_behind_one_tab(web: Service, page: Page, calm: Calm) -> None:
    labels = [label for name, (label, _) in PAGES.items() if name not in CLASSIC]
    page.goto(f"{web.url}/?tab=search")
    page.locator(".examples").wait_for()
    expect(page.get_by_role("tab")).to_have_text(labels)
    page.get_by_role("tab", name="Classic").click()
    expect(page.locator("#classic a")).to_have_count(len(CLASSIC))
    expect(page.get_by_role("tab")).to_have_text([label for label, _ in PAGES.values()])
    calm(page)
    page.get_by_role("tab", name="Three favourites").click()
    page.wait_for_url(re.compile("tab=favourites"))
    expect(page.locator("#page-favourites")).to_be_visible()
    page.get_by_role("tab", name="Search").click()
    expect(page.get_by_role("tab")).to_have_text(labels)


def swipe_to_the_left_end(phone: Page, row: Locator) -> None:
    """A finger that drags a row to the right, as often as it has to."""
    finger, place, width = phone.context.new_cdp_session(phone), row.bounding_box(), phone.viewport_size
    assert place is not None
    assert width is not None
    y = place["y"] + place["height"] / 2
    for _ in range(3):
        if row.evaluate("(row) => row.scrollLeft === 0"):
            return  # once more, and the browser would go back to the page before
        for x in range(30, width["width"] - 10, 20):
            kind = "touchStart" if x == 30 else "touchMove"
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("size", [pytest.param((390, 844), marks=pytest.mark.extended), (320, 700)])
def test_a_phone_scrolls_the_row_of_tabs(web: Service, phone: Page, calm: Calm, size: tuple[int, int]) -> None:
    phone.set_viewport_size({"width": size[0], "height": size[1]})
    phone.goto(f"{web.url}/?tab=favourites")
    row = phone.get_by_role("tablist").first
    tabs = row.get_by_role("tab")
    expect(tabs).to_have_text([label for label, _ in PAGES.values()])
    expect(phone.locator("#pages > .tab-wrapper").get_by_role("button", name="More tabs")).to_have_count(0)
    expect(tabs.last).to_be_in_viewport(ratio=WHOLE)  # the chosen one
    expect(tabs.first).not_to_be_in_viewport()
    calm(phone)
    swipe_to_the_left_end(phone, row)
    expect(tabs.first).to_be_in_viewport(ratio=WHOLE)
    expect(tabs.last).not_to_be_in_viewport()
    tabs.first.tap()
    phone.wait_for_url(re.compile("tab=tonight"))
    tabs.first.focus()
    for place_in_row in range(len(PAGES) - len(CLASSIC)):
        expect(tabs.nth(place_in_row)).to_be_focused()
        expect(tabs.nth(place_in_row)).to_be_in_viewport(ratio=WHOLE)
        phone.keyboard.press("Tab")
    for label in ("Search", "Classic"):
        phone.get_by_role("tab", name=label).tap()
        expect(phone.get_by_role("tab", name=label, selected=True)).to_be_in_viewport(ratio=WHOLE)
        expect(phone).to_have_title(f"{label} – Matinee")
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_film_opens_and_back_is_where_one_was(web: Service, page: Page) -> None:
    page.goto(f"{web.url}/?tab=for-you&user=1")
    first = page.locator("#picks li a").first
    first.click()
    page.wait_for_url(re.compile("tab=film&film="))
    expect(page.get_by_role("tab", selected=True)).to_have_text("Film")
    page.go_back()
    expect(page.locator("#picks li a").first).to_be_visible()
    assert "user=1" in page.url


def test_an_address_that_was_left_before_it_was_open_does_not_come_back(web: Service, page: Page) -> None:
    page.goto(f"{web.url}/?tab=film&film=318")
    heading = page.locator("#film h2").first
    expect(heading).to_contain_text("Shawshank")
    entries = page.evaluate("history.length")
    held: list[Route] = []

    def hold(route: Route) -> None:
        first = not held and "tab=film" in (route.request.post_data or "")
        return held.append(route) if first else route.continue_()

    page.route("**/gradio_api/run/**", hold)
    links = page.locator(".film-similar a")
    addresses = [links.nth(place).get_attribute("href") for place in (0, 7)]
    for address in addresses:  # the first gets its answer only when one has gone on
        page.locator(f'.film-similar a[href="{address}"]').first.click()
        page.wait_for_function("(query) => location.search === query", arg=address)
        page.wait_for_function("() => document.querySelector('#pages[data-waiting]')")
    held[0].continue_()
    expect(page.locator("#film .film-poster img")).to_have_attribute(
        "src", re.compile(f"/{addresses[1].split('=')[-1]}$")
    )
    assert page.evaluate("history.length") == entries + 2
    assert page.url.endswith(addresses[1])


def test_a_tab_that_was_left_before_it_was_open_does_not_come_back(web: Service, page: Page) -> None:
    page.goto(f"{web.url}/?tab=search")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Search")
    page.locator("#page-search #search-text").wait_for()
    held: list[Route] = []

    def hold(route: Route) -> None:
        first = not held and "tab=film" in (route.request.post_data or "")
        return held.append(route) if first else route.continue_()

    page.route("**/gradio_api/run/**", hold)
    page.get_by_role("tab", name="Film").click()
    page.wait_for_url(re.compile("tab=film"))
    page.wait_for_function("() => document.querySelector('#pages[data-waiting]')")
    page.go_back()
    page.wait_for_url(re.compile("tab=search"))
    with page.expect_response(lambda answer: "tab=search" in (answer.request.post_data or "")):
        held[0].continue_()  # Gradio asks for the address that was gone back to when it has this answer
    expect(page.get_by_role("tab", selected=True)).to_have_text("Search")
    expect(page.locator("#pages[data-waiting]")).to_have_count(0)
    page.evaluate("matinee.tab('film')")  # as Gradio does for a tab that an answer shows, late on a loaded machine
    expect(page.get_by_role("tab", selected=True)).to_have_text("Search")
    expect(page.locator("#page-search")).to_be_visible()
    assert "tab=search" in page.url
    page.get_by_role("tab", name="Film").click()  # and it still opens
    expect(page.locator("#page-film")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=film"))


@pytest.mark.parametrize(
    "query",
    [
        "?tab=film&film=%00%ff..%2F",
        "?tab=for-you&user=a%2Fb&n=abc&diversity=9e9&filter=%22",
        "?tab=%3Cimg%20src=x%20onerror=alert(1)%3E",
        *(
            pytest.param(query, marks=pytest.mark.extended)
            for query in (
                "?tab=nothing",
                "?tab=similar&title=%3Cscript%3Ealert(1)%3C/script%3E&n=-1",
                "?tab=search&q=" + "x" * 3000,
                "?" + "&" * 500,
            )
        ),
    ],
    ids=lambda query: query[:30],
)
def test_hostile_addresses(web: Service, page: Page, query: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{web.url}/{query}")
    page.locator("[role=tabpanel] .view > *:visible").first.wait_for()
    page.get_by_role("tab", name="Tonight").click()
    page.get_by_role("link", name="Matinee").click()
    page.wait_for_url(re.compile("tab=tonight"))
    assert chosen(page) == "Tonight"


def test_light_and_dark(web: Service, page: Page, dark: Page) -> None:
    grounds = []
    for each in (page, dark):
        each.goto(web.url)
        each.locator("#tonight [data-pick]").first.wait_for()
        grounds.append(each.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor"))
    assert grounds == ["rgb(250, 248, 245)", "rgb(16, 14, 13)"]
