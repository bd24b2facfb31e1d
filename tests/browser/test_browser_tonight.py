"""Tonight in a real browser: from nothing to a list, an export dropped, what cards do, filters, languages."""

from __future__ import annotations

import base64
import io
import re
import time
import zipfile
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import Calm

NewUser = Callable[[], str]
RATINGS = """Date,Name,Year,Letterboxd URI,Rating
2024-02-01,The Matrix,1999,https://boxd.it/x0a,4.5
2024-02-02,Heat,1995,https://boxd.it/x1a,5
2024-02-03,Toy Story,1995,https://boxd.it/x2a,4
2024-02-05,Se7en,1995,https://boxd.it/x4a,4.5
2024-02-06,A Film That Nobody Made,2019,https://boxd.it/x5a,2
"""
WATCHLIST = "Date,Name,Year,Letterboxd URI\n2024-03-01,Alien,1979,https://boxd.it/xx1\n"
MOST_CLICKS = 6


def export() -> bytes:
    """An export in the layout of Letterboxd: five ratings, one of them of no film, and a watchlist."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("ratings.csv", RATINGS)
        archive.writestr("watchlist.csv", WATCHLIST)
    return file.getvalue()


def opened(page: Page, web: Service, user: str, more: str = "") -> None:
    page.goto(f"{web.url}/?tab=tonight&user={user}{more}")


def rows(page: Page) -> None:
    """Until the first row has its films."""
    page.locator(".shelf .tile").first.wait_for()


def rate(core: Service, user: str, **stars: float) -> None:
    for movie_id, given in stars.items():
        url = f"{core.url}/v1/users/{user}/ratings/{movie_id.removeprefix('m')}"
        httpx.put(url, json={"rating": given}, trust_env=False).raise_for_status()


@pytest.fixture
def someone(core: Service, new_user: NewUser) -> str:
    """Somebody who has rated a few films."""
    user = new_user()
    rate(core, user, m1=4, m260=5, m1214=5, m541=5, m1200=4, m2959=2)
    return user


@pytest.mark.parametrize("kind", ["page", "phone"])
def test_from_the_first_visit_to_a_list(
    request: pytest.FixtureRequest, kind: str, web: Service, calm: Calm, capsys: pytest.CaptureFixture[str]
) -> None:
    page: Page = request.getfixturevalue(kind)
    began = time.monotonic()
    page.goto(web.url)
    films = page.locator("[data-pick]")
    films.nth(8).wait_for()
    expect(films.nth(2)).to_be_in_viewport(ratio=0.5)  # the first screen shows films
    calm(page)
    clicks = 0
    for place in (0, 2, 3, 5, 7):
        films.nth(place).click()
        clicks += 1
    expect(page.locator(".tray p")).to_have_text("5 picked. Your list is ready.")
    page.get_by_role("button", name="Show my list").click()
    clicks += 1
    rows(page)
    took = time.monotonic() - began
    assert clicks <= MOST_CLICKS
    expect(page.locator(".shelf h2").first).to_have_text("For you")
    expect(page.locator(".shelf .why").first).not_to_be_empty()
    expect(page.locator(".shelf .tile").first).to_be_in_viewport(ratio=0.3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    calm(page)
    with capsys.disabled():
        print(f"\nfirst visit → list ({kind}): {clicks} clicks, {took:.1f} s")


DROP = """(zone, [name, data]) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  for (const kind of ["dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  }
}"""


@pytest.mark.parametrize("kind", ["page", pytest.param("phone", marks=pytest.mark.extended)])
def test_an_export_is_dropped_and_the_list_comes(
    request: pytest.FixtureRequest, kind: str, web: Service, calm: Calm, capsys: pytest.CaptureFixture[str]
) -> None:
    page: Page = request.getfixturevalue(kind)
    page.goto(web.url)
    page.locator("[data-pick]").first.wait_for()
    began = time.monotonic()
    clicks = 0
    name, data = "letterboxd-someone-2024-06-01-00-00-utc.zip", export()
    if kind == "page":
        page.locator(".pickables").evaluate(DROP, [name, base64.b64encode(data).decode()])
    else:  # phones have nothing to drop
        page.get_by_role("button", name="Bring your films").click()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose a file").click()
        chooser.value.set_files({"name": name, "mimeType": "application/zip", "buffer": data})
        clicks += 2
    expect(page.locator("#bring .sum")).to_have_text("5 films matched, 0 unsure, 1 unknown")
    calm(page)
    page.get_by_role("button", name="Use them").click()
    clicks += 1
    rows(page)
    took = time.monotonic() - began
    expect(page.get_by_role("heading", name="Your watchlist")).to_be_visible()
    expect(page.locator("[data-kind=watchlist] .tile")).to_contain_text(["Alien (1979)"])
    for film in ("6", "1"):
        expect(page.locator(f".shelf .tile[data-movie='{film}']")).to_have_count(0)
    with capsys.disabled():
        print(f"\nexport → list ({kind}): {clicks} clicks, {took:.1f} s")


def test_what_cards_do_and_undo(web: Service, page: Page, core: Service, someone: str, calm: Calm) -> None:
    page.clock.install()
    opened(page, web, someone)
    rows(page)
    cards = page.locator("[data-kind=for-you] .tile")
    first, second = (cards.nth(place).get_attribute("data-movie") or "" for place in (0, 1))
    toast = page.locator("#toast")

    def states() -> set[str]:
        answer = httpx.get(f"{core.url}/v1/users/{someone}/states", trust_env=False).json()
        return {f"{row['state']} {row['movie_id']}" for row in answer["states"]}

    mine = page.locator(f"[data-kind=for-you] .tile[data-movie='{first}']")
    mine.locator("[data-act=watchlist]").click()
    expect(mine.locator("[data-act=watchlist]")).to_have_attribute("aria-pressed", "true")
    expect(toast).to_contain_text("on your watchlist")
    assert states() == {f"watchlist {first}"}
    mine.locator("[data-act=not_interested]").press("Enter")
    expect(mine).to_have_count(0)
    expect(toast).to_contain_text("will not be shown again")
    # The focus goes to the same button of the next film.
    assert page.evaluate("document.activeElement.dataset.key") == f"not_interested-{second}"
    calm(page)
    page.clock.fast_forward(13_000)  # the message goes, Control+Z is heard still
    expect(toast.get_by_role("status")).to_have_text("")
    page.keyboard.press("Control+z")
    expect(mine).to_have_count(1)
    expect(toast).to_contain_text("as before")
    assert states() == {f"watchlist {first}"}
    mine.locator("[data-act=seen]").click()
    expect(mine).to_have_count(0)
    toast.get_by_role("button", name="Undo").click()
    expect(mine).to_have_count(1)
    mine.locator("button.star[data-stars='4']").click()
    expect(mine.locator(".star.on")).to_have_count(4)
    expect(toast).to_contain_text("4 stars")
    toast.get_by_role("button", name="Undo").click()
    expect(mine.locator(".star.on")).to_have_count(0)
    expect(page.locator(f"#ratings li[data-movie='{first}']")).to_have_count(0)
    cards.nth(1).locator("[data-like]").click()
    expect(page.locator(".shelf.like .tile").first).to_be_visible()
    assert page.evaluate("document.activeElement.textContent").startswith("More like")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(".shelf.like")).to_have_count(0)


def test_a_guest_s_ratings_are_claimed(web: Service, page: Page, core: Service, new_user: NewUser, calm: Calm) -> None:
    page.goto(web.url)
    page.locator("[data-pick]").nth(3).wait_for()
    guest = page.evaluate("matinee.args.user")
    for place in (0, 1):
        with page.expect_response("**/app/act*"):
            page.locator("[data-pick]").nth(place).click()
    name = new_user()
    page.locator("#who button").first.click()
    page.locator("#who input[type=text]").first.fill(name)
    page.keyboard.press("Enter")
    asked = page.locator("#who .claim")
    expect(asked).to_contain_text(f"As {guest} you have rated 2 films. Take them with you?")
    expect(asked.get_by_role("button", name="Take them along")).to_be_focused()
    calm(page)
    page.keyboard.press("Enter")
    expect(asked).to_be_hidden()
    expect(page.locator("#toast [role=status]")).to_have_text(f"What {guest} rated is yours now.")
    rows(page)

    def rated(user: str) -> int:
        return len(httpx.get(f"{core.url}/v1/users/{user}/ratings", trust_env=False).json().get("items") or ())

    assert (rated(name), rated(guest)) == (2, 0)


def test_an_unsure_film_is_asked_about(web: Service, page: Page, core: Service, new_user: NewUser, calm: Calm) -> None:
    user = new_user()
    opened(page, web, user)
    page.locator("[data-pick]").first.wait_for()
    page.get_by_role("button", name="Bring your films").click()
    table = "title,rating\nHamlet,4\nHeat,5\n"  # five films are called Hamlet, and no year is given
    page.locator("#bring input[type=file]").set_input_files(
        {"name": "mine.csv", "mimeType": "text/csv", "buffer": table.encode()}
    )
    asked = page.get_by_role("group", name="Hamlet")
    expect(page.get_by_role("heading", name="Which one did you mean?")).to_be_visible()
    expect(asked.get_by_role("radio", name="None of these")).to_be_checked()
    calm(page)
    chosen = asked.get_by_role("radio").first
    chosen.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Use them").click()
    rows(page)
    stored = httpx.get(f"{core.url}/v1/users/{user}/ratings", trust_env=False).json()["items"]
    assert sorted(film["title"].split(" (")[0] for film in stored)[0] == "Hamlet"


def test_what_a_wish_was_understood_as_is_taken_off(web: Service, page: Page, calm: Calm) -> None:
    page.goto(f"{web.url}/?tab=search&q=90s+comedy+films")
    chips = page.locator(".chip")
    expect(chips).to_have_count(2)
    expect(page.get_by_role("group", name="Understood as")).to_be_visible()
    calm(page)
    page.get_by_role("button", name="Search without 1990s").press("Enter")
    page.wait_for_url(re.compile("filter=genre"))
    expect(page.get_by_label("Genre")).to_have_value("Comedy")
    expect(chips).to_have_count(0)
    page.go_back()
    expect(chips).to_have_count(2)
    page.get_by_role("button", name="Take the words as they are").click()
    page.wait_for_url(re.compile("plain=1"))
    expect(chips).to_have_count(0)


def test_as_a_screen_reader_tells_it(web: Service, page: Page, new_user: NewUser, calm: Calm) -> None:
    """First visit → five films → list → a card's button → undo, by keys; names, roles, states and what is announced."""
    opened(page, web, new_user())
    page.locator("[data-pick]").nth(8).wait_for()
    expect(page.get_by_role("tabpanel")).to_match_aria_snapshot(
        """
        - tabpanel "Tonight":
          - region "Pick five films you like":
            - heading "Pick five films you like" [level=2]
            - search:
              - searchbox "Title of a film to pick"
              - button "Find"
            - button "Bring your films"
            - list "Films to pick from":
              - listitem:
                - button /.+ \\(\\d{4}\\)/
            - status: 0 of 5 picked
            - button "Show my list" [disabled]
        """
    )
    wall = page.get_by_role("list", name="Films to pick from").get_by_role("button")
    wall.first.focus()
    for _ in range(5):
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", pressed=True)).to_have_count(5)
    announced = page.get_by_role("status").filter(has_text="picked")
    expect(announced).to_have_text("5 picked. Your list is ready.")
    page.get_by_role("button", name="Show my list").press("Enter")
    rows(page)
    assert page.evaluate("document.activeElement !== document.body"), "the focus is lost where the list comes"
    first = page.get_by_role("list", name="For you").get_by_role("listitem").first
    title = first.get_attribute("data-title") or ""
    expect(first.get_by_role("link")).to_contain_text(title)
    keep = first.get_by_role("button", name=f"Watchlist: {title}")
    expect(keep).to_have_attribute("aria-pressed", "false")
    keep.press("Enter")
    expect(keep).to_have_attribute("aria-pressed", "true")
    expect(keep).to_be_focused()
    said = page.locator("#toast [role=status]")
    expect(said).to_have_text(f"{title} is on your watchlist.")
    page.keyboard.press("Control+z")
    expect(keep).to_have_attribute("aria-pressed", "false")
    expect(said).to_have_text(f"{title}: as before.")
    page.locator("#who button").first.press("Enter")
    expect(page.locator("#who input[type=text]").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#who button").first).to_be_focused()
    calm(page)


def test_by_keyboard_alone(web: Service, page: Page, core: Service, new_user: NewUser) -> None:
    opened(page, web, new_user())
    page.locator("[data-pick]").nth(5).wait_for()
    page.get_by_label("Title of a film to pick").focus()
    page.keyboard.type("blade runner")
    page.keyboard.press("Enter")
    expect(page.locator("[data-pick]").first).to_contain_text("Blade Runner")
    expect(page.locator("[data-pick]").first).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
    expect(page.locator(".tray p")).to_have_text("3 of 5 picked")
    page.get_by_role("button", name="Show my list").press("Enter")
    rows(page)
    page.locator("[data-kind=for-you] .tile a").first.focus()
    walked = []
    for _ in range(10):
        page.keyboard.press("Tab")
        walked.append(page.evaluate("document.activeElement.dataset.key ?? ''").rsplit("-", 1)[0].split("-")[0])
    assert walked == ["star"] * 5 + ["watchlist", "seen", "not_interested", "like", "film"]
    names = (
        page.locator("[data-kind=for-you] .tile")
        .first.get_by_role("button")
        .evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    )
    title = page.locator("[data-kind=for-you] .tile").first.get_attribute("data-title") or ""
    assert all(title in name for name in names)


def test_filters_and_the_language_behind_them(web: Service, page: Page, someone: str, calm: Calm) -> None:
    opened(page, web, someone)
    rows(page)
    page.get_by_label("Genre").focus()
    page.get_by_label("Genre").select_option("Comedy")
    page.wait_for_url(re.compile("filter=genre"))
    page.locator(".all .tile").nth(5).wait_for()
    expect(page.get_by_label("Genre")).to_be_focused()
    page.get_by_label("Decade").select_option("1980")
    page.wait_for_url(re.compile("decade"))
    expect(page.locator(".all .tile .name").first).to_contain_text(re.compile(r"\(198\d\)"))
    page.get_by_label("Order").select_option("newest")
    page.wait_for_url(re.compile("sort=newest"))
    expect(page.locator(".all .tile .name").first).to_contain_text(re.compile(r"\(198[789]\)"))
    calm(page)
    page.get_by_text("Advanced").click()
    page.get_by_label("Only films where").fill("yeer > 3")
    page.get_by_label("Only films where").press("Enter")
    expect(page.get_by_role("alert").filter(has_text="This filter cannot be read.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    rows(page)
    expect(page.locator(".shelf h2").first).to_have_text("For you")


def test_a_list_for_two(web: Service, page: Page, someone: str, calm: Calm) -> None:
    page.goto(f"{web.url}/?tab=together")
    page.get_by_label("Person 2").fill("414")
    page.get_by_label("Person 1").fill(someone)
    calm(page)
    page.get_by_role("button", name="Choose for us").click()
    page.locator("#together .tile").first.wait_for()
    expect(page.get_by_role("heading", name=f"For {someone} and 414")).to_be_visible()
    expect(page.locator("#together .why").first).to_contain_text("414 ★")
    calm(page)


def test_the_page_speaks_the_visitor_s_language(web: Service, german: Page, someone: str, calm: Calm) -> None:
    opened(german, web, someone)
    rows(german)
    assert german.evaluate("document.documentElement.lang") == "de"
    expect(german.get_by_role("tab", selected=True)).to_have_text("Heute Abend")
    expect(german).to_have_title("Heute Abend – Matinee")
    expect(german.locator(".shelf h2").first).to_have_text("Für dich")
    calm(german)
    german.locator("#who button").first.click()
    german.get_by_label("Sprache").select_option("fr")
    expect(german.get_by_role("tab", selected=True)).to_have_text("Ce soir")


@pytest.mark.parametrize("kind", [pytest.param("page", marks=pytest.mark.extended), "dark"])
def test_the_new_pages_are_calm_in_both_colours(
    request: pytest.FixtureRequest, kind: str, web: Service, someone: str, calm: Calm
) -> None:
    page: Page = request.getfixturevalue(kind)
    for address, there in {
        f"tab=tonight&user={someone}": ".shelf .tile",
        "tab=tonight&user=nobody-yet": "[data-pick]",
        "tab=search&q=90s+comedy+films": ".chip",
        "tab=film&film=1214": ".film-similar li",
        f"tab=together&people={someone},414": "#together .tile",
        "tab=map": "#whole-map .say:not(:empty)",
        "tab=classic": "#page-classic a",
    }.items():
        page.goto(f"{web.url}/?{address}")
        page.locator(f"{there} >> visible=true").first.wait_for()
        calm(page)
