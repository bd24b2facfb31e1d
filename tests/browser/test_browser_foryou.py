"""For you in a real browser: rate and see the list change, controls and filter, who one is, shared links."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from apps_support import Service
from browser_support import SCREENS, SECONDS, Calm, allow_errors, listed

NewUser = Callable[[], str]
CALL = "**/gradio_api/run/**"
ODD_NAME = "<img src=x onerror=alert(1)> ${alert(2)} {{x}} 🎬 \u202eabc"


def opened(page: Page, web: Service, user: str, more: str = "") -> Page:
    page.goto(f"{web.url}/?tab=for-you&user={quote(user)}{more}")
    page.locator("#wall li").first.wait_for()
    page.locator("#picks h2").wait_for()
    return page


def star(page: Page, place: int, stars: int) -> None:
    page.locator("#wall li").nth(place).locator(f"button.star[data-stars='{stars}']").click()


def lit(page: Page, place: int) -> int:
    return page.locator("#wall li").nth(place).locator(".star.on").count()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


# --- rating ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", SCREENS)
def test_rating_changes_the_list_and_says_why(
    request: pytest.FixtureRequest, kind: str, web: Service, new_user: NewUser, calm: Calm
) -> None:
    page: Page = opened(request.getfixturevalue(kind), web, new_user())
    expect(page.locator("#picks")).to_contain_text("what most people like")
    before = listed(page)
    assert len(before) == 10
    calm(page)
    titles = page.locator("#wall li .name").all_inner_texts()
    for place, stars in enumerate((5, 4, 1)):
        star(page, place, stars)
        assert lit(page, place) == stars, "the click shows at once"
    expect(page.locator("#ratings li")).to_have_count(3)
    expect(page.locator("#ratings h2")).to_contain_text("3 films")
    expect(page.locator("#picks .why").first).to_contain_text(re.compile("because you (loved|liked)"))
    expect(page.locator("#picks")).not_to_contain_text("what most people like")
    assert listed(page) != before
    assert any(title in page.locator("#picks").inner_text() for title in titles[:2])
    assert "expected" in page.locator("#picks .expected").first.inner_text()
    assert page.locator("#wall li .name").all_inner_texts() == titles, "the wall stays as it is"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    calm(page)


def test_titles_in_reasons_are_text(web: Service, core: Service, page: Page, new_user: NewUser) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    record = {"title": ODD_NAME, "genres": ["Animation", "Children", "Comedy"], "year": 1995, "tags": ["pixar"]}
    httpx.put(f"{core.url}/v1/movies/odd-reason", json=record, trust_env=False).raise_for_status()
    try:
        user = new_user()
        rating = {"user_id": user, "movie_id": "odd-reason", "rating": 5}
        httpx.post(f"{core.url}/v1/ratings", json=[rating], trust_env=False).raise_for_status()
        opened(page, web, user)
        expect(page.locator("#picks .why").first).to_contain_text("like <img src=x onerror=alert(1)> ${alert(2)} {{x}}")
        expect(page.locator("#picks .why img")).to_have_count(0)
    finally:
        httpx.delete(f"{core.url}/v1/movies/odd-reason", trust_env=False)


def test_a_rating_is_changed_and_taken_back_in_the_strip(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    star(page, 0, 5)
    star(page, 1, 4)
    expect(page.locator("#ratings li")).to_have_count(2)
    strip = page.locator("#ratings li").last  # the first film of the wall
    strip.locator("button.star[data-stars='2']").click()
    expect(page.locator("#wall li").first.locator(".star.on")).to_have_count(2)
    page.locator("#ratings .remove").first.click()
    expect(page.locator("#ratings li")).to_have_count(1)
    assert sorted((lit(page, 0), lit(page, 1))) in ([0, 2], [0, 4])
    page.locator("#ratings .remove").first.click()
    expect(page.locator("#ratings")).to_contain_text("Nothing yet")
    expect(page.locator("#wall .star.on")).to_have_count(0)
    expect(page.locator("#picks")).to_contain_text("what most people like")


def test_many_clicks_at_once_all_count(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    page.locator("#wall li button.star[data-stars='4']").evaluate_all("(all) => all.forEach((star) => star.click())")
    expect(page.locator("#ratings li")).to_have_count(12)
    page.wait_for_load_state("networkidle")
    films = listed(page)
    page.reload()
    page.locator("#picks li").first.wait_for()
    assert films == listed(page)


def test_rating_by_the_keyboard_alone(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    button = page.locator("#wall li").first.locator("button.star[data-stars='4']")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ratings li")).to_have_count(1)
    expect(button).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#ratings li .star.on")).to_have_count(5)
    remove = page.get_by_role("button", name=re.compile("Take back your rating of"))
    remove.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ratings li")).to_have_count(0)


# --- half stars ------------------------------------------------------------------------------------------------
def shows(group: Locator, looks: list[str]) -> None:
    """How each star of a film looks: "on", "half" or ""."""
    expect(group.locator("button.star")).to_have_class([f"star {look}".strip() for look in looks])


def shows_half(button: Locator) -> None:
    """A star whose left half is seen lit, which it tells to all who ask."""
    expect(button).to_have_class("star half")
    expect(button).to_have_attribute("aria-pressed", "mixed")
    expect(button.locator("span")).to_have_css("background-image", re.compile("gradient"))
    expect(button.locator("span")).to_have_css("background-clip", "text")


def until_stored(core: Service, user: str, ratings: list[float]) -> None:
    """The core soon holds these ratings of a user: stars show before they are stored."""
    end, found = time.monotonic() + SECONDS, None
    while found != ratings:
        assert time.monotonic() < end, f"the core holds {found}"
        answer = httpx.get(f"{core.url}/v1/users/{user}/ratings", trust_env=False)
        found = [] if answer.status_code == 404 else [row["rating"] for row in answer.json()["items"]]


@pytest.mark.parametrize("kind", SCREENS)
def test_a_star_that_is_pressed_again_gives_half_a_star_less(
    request: pytest.FixtureRequest, kind: str, web: Service, core: Service, new_user: NewUser, calm: Calm
) -> None:
    user = new_user()
    page: Page = opened(request.getfixturevalue(kind), web, user)

    def press(button: Locator) -> None:
        with page.expect_response(CALL):
            button.tap() if kind == "phone" else button.click()

    expect(page.get_by_text("Press the same star again for half a star less.")).to_be_visible()
    film = page.locator("#wall li").first
    title = film.locator(".name").inner_text()
    fourth, first = (film.locator(f"button.star[data-stars='{stars}']") for stars in (4, 1))
    strip = page.locator("#ratings li").first
    for button, whole, more, less in ((fourth, 4, "4", "3.5"), (first, 1, "1", "0.5")):
        press(button)
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_have_accessible_name(f"{whole} of 5 stars for {title}; press again for {less}")
        expect(strip.locator(".star.on")).to_have_count(whole)
        press(button)
        shows_half(button)
        expect(button).to_have_accessible_name(f"{whole} of 5 stars for {title}; now {less}, press again for {more}")
        expect(button).to_have_attribute("title", re.compile(f"press again for {more}$"))
        shows_half(strip.locator(f"button.star[data-stars='{whole}']"))
        for group in (film, strip):
            shows(group, ["on"] * (whole - 1) + ["half"] + [""] * (5 - whole))
        until_stored(core, user, [float(less)])
        calm(page)
        press(button)
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(strip.locator(".star.on")).to_have_count(whole)
    expect(fourth).not_to_have_attribute("title", re.compile("."))
    press(strip.locator("button.star[data-stars='1']"))  # in the strip it is the same
    shows_half(first)
    until_stored(core, user, [0.5])
    page.reload()
    shows_half(page.locator("#ratings li").first.locator("button.star[data-stars='1']"))


def test_half_stars_by_the_keyboard_alone(web: Service, core: Service, page: Page, new_user: NewUser) -> None:
    user = new_user()
    opened(page, web, user)
    button = page.locator("#wall li").first.locator("button.star[data-stars='3']")
    button.focus()
    for key, stars in (("Enter", 3.0), ("Space", 2.5), ("Enter", 3.0), ("Enter", 2.5)):
        page.keyboard.press(key)
        expect(button).to_have_attribute("aria-pressed", "true" if stars == 3.0 else "mixed")
        until_stored(core, user, [stars])  # a key that is still down while its answer redraws the button is lost
        expect(button).to_be_focused()
    inside = page.locator("#ratings li").first.locator("button.star[data-stars='3']")
    shows_half(inside)
    inside.focus()
    page.keyboard.press("Enter")
    expect(inside).to_have_attribute("aria-pressed", "true")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(inside).to_be_focused()


@pytest.mark.parametrize("stored_too", [True, False])
def test_an_earlier_answer_does_not_take_a_later_press_back(
    web: Service, page: Page, new_user: NewUser, stored_too: bool
) -> None:
    allow_errors(page)
    opened(page, web, new_user())
    held: list[Route] = []
    page.route(CALL, lambda route: held.append(route))
    button = page.locator("#wall li").first.locator("button.star[data-stars='4']")
    for _ in range(2):
        with page.expect_request(CALL):
            button.click()
    shows_half(button)
    held[0].continue_()
    inside = page.locator("#ratings li").first.locator("button.star[data-stars='4']")
    shows_half(inside)
    shows_half(button)
    if stored_too:
        with page.expect_response(CALL):
            held[1].continue_()
        shows_half(inside)
        shows_half(button)
    else:
        held[1].abort()
        expect(page.get_by_text("Matinee does not answer right now")).to_be_visible()
        for each in (button, inside):
            expect(each).to_have_attribute("aria-pressed", "true")


def test_data_that_know_no_half_a_star_offer_none(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    hints = """async (lowest) => {
      const films = await import(new URL("matinee/films.js", document.baseURI).href);
      films.starsFrom(lowest);
      const buttons = films.starButtons({ movie_id: "1", title: "x" }, 1);
      return [films.hint(1), films.hint(1.5), films.hint(2), String(buttons)];
    }"""
    assert page.evaluate(hints, 0.5)[:3] == [
        "Press the first star again for 0.5.",
        "Press the second star again for 2.",
        "Press the second star again for 1.5.",
    ]
    one, half, two, buttons = page.evaluate(hints, 1)
    assert (one, half, two) == ("", "Press the second star again for 2.", "Press the second star again for 1.5.")
    assert "press again" not in buttons


def test_data_without_stars_offer_one_button_a_film(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    first = page.locator("#wall li").first
    switch = """async (seen) => {
      const films = await import(new URL("matinee/films.js", document.baseURI).href);
      films.starsFrom(1, seen);
    }"""
    page.evaluate(switch, True)
    buttons = first.locator("button.star:visible")
    expect(buttons).to_have_count(1)
    expect(buttons).to_have_accessible_name(re.compile("^I have seen "))
    expect(buttons).to_have_text("✓")
    expect(page.get_by_text("Press the same star again for half a star less.")).to_be_hidden()
    page.evaluate(switch, False)
    expect(buttons).to_have_count(5)
    expect(buttons.first).to_have_text("★")


def test_more_films_and_a_certain_film(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    first = page.locator("#wall li .name").all_inner_texts()
    star(page, 0, 5)
    page.get_by_role("button", name="More films").click()
    page.get_by_role("button", name="Back to the best known").wait_for()
    assert not set(first) & set(page.locator("#wall li .name").all_inner_texts())
    page.get_by_label("Title of a film to rate").fill("starr warrs")
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.locator("#wall li .name").first).to_contain_text("Star Wars")
    star(page, 0, 5)
    expect(page.locator("#ratings li")).to_have_count(2)
    page.get_by_label("Title of a film to rate").fill("🎬")
    page.keyboard.press("Enter")
    expect(page.locator("#wall")).to_contain_text("No film has this title.")
    page.get_by_role("button", name="Back to the best known").click()
    expect(page.locator("#wall li")).to_have_count(12)
    assert first[0] not in page.locator("#wall li .name").all_inner_texts()


def test_a_rating_on_a_film_s_page_counts(web: Service, page: Page, new_user: NewUser) -> None:
    opened(page, web, new_user())
    page.locator("#picks li a").first.click()
    page.locator("#page-film button.star[data-stars='4']").first.click()
    page.locator("#page-film .star.on").first.wait_for()
    page.get_by_role("tab", name="Classic").click()
    page.get_by_role("tab", name="For you").click()
    expect(page.locator("#ratings li")).to_have_count(1)


# --- controls and the filter -----------------------------------------------------------------------------------
def test_controls_become_the_filter_in_the_address(
    web: Service, page: Page, browser: Browser, new_user: NewUser, calm: Calm
) -> None:
    opened(page, web, new_user())
    star(page, 0, 5)
    page.get_by_label("Genres").click()
    page.get_by_role("option", name="Comedy").click()
    expect(page.get_by_label("Filter", exact=True)).to_have_value('genre = "Comedy"')
    page.keyboard.press("Escape")
    page.get_by_label("From year").fill("1990")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Filter", exact=True)).to_have_value('genre = "Comedy" and year >= 1990')
    page.get_by_label("Surprise me").check()
    expect(page.get_by_label("Filter", exact=True)).to_have_value(re.compile(r" and ratings < \d+$"))
    page.wait_for_url(re.compile("surprise=1"))
    for meta in page.locator("#picks .meta").all_inner_texts():
        assert int(meta[:4]) >= 1990
    calm(page)
    shared, films = page.url, listed(page)

    context = browser.new_context()  # a friend opens the link
    try:
        friend = context.new_page()
        friend.goto(shared)
        friend.locator("#picks li").first.wait_for()
        assert listed(friend) == films
        assert friend.get_by_label("Surprise me").is_checked()
        assert friend.url == shared
    finally:
        context.close()

    page.go_back()
    expect(page.get_by_label("Filter", exact=True)).to_have_value('genre = "Comedy" and year >= 1990')
    expect(page.get_by_label("Surprise me")).not_to_be_checked()
    page.go_forward()
    expect(page.get_by_label("Surprise me")).to_be_checked()
    page.reload()
    page.locator("#picks li").first.wait_for()
    assert listed(page) == films


def test_a_filter_typed_by_hand(web: Service, page: Page, new_user: NewUser, calm: Calm) -> None:
    opened(page, web, new_user())
    box = page.get_by_label("Filter", exact=True)
    box.fill('director = "Stanley Kubrick" and year between 1960 and 1975')
    box.press("Enter")
    page.wait_for_url(re.compile("Kubrick"))
    expect(page.get_by_label("From year")).to_have_value("1960")
    expect(page.get_by_label("To year")).to_have_value("1975")
    box.fill("yeer > 3")
    box.press("Enter")
    expect(page.locator("#picks .trouble")).to_contain_text('Did you mean "year"?')
    expect(page.locator("#picks .trouble mark")).to_have_text("y")
    calm(page)
    box.fill('title = "<script>alert(1)</script>"')
    box.press("Enter")
    expect(page.locator("#picks .empty")).to_contain_text("No film is left")
    box.fill("")
    box.press("Enter")
    expect(page.locator("#picks li")).to_have_count(10)
    assert "filter" not in query(page)


def test_the_phone_folds_the_controls(web: Service, phone: Page, new_user: NewUser, calm: Calm) -> None:
    opened(phone, web, new_user())
    expect(phone.get_by_label("Filter", exact=True)).to_be_hidden()
    phone.get_by_role("button", name="Narrow the list down").tap()
    phone.get_by_label("From year").fill("2000")
    phone.keyboard.press("Enter")
    phone.wait_for_url(re.compile("2000"))
    calm(phone)
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    phone.locator("#wall li").last.scroll_into_view_if_needed()
    phone.locator("#wall li").last.locator("button.star[data-stars='5']").tap()
    up = phone.get_by_role("button", name="Your list has changed")
    up.tap()
    expect(up).to_be_hidden()


# --- who one is ------------------------------------------------------------------------------------------------
def test_choosing_a_user_and_being_a_guest(web: Service, page: Page, calm: Calm) -> None:
    page.goto(f"{web.url}/?tab=for-you")
    page.locator("#wall li").first.wait_for()
    me = query(page)["user"][0]
    assert me.startswith("guest-")
    page.get_by_role("button", name=f"You are {me}").click()
    calm(page)
    box = page.get_by_label("Your name, or a user's number")
    box.fill("41")
    page.locator("#who-users option[value='414']").wait_for(state="attached")
    box.fill("414")
    page.get_by_role("button", name="Choose").click()
    expect(page.locator("#ratings h2")).to_contain_text("films, newest first")
    assert query(page)["user"] == ["414"]
    page.reload()
    expect(page.locator("#who .user")).to_have_text("414")
    page.goto(f"{web.url}/?tab=for-you")
    page.wait_for_url(re.compile("user=414"))
    page.locator("#who button").first.click()
    page.get_by_role("button", name="New guest").click()
    expect(page.locator("#ratings")).to_contain_text("Nothing yet")
    assert query(page)["user"][0] not in (me, "414")
    page.go_back()
    expect(page.locator("#who .user")).to_have_text("414")


@pytest.mark.extended
def test_a_name_may_hold_anything_but_not_everything(web: Service, page: Page, calm: Calm) -> None:
    page.goto(f"{web.url}/?tab=for-you")
    page.locator("#wall li").first.wait_for()
    page.locator("#who button").first.click()
    box = page.get_by_label("Your name, or a user's number")
    for wrong, words in (("x" * 10_000, "10,000"), ("a/b", "slash"), (" ", "Write a name")):
        box.fill(wrong)
        box.press("Enter")
        expect(page.locator("#who .fault")).to_contain_text(words)
    name = ODD_NAME.replace("\u202e", "")  # which no id may hold
    box.fill(name)
    box.press("Enter")
    expect(page.locator("#who .user")).to_have_text(name)
    page.wait_for_url(re.compile("onerror"))
    star(page, 0, 5)
    expect(page.locator("#ratings li")).to_have_count(1)
    assert page.locator("#who img").count() == 0
    calm(page)
    page.goto(f"{web.url}/?tab=for-you&user={'x' * 200}")
    expect(page.locator("#picks .trouble")).to_contain_text("200 characters")


# --- trouble ---------------------------------------------------------------------------------------------------
@pytest.mark.extended
def test_the_core_stops_and_comes_back(core: Service, web: Service, page: Page, new_user: NewUser) -> None:
    allow_errors(page)
    opened(page, web, new_user())
    star(page, 0, 5)
    expect(page.locator("#ratings li")).to_have_count(1)
    core.stop()
    try:
        for place in (1, 2):
            star(page, place, 4)
            expect(page.locator("#ratings .trouble")).to_contain_text("does not answer")
            expect(page.locator("#wall li").nth(place).locator(".star.on")).to_have_count(0)
    finally:
        core.start()
    star(page, 1, 4)
    expect(page.locator("#ratings li")).to_have_count(2)
    expect(page.locator("#ratings .trouble")).to_have_count(0)


@pytest.mark.extended
def test_the_web_app_stops_and_comes_back(web: Service, page: Page, new_user: NewUser) -> None:
    allow_errors(page)
    opened(page, web, new_user())
    web.stop()
    try:
        star(page, 0, 4)
        expect(page.get_by_text("Matinee does not answer right now")).to_be_visible()
        expect(page.locator("#wall .star.on")).to_have_count(0)
        assert page.locator("#wall li").count() == 12, "what was there stays"
    finally:
        web.start()
    page.wait_for_event("load")  # Gradio loads the page anew; its address says all
    page.locator("#wall li").first.wait_for()
    star(page, 0, 4)
    expect(page.locator("#ratings li")).to_have_count(1)
