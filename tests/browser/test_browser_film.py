"""The film page in a browser, and the title box on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from apps_support import Service
from browser_support import Calm

HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{value}} \"'`"
DIRECTOR = 'Ann "Quote" O\'Back\\slash'
LONG = "Very long " * 45


@pytest.fixture(scope="module")
def odd(core: Service) -> Iterator[None]:
    """Films with little, or with too much, in them."""
    body = {
        "bare": {"title": "Bare", "genres": [], "tags": []},
        "hostile": {"title": HOSTILE, "genres": ["<b>Drama</b>"], "tags": ["<script>alert(3)</script>"]},
        "long": {"title": LONG, "genres": ["Drama"], "tags": ["x" * 200]},
        "rtl": {"title": "فيلم 🎬 عربي", "genres": ["Drama"], "tags": []},
    }
    for film, record in body.items():
        httpx.post(f"{core.url}/update_movie", json={film: record}, trust_env=False).raise_for_status()
    full = {
        "title": "Full",
        "year": 2020,
        "genres": ["Drama"],
        "tags": ["a tag"],
        "keywords": ["a keyword"],
        "directors": [DIRECTOR],
        "writers": ["A Writer"],
        "cast": [f"Actor {number:02}" for number in range(40)],
        "countries": ["France"],
        "languages": ["French"],
        "overview": "🎬 and words. " * 400,
    }
    httpx.put(f"{core.url}/v1/movies/full", json=full, trust_env=False).raise_for_status()
    yield
    for film in (*body, "full"):
        httpx.delete(f"{core.url}/v1/movies/{film}", trust_env=False)


def visit(page: Page, web: Service, query: str) -> Locator:
    """The sheet of the film page at an address."""
    page.goto(f"{web.url}/?tab=film{query}")
    return page.locator("#film")


def box_of(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Find a film")


def heading(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.locator("#film h2").first).to_contain_text(text)


def seen(page: Page, selector: str) -> None:
    """An image that has arrived."""
    page.locator(selector).first.scroll_into_view_if_needed()
    page.wait_for_function("(s) => document.querySelector(s)?.naturalWidth > 0", arg=selector)


def no_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


# --- the page --------------------------------------------------------------------------------------------------
def test_a_film_s_page(web: Service, page: Page, calm: Calm) -> None:
    film = visit(page, web, "&film=318")
    heading(page, "The Shawshank Redemption (1994)")
    expect(box_of(page)).to_have_value("The Shawshank Redemption (1994)")
    seen(page, "#film .film-poster img")
    assert film.get_by_role("img", name="Poster of The Shawshank Redemption").count() == 1
    expect(film.locator(".overview")).to_contain_text("Shawshank prison")
    expect(film.get_by_role("link", name="stephen king")).to_be_visible()
    bars = film.get_by_role("list", name="Ratings by stars").get_by_role("listitem")
    expect(bars).to_have_count(10)
    counts = [int(text.replace(",", "")) for text in bars.locator(".count").all_inner_texts()]
    expect(film.locator(".film-ratings")).to_contain_text(f"{sum(counts)} ratings")
    places = []
    for name in ("By taste", "By content", "By poster", "By plot"):
        column = film.get_by_role("list", name=name)
        expect(column.get_by_role("link")).to_have_count(6)
        places.append(column.bounding_box())
    tops = {round(place["y"]) for place in places if place}
    assert len(tops) == 1, "side by side"
    no_sideways(page)
    calm(page)


@pytest.mark.extended
def test_on_a_phone_one_below_the_other(web: Service, phone: Page, calm: Calm) -> None:
    film = visit(phone, web, "&film=318")
    heading(phone, "Shawshank")
    expect(film.get_by_role("list", name="By poster").get_by_role("link")).to_have_count(6)
    names = ("By taste", "By content", "By poster", "By plot")
    places = [film.get_by_role("list", name=name).bounding_box() for name in names]
    tops = [place["y"] for place in places if place]
    assert tops == sorted(tops)
    assert len(set(tops)) == 4
    no_sideways(phone)
    calm(phone)


def with_meaning(route: Route) -> None:
    """An answer of the web app where plots can also be compared by meaning, which this core has no vectors for."""
    response = route.fetch()
    body = json.loads(response.text())
    for value in body.get("data", []):
        lists = value.get("similar", []) if isinstance(value, dict) else []
        words = [one for one in lists if one.get("method") == "tfidf"]
        others = [{**item, "reason": None} for item in lists[0]["items"]] if words else []
        lists.extend({**one, "method": "embedding", "about": "By meaning.", "items": others} for one in words)
    route.fulfill(response=response, body=json.dumps(body))


def test_plots_by_words_or_by_meaning(web: Service, page: Page, calm: Calm) -> None:
    film = visit(page, web, "&film=318")
    plots = film.get_by_role("list", name="By plot")
    expect(plots.get_by_role("link")).to_have_count(6)
    expect(plots).to_contain_text("prison")  # a word that both plots have
    expect(film.get_by_role("group", name="Compare plots by")).to_have_count(0)  # only one way to compare them
    page.route("**/gradio_api/run/**", with_meaning)
    film = visit(page, web, "&film=318")
    words, meaning = (film.get_by_role("button", name=name, exact=True) for name in ("words", "meaning"))
    expect(words).to_have_attribute("aria-pressed", "true")
    meaning.click()
    expect(meaning).to_have_attribute("aria-pressed", "true")
    expect(words).to_have_attribute("aria-pressed", "false")
    expect(film.locator(".film-similar")).to_contain_text("Plots that mean much the same.")
    expect(plots).to_have_count(1)
    expect(plots).not_to_contain_text("prison")
    calm(page)
    film.get_by_role("list", name="By content").get_by_role("link").first.click()
    expect(meaning).to_have_attribute("aria-pressed", "true")  # of the next film, too


@pytest.mark.extended
def test_in_dark_colours(web: Service, dark: Page, calm: Calm) -> None:
    visit(dark, web, "&film=318")
    heading(dark, "Shawshank")
    calm(dark)


def test_links_lead_out_safely_and_nothing_is_fetched(web: Service, page: Page) -> None:
    film = visit(page, web, "&film=318")
    for name, address in (
        ("IMDb", "https://www.imdb.com/title/tt0111161/"),
        ("TMDB", "https://www.themoviedb.org/movie/278"),
    ):
        link = film.get_by_role("link", name=name)
        expect(link).to_have_attribute("href", address)
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", re.compile("noopener"))


def test_from_film_to_film_and_back(web: Service, page: Page) -> None:
    film = visit(page, web, "&film=318")
    heading(page, "Shawshank")
    other = film.get_by_role("list", name="By taste").get_by_role("link").first
    title = other.locator(".name").inner_text()
    other.press("Enter")
    heading(page, title)
    expect(box_of(page)).to_have_value(title)
    expect(page.locator("#film h2").first).to_be_focused()
    page.go_back()
    heading(page, "Shawshank")
    expect(box_of(page)).to_have_value("The Shawshank Redemption (1994)")


@pytest.mark.usefixtures("odd")
def test_a_genre_and_a_director_lead_to_a_search(web: Service, page: Page) -> None:
    visit(page, web, "&film=318")
    page.get_by_role("list", name="Genres").get_by_role("link", name="Crime").click()
    expect(page.locator("#search-results h2")).to_contain_text('films where genre = "Crime"')
    expect(page).to_have_url(re.compile("tab=search"))
    film = visit(page, web, "&film=full")
    film.get_by_role("link", name=DIRECTOR).first.click()
    expect(page.locator("#search-results h2")).to_have_text(re.compile("^1 film where director"))
    expect(page.locator("#search-results .result")).to_contain_text("Full (2020)")


@pytest.mark.usefixtures("odd")
def test_long_lists_and_overviews_are_folded(web: Service, page: Page, calm: Calm) -> None:
    film = visit(page, web, "&film=full")
    heading(page, "Full (2020)")
    for label in ("Directed by", "Written by", "With", "Countries", "Languages", "Tags", "Keywords"):
        expect(film.get_by_role("term").filter(has_text=label)).to_be_visible()
    last = film.get_by_role("link", name="Actor 39")
    expect(last).to_be_hidden()
    film.get_by_text("and 30 more").click()
    expect(last).to_be_visible()
    expect(film.locator(".overview").last).to_be_hidden()
    film.get_by_text("Read on").click()
    expect(film.locator(".overview").last).to_be_visible()
    calm(page)


# --- stars -----------------------------------------------------------------------------------------------------
def test_stars_are_given_and_taken_back(web: Service, page: Page, new_user: Callable[[], str]) -> None:
    page.add_init_script(f"localStorage.setItem('matinee.user', '{new_user()}')")
    film = visit(page, web, "&film=2571")
    heading(page, "The Matrix")
    ratings = film.locator(".film-ratings p").first
    before = ratings.inner_text()
    film.get_by_role("button", name="4 of 5 stars for The Matrix").click()
    expect(film.locator(".yours")).to_contain_text("You gave it 4 stars.")
    expect(ratings).not_to_have_text(before)
    expect(film.get_by_role("button", name="4 of 5 stars for The Matrix")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(film.locator(".yours")).to_contain_text("You gave it 4 stars.")
    film.get_by_role("button", name="Take my stars back").click()
    expect(film.locator(".yours")).to_contain_text("Have you seen it?")
    expect(ratings).to_have_text(before, use_inner_text=True)


@pytest.mark.parametrize("press", ["click", pytest.param("Enter", marks=pytest.mark.extended)])
def test_half_a_star_less_and_the_whole_again(
    web: Service, page: Page, new_user: Callable[[], str], calm: Calm, press: str
) -> None:
    page.add_init_script(f"localStorage.setItem('matinee.user', '{new_user()}')")
    film = visit(page, web, "&film=2571")
    heading(page, "The Matrix")
    yours, fourth = film.locator(".yours"), film.locator(".yours button[data-stars='4']")
    for rating, pressed, after in (("4 stars", "true", "3.5"), ("3.5 stars", "mixed", "4"), ("4 stars", "true", "3.5")):
        if press == "click":
            fourth.click()
        else:
            fourth.press(press)
        expect(yours.locator(".ask")).to_have_text(
            f"You gave it {rating}. Press the fourth star again for {after}.", use_inner_text=True
        )
        expect(fourth).to_have_attribute("aria-pressed", pressed)
        expect(fourth).to_have_attribute("aria-label", re.compile(f"^4 of 5 stars for The Matrix.*again for {after}$"))
        expect(fourth).to_be_focused()
        calm(page)
    fourth.click()
    expect(yours).to_contain_text("You gave it 3.5 stars.")
    page.reload()
    expect(yours).to_contain_text("You gave it 3.5 stars.")
    expect(yours.locator(".star.on")).to_have_count(3)
    expect(fourth).to_have_class("star half")
    fourth.hover()
    expect(fourth.locator("span")).to_have_css("background-image", re.compile("gradient"))
    film.locator(".yours button[data-stars='5']").hover()  # what a press would give is shown whole
    expect(fourth.locator("span")).to_have_css("background-image", "none")
    film.get_by_role("button", name="Take my stars back").click()
    expect(yours).to_contain_text("Have you seen it?")
    expect(yours.locator("[title]")).to_have_count(0)
    expect(yours.locator(".on, .half")).to_have_count(0)


def test_what_to_expect_and_why(web: Service, page: Page) -> None:
    page.add_init_script("localStorage.setItem('matinee.user', '42')")
    film = visit(page, web, "&film=589")  # Terminator 2, which the user 42 has not rated
    expect(film.locator(".yours")).to_contain_text(
        re.compile(r"★ \d\.\d expected for you(, because you (loved|liked) \w+|; no single film decides)")
    )


@pytest.mark.extended
def test_the_core_stops_and_comes_back(
    web: Service, core: Service, page: Page, allow_errors: Callable[[Page], None], new_user: Callable[[], str]
) -> None:
    allow_errors(page)
    page.add_init_script(f"localStorage.setItem('matinee.user', '{new_user()}')")
    film = visit(page, web, "&film=318")
    heading(page, "Shawshank")
    core.stop()
    for _ in range(2):
        film.get_by_role("button", name="5 of 5 stars").click()
        expect(film.locator(".yours").get_by_role("alert")).to_contain_text("does not answer")
        expect(film.locator(".yours .star.on")).to_have_count(0)
    heading(page, "Shawshank")
    box_of(page).fill("alien")
    expect(page.locator("#film-box .note")).to_contain_text("cannot be looked up right now")
    core.start()
    film.get_by_role("button", name="5 of 5 stars").click()
    expect(film.locator(".yours")).to_contain_text("You gave it 5 stars.")
    expect(film.get_by_role("alert")).to_have_count(0)


# --- odd films -------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize(
    ("name", "title"),
    [
        pytest.param("bare", "Bare", marks=pytest.mark.extended),
        ("hostile", HOSTILE),
        ("long", LONG.strip()),
        pytest.param("rtl", "فيلم", marks=pytest.mark.extended),
    ],
)
def test_odd_films_have_a_whole_page(web: Service, page: Page, phone: Page, calm: Calm, name: str, title: str) -> None:
    for each in (page, phone):
        each.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        film = visit(each, web, f"&film={name}")
        heading(each, title)
        expect(film.locator(".film-ratings")).to_contain_text("Nobody has rated this film yet.")
        expect(film.locator(".film-similar")).to_contain_text("Nobody has rated this film yet")
        expect(film.locator(".film-similar")).to_contain_text("There is no poster to compare")
        seen(each, "#film .film-poster img")
        no_sideways(each)
        calm(each)


def test_an_unknown_film(web: Service, page: Page, calm: Calm) -> None:
    film = visit(page, web, "&film=<b>nothing</b>")
    expect(film.get_by_role("alert")).to_contain_text("There is no film with the id “<b>nothing</b>”.")
    calm(page)
    box_of(page).fill("heat 1995")
    box_of(page).press("Enter")
    heading(page, "Heat (1995)")


def test_without_a_film_there_are_some_to_begin_with(web: Service, page: Page, calm: Calm) -> None:
    film = visit(page, web, "")
    expect(film.get_by_role("list", name="Films to begin with").get_by_role("link")).to_have_count(12)
    for chart in ("Trending", "Top rated"):
        expect(film.get_by_role("list", name=chart).get_by_role("link")).to_have_count(6)
    calm(page)
    film.get_by_role("link").first.click()
    expect(film.locator(".film-similar")).to_be_visible()


# --- the title box ---------------------------------------------------------------------------------------------
def test_typing_errors_and_the_keyboard(web: Service, page: Page, calm: Calm) -> None:
    visit(page, web, "")
    box = box_of(page)
    box.press_sequentially("starr warrs")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options.first).to_contain_text("Star Wars: Episode IV")
    expect(options.first).to_contain_text("1977")
    expect(page.locator("#film-box [role=status]")).to_have_text(f"{options.count()} titles")
    expect(box).to_have_attribute("aria-expanded", "true")
    calm(page)
    box.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", str(options.first.get_attribute("id")))
    box.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    box.press("ArrowDown")
    box.press("Enter")
    heading(page, "Star Wars: Episode IV")
    expect(page).to_have_url(re.compile(r"tab=film&film=260$"))
    expect(box).to_have_attribute("aria-expanded", "false")


def test_escape_closes_and_then_empties(web: Service, page: Page) -> None:
    visit(page, web, "")
    box = box_of(page)
    box.press_sequentially("alien")
    expect(page.get_by_role("option").first).to_be_visible()
    box.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(box).to_have_value("alien")
    box.press("Escape")
    expect(box).to_have_value("")
    box.press_sequentially("heat")
    page.get_by_role("button", name="Empty the box").click()
    expect(box).to_have_value("")
    expect(box).to_be_focused()


@pytest.mark.extended
def test_a_touch_chooses(web: Service, phone: Page) -> None:
    visit(phone, web, "")
    box_of(phone).press_sequentially("blade runer")
    phone.get_by_role("option").first.tap()
    heading(phone, "Blade Runner (1982)")
    no_sideways(phone)


@pytest.mark.usefixtures("odd")
def test_any_text_in_the_box(web: Service, page: Page) -> None:
    visit(page, web, "")
    box, note = box_of(page), page.locator("#film-box [role=status]")
    box.fill("x" * 10_000)
    expect(note).to_have_text("This is longer than any title.")
    box.fill("🎬😀👽")
    expect(note).to_have_text("No title comes near this.")
    box.fill("<img src=x one")
    expect(page.get_by_role("option").first).to_contain_text(HOSTILE)
    box.fill("🎬😀👽")
    box.press("Enter")
    expect(page.locator("#film").get_by_role("alert")).to_contain_text("No title comes near this.")
    box.fill("")
    box.press("Enter")
    expect(page.get_by_role("list", name="Films to begin with")).to_be_visible()
