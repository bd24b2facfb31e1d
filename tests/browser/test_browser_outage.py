"""Services that stop while somebody looks: friendly words, and all is well again when they are back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from apps_support import Service
from browser_support import Calm, allow_errors

AWAY = "The film service does not answer right now."


def star(page: Page, place: int, stars: int = 5) -> None:
    page.locator("#wall li").nth(place).locator(f"button.star[data-stars='{stars}']").click()


def test_a_core_that_stops_between_two_clicks(
    core: Service, web: Service, page: Page, calm: Calm, new_user: Callable[[], str]
) -> None:
    allow_errors(page)
    page.goto(f"{web.url}/?tab=for-you&user={new_user()}")
    star(page, 0)
    ratings = page.locator("#ratings li")
    expect(ratings).to_have_count(1)
    core.stop()
    star(page, 1)
    alert = page.get_by_role("alert").filter(has_text=AWAY)
    expect(alert).to_be_visible()
    expect(alert).to_contain_text("Nothing that you did is lost.")
    expect(page.locator("body")).not_to_contain_text("Traceback")
    expect(page.locator("#wall li").nth(1).locator("button.star.on")).to_have_count(0)
    calm(page)
    core.start()
    star(page, 2)  # the next click counts, without another word
    expect(ratings).to_have_count(2)
    expect(alert).to_have_count(0)
    assert page.locator("#picks li").count() == 10


@pytest.mark.extended
def test_addresses_that_are_opened_while_the_core_is_away(core: Service, web: Service, phone: Page) -> None:
    allow_errors(phone)
    alert = phone.get_by_role("alert").filter(has_text=AWAY)
    again = alert.get_by_role("button", name="Try again")
    pages = [web.url + query for query in ("", "/?tab=film&film=318", "/?tab=search&q=alien")]
    core.stop()
    for address in pages:
        phone.goto(address)
        expect(alert).to_be_visible()
        again.click()
        expect(alert).to_be_visible()
    for name in ("Three favourites", "More like this"):  # these ask nothing before one has chosen
        phone.goto(f"{web.url}/?tab={name.split()[1 if name.startswith('Three') else 0].lower()}")
        expect(phone.locator("[role=tabpanel]:visible")).to_be_visible()
    phone.goto(pages[-1])
    expect(alert).to_be_visible()
    core.start()
    again.click()
    expect(alert).to_have_count(0)
    expect(phone.locator("[role=tabpanel]:visible img.poster").first).to_be_visible()
    phone.go_back()  # to a page that was opened while the core was away
    expect(phone.locator("[role=tabpanel]:visible")).to_be_visible()


def test_every_page_recovers_without_being_loaded_anew(core: Service, web: Service, page: Page) -> None:
    allow_errors(page)
    queries = (
        "for-you",
        "match",
        "match&film=318",
        "similar&title=Alien",
        "similar&view=map",
        "favourites&film1=318",
        "search&q=alien",
        "film",
    )
    core.stop()
    opened = []
    for query in queries:
        each = page.context.new_page()
        each.goto(f"{web.url}/?tab={query}")
        each.evaluate("window.kept = true")
        alert = each.locator("[role=tabpanel]:visible [role=alert]").filter(has=each.locator("[data-retry]"))
        expect(alert.first).to_be_visible()
        opened.append((query, each, alert))
    core.start()
    for query, each, alert in opened:
        alert.first.get_by_role("button", name="Try again").click()
        expect(alert, query).to_have_count(0)
        sign = ".film-map .board" if "map" in query else "img.poster"
        expect(each.locator(f"[role=tabpanel]:visible {sign}").first).to_be_visible()
        assert each.evaluate("window.kept"), query
        each.close()


def test_a_first_address_that_got_no_answer_is_opened_again(web: Service, page: Page) -> None:
    allow_errors(page)
    aborted: list[str] = []

    def abort(route: Route) -> None:
        aborted.append(route.request.url)
        route.abort()

    page.route("**/gradio_api/run/**", abort, times=1)
    page.goto(f"{web.url}/?tab=film&film=318")
    expect(page.locator("#film img.poster").first).to_be_visible()
    assert len(aborted) == 1


def test_a_web_app_that_stops_and_returns(web: Service, page: Page, new_user: Callable[[], str]) -> None:
    allow_errors(page)
    page.goto(f"{web.url}/?tab=for-you&user={new_user()}")
    star(page, 0)
    ratings = page.locator("#ratings li")
    expect(ratings).to_have_count(1)
    web.stop()
    star(page, 1)
    expect(page.get_by_role("status").filter(has_text="Matinee does not answer right now.")).to_be_visible()
    expect(page.locator("#wall li").nth(1).locator("button.star.on")).to_have_count(0)
    web.start()
    for _ in range(20):  # Gradio loads the page anew as soon as it sees the server again, perhaps during a click
        star(page, 2)
        try:
            expect(ratings).to_have_count(2, timeout=1000)
            break
        except AssertionError:
            continue
    expect(ratings).to_have_count(2)


@pytest.mark.extended
def test_a_studio_whose_core_stops_comes_back_by_itself(core: Service, studio: Service, page: Page, calm: Calm) -> None:
    allow_errors(page)
    page.goto(studio.url)
    expect(page.get_by_role("heading", name="Movie Recommender Engine")).to_be_visible()
    core.stop()
    page.get_by_text("Data", exact=True).click()
    expect(page.get_by_role("heading", name="The core service does not answer")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Traceback")
    calm(page)
    core.start()
    expect(page.get_by_role("heading", name="The core service does not answer")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Data")
