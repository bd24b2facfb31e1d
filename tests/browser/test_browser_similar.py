"""More like this and the map of films, as people use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import Calm

FOUND = ".alike-list .card"
DRAWN = "#similar-map .view[data-drawn]"
SLOW = 60_000
"""Milliseconds that a map gets: without a graphics card, on a machine that runs all tests at once."""
HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{alert(3)}} 🎬 شعلة"

# Where the film of a row lies on the screen.
_PLACE = """(row) => {
  const plot = document.querySelector("#similar-map .plot");
  const { left, top } = plot.getBoundingClientRect();
  const { xaxis, yaxis } = plot._fullLayout;
  const films = plot.data.filter((one) => !one.marker.symbol);
  const [x, y] = ["x", "y"].map((axis) => films.flatMap((one) => [...one[axis]])[row]);
  return [left + xaxis._offset + xaxis.d2p(x), top + yaxis._offset + yaxis.d2p(y)];
}"""
# A film that stands alone, in the middle half of the map, so that pointing at it means it.
_LONELY = """() => {
  const films = document.querySelector("#similar-map .plot").data.filter((one) => !one.marker.symbol);
  const [x, y] = ["x", "y"].map((axis) => films.flatMap((one) => [...one[axis]]));
  const spread = (of) => {
    const all = [...of].sort((a, b) => a - b);
    return [0.02, 0.98].map((share) => all[Math.floor(all.length * share)]);
  };
  const [[left, right], [low, high]] = [spread(x), spread(y)];
  let best = [-1, -1];
  for (let row = 0; row < x.length; row += 7) {
    if (x[row] < left || x[row] > right || y[row] < low || y[row] > high) continue;
    let near = Infinity;
    for (let other = 0; other < x.length; other++) {
      if (other !== row) near = Math.min(near, (x[row] - x[other]) ** 2 + (y[row] - y[other]) ** 2);
    }
    if (near > best[1]) best = [row, near];
  }
  return best[0];
}"""


def recommend(page: Page, title: str) -> None:
    box = page.get_by_role("combobox", name="Title of a film")
    box.fill(title)
    box.blur()  # closes the list of titles, which may cover the button
    page.get_by_role("button", name="Get Recommendations").click()


def plot(page: Page) -> None:
    page.get_by_role("tab", name="Plot Query and Neighbors").click()
    page.get_by_role("button", name="Plot", exact=True).click()
    page.locator(DRAWN).wait_for(timeout=SLOW)


@pytest.fixture
def opened(web: Service, page: Page) -> Page:
    """The page, ready for a title."""
    page.goto(f"{web.url}/?tab=similar")
    page.get_by_role("combobox", name="Title of a film").wait_for()
    return page


@pytest.fixture
def hostile(core: Service) -> Iterator[str]:
    """A film whose title is a small program; its id."""
    url = f"{core.url}/v1/movies/hostile-title"
    film = {"title": HOSTILE, "genres": ["Drama"], "tags": ["prison"]}
    httpx.put(url, json=film, trust_env=False).raise_for_status()
    yield "hostile-title"
    httpx.delete(url, trust_env=False)


def test_similar_finds_a_misspelt_title(opened: Page, calm: Calm) -> None:
    recommend(opened, "starr warrs")
    expect(opened.locator(FOUND)).to_have_count(5)
    expect(opened.locator(".alike-list h3")).to_have_text("Taken for Star Wars: Episode IV - A New Hope (1977)")
    expect(opened.locator(".alike-list")).to_contain_text("by what films are about, FAISS")
    links = opened.locator(f"{FOUND} a.imdb").evaluate_all("(all) => all.map((one) => one.href)")
    assert len(links) == 5
    assert all(link.startswith("https://www.imdb.com/title/tt") and len(link) == 36 for link in links)
    opened.wait_for_url("**/?tab=similar&title=starr+warrs")
    calm(opened)


@pytest.mark.extended
def test_similar_with_another_index_and_number(opened: Page) -> None:
    opened.get_by_role("radio", name="Annoy").check()
    opened.locator("#similar-n input[type=number]").fill("12")
    recommend(opened, "Alien (1979)")
    expect(opened.locator(FOUND)).to_have_count(12)
    expect(opened.locator(".alike-list h3")).to_have_text("More like Alien (1979)")
    expect(opened.locator(".alike-list")).to_contain_text("by what films are about, Annoy")
    for name in ("Exact", "HNSW"):
        opened.get_by_role("radio", name=name).check()
        opened.get_by_role("button", name="Get Recommendations").click()
        expect(opened.locator(".alike-list")).to_contain_text({"Exact": "exact search", "HNSW": "HNSW"}[name])


def test_similar_by_plot(opened: Page, calm: Calm) -> None:
    opened.get_by_role("radio", name="Plot: words").check()
    recommend(opened, "Jaws (1975)")
    expect(opened.locator(FOUND)).to_have_count(5)
    expect(opened.locator(".alike-list")).to_contain_text("Found by the words that plots share.")
    expect(opened.locator(FOUND).first).to_contain_text("shared words: ")
    opened.wait_for_url("**/?tab=similar&title=Jaws+%281975%29&like=words")
    calm(opened)
    opened.reload()
    expect(opened.get_by_role("radio", name="Plot: words")).to_be_checked()
    expect(opened.locator(FOUND)).to_have_count(5)
    opened.get_by_role("radio", name="Plot: meaning").check()
    opened.get_by_role("button", name="Get Recommendations").click()
    expect(opened.locator("#similar-found .trouble")).to_contain_text("no vectors of texts")


@pytest.mark.extended
def test_similar_does_not_recognise_a_title(opened: Page) -> None:
    for title in ("", "qwxzvk jjj", "x" * 10_000, "🎬🎬🎬"):
        recommend(opened, "Alien (1979)")
        expect(opened.locator(FOUND)).to_have_count(5)
        recommend(opened, title)
        expect(opened.locator("#similar-found .trouble")).to_contain_text("Movie Unrecognized. Try Again")
        expect(opened.locator(FOUND)).to_have_count(0)


@pytest.mark.extended
def test_similar_by_enter_and_by_choosing(opened: Page) -> None:
    box = opened.get_by_role("combobox", name="Title of a film")
    box.fill("alien")
    box.press("Enter")
    expect(opened.locator(".alike-list h3")).to_contain_text("Alien (1979)")
    box.fill("toy story")
    opened.get_by_role("option", name="Toy Story 2").click()
    expect(opened.locator(".alike-list h3")).to_contain_text("Toy Story 2 (1999)")


def test_similar_shows_a_title_as_text(opened: Page, hostile: str) -> None:
    opened.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    recommend(opened, HOSTILE)
    expect(opened.locator(".alike-list h3")).to_contain_text(HOSTILE)
    plot(opened)
    expect(opened.locator(".film-map .say")).to_contain_text("newer than the map")


@pytest.mark.extended
def test_plot_before_any_query(opened: Page, calm: Calm) -> None:
    plot(opened)
    expect(opened.locator(".film-map .say")).to_contain_text("Here are all")
    expect(opened.locator(".film-map .listed")).to_be_empty()
    counted = "document.querySelector('.plot').data.reduce((sum, one) => sum + one.x.length, 0)"
    assert opened.evaluate(counted) > 9000
    calm(opened)


def test_plot_of_a_query_and_its_neighbours(opened: Page, calm: Calm) -> None:
    recommend(opened, "starr warrs")
    expect(opened.locator(FOUND)).to_have_count(5)
    plot(opened)
    expect(opened.locator(".film-map .say")).to_contain_text(
        "Star Wars: Episode IV - A New Hope (1977) and its 5 nearest"
    )
    marked = opened.evaluate(
        "document.querySelector('.plot').data.slice(-2).map((one) => [one.marker.symbol, one.x.length])"
    )
    assert marked == [["diamond", 5], ["star", 1]]
    listed = opened.locator(".film-map .listed li")
    expect(listed).to_have_count(5)
    calm(opened)

    before = opened.evaluate("document.querySelector('.plot').layout.xaxis.range")
    opened.get_by_role("button", name="Neighbours only").click()
    near = opened.evaluate("document.querySelector('.plot').layout.xaxis.range")
    assert near[1] - near[0] < before[1] - before[0]
    opened.get_by_role("button", name="Whole map").click()
    assert opened.evaluate("document.querySelector('.plot').layout.xaxis.range") == before

    listed.first.get_by_role("link").focus()  # the keyboard's way to a film of the map
    expect(opened.locator(".film-map .tip")).to_contain_text("similarity")
    listed.first.get_by_role("link").press("Enter")
    opened.wait_for_url("**/?tab=film&film=*")
    opened.go_back()
    expect(opened.locator(".film-map .say")).to_contain_text("Star Wars: Episode IV")


def test_films_of_the_map_show_themselves_and_can_be_gone_to(web: Service, page: Page) -> None:
    page.goto(f"{web.url}/?tab=similar&title=alien&by=annoy&n=12&view=map")
    page.locator(DRAWN).wait_for(timeout=SLOW)
    row = page.evaluate(_LONELY)
    page.locator(".film-map .plot").scroll_into_view_if_needed()
    x, y = page.evaluate(_PLACE, row)
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y)
    tip = page.locator(".film-map .tip")
    tip.wait_for()
    film = tip.locator("img").get_attribute("src")
    assert film is not None
    page.mouse.click(x, y)
    page.wait_for_url(f"**/?tab=film&film={film.split('/')[2].split('?')[0]}*")


@pytest.mark.extended
def test_map_on_a_phone(web: Service, phone: Page, calm: Calm) -> None:
    phone.goto(f"{web.url}/?tab=similar&title=alien&by=annoy&n=4&view=map")
    phone.locator(DRAWN).wait_for(timeout=SLOW)
    calm(phone)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    phone.get_by_role("tab", name="Movie Recommender").click()
    expect(phone.locator(FOUND)).to_have_count(4)
    calm(phone)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_map_in_the_dark_and_without_webgl(web: Service, dark: Page, calm: Calm) -> None:
    dark.add_init_script(
        """const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind.includes("webgl") ? null : real.call(this, kind, ...more);
        };"""
    )
    dark.goto(f"{web.url}/?tab=similar&view=map")
    dark.locator(DRAWN).wait_for(timeout=SLOW)
    assert dark.evaluate("document.querySelector('.plot').data[0].type") == "scatter"
    calm(dark)


@pytest.mark.extended
def test_similar_while_the_core_is_away(opened: Page, core: Service, allow_errors: Callable[[Page], None]) -> None:
    allow_errors(opened)
    core.stop()
    recommend(opened, "alien")
    expect(opened.locator("#similar-found .trouble")).to_contain_text("does not answer")
    core.start()
    opened.get_by_role("button", name="Get Recommendations").click()
    expect(opened.locator(FOUND)).to_have_count(5)
