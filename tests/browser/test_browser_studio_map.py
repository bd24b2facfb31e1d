"""The studio's map in a real browser: points that can be clicked, marks, addresses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import SCREENS, Calm
from studio_browser import nothing_cut_off, settled

FIGURE = ".st-key-map-figure .js-plotly-plot"
PLACE = """(figure, title) => {
    const {xaxis, yaxis} = figure._fullLayout;
    const plane = figure.querySelector('.nsewdrag').getBoundingClientRect();
    for (const trace of figure._fullData) {
        const row = Array.from(trace.text || []).indexOf(title);
        if (row >= 0) {
            return [plane.left + xaxis.d2p(trace.x[row]), plane.top + yaxis.d2p(trace.y[row])];
        }
    }
    return null;
}"""
ALONE = """(figure) => {
    // The film with the most room around it, well inside: a click there can mean no other.
    const {xaxis, yaxis, width, height} = figure._fullLayout;
    const plane = figure.querySelector('.nsewdrag').getBoundingClientRect();
    const points = figure._fullData.flatMap((trace) => Array.from(trace.text || [], (text, row) => (
        {text, x: xaxis.d2p(trace.x[row]), y: yaxis.d2p(trace.y[row])})));
    const inside = points.filter(({x, y}) => x > 30 && y > 60 && x < plane.width - 30 && y < plane.height - 30);
    let best = null;
    for (const one of inside.filter((_, place) => place % 7 === 0)) {
        let room = Infinity;
        for (const other of points) {
            if (other !== one) { room = Math.min(room, (one.x - other.x) ** 2 + (one.y - other.y) ** 2); }
        }
        if (!best || room > best.room) { best = {...one, room}; }
    }
    return best.text;
}"""
NAMES = "(figure) => figure._fullData.map((trace) => trace.name)"


def figure(page: Page) -> Any:
    page.wait_for_function(f"() => document.querySelector('{FIGURE}')?._fullLayout?.xaxis?.d2p")
    return page.locator(FIGURE)


def marked(page: Page, name: str) -> None:
    """Wait until the figure has a series of this name."""
    page.wait_for_function(f"(name) => ({NAMES})(document.querySelector('{FIGURE}')).includes(name)", arg=name)


def title_of(film: str) -> re.Pattern[str]:
    return re.compile(re.escape(film.removesuffix("…")))


@pytest.mark.parametrize("size", SCREENS)
def test_studio_map_with_a_film_and_a_user(
    studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm
) -> None:
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=map&space=taste&colour=Year&film=2959&user=42")
    figure(page)
    for name in ("Rated by the user", "Similar films", "The film"):
        marked(page, name)
    expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()
    expect(page.get_by_text("The user gave it 3 stars.")).to_be_visible()
    expect(page.locator("ol li")).to_have_count(10)
    settled(page)
    calm(page)
    nothing_cut_off(page)


@pytest.mark.extended
def test_studio_map_a_click_shows_the_film_and_a_step_back_leaves_it(studio: Service, page: Page) -> None:
    page.goto(studio.url + "/?page=map")
    shown = figure(page)
    expect(page.get_by_text("Click a film on the map")).to_be_visible()
    settled(page)
    film = shown.evaluate(ALONE)
    x, y = shown.evaluate(PLACE, film)
    page.mouse.move(x, y)
    expect(page.locator(f"{FIGURE} .hoverlayer")).to_contain_text(film)
    page.mouse.click(x, y)
    expect(page.get_by_role("heading", name=title_of(film))).to_be_visible()
    marked(page, "The film")
    expect(page).to_have_url(re.compile("film="))
    settled(page)
    page.go_back()
    expect(page.get_by_text("Click a film on the map")).to_be_visible()


@pytest.mark.extended
def test_studio_map_changes_its_space_and_colour(studio: Service, page: Page, calm: Calm) -> None:
    page.goto(studio.url + "/?page=map")
    figure(page)
    marked(page, "Comedy")
    settled(page)
    for box, text, address in (("Colour", "Mean stars", "colour=Mean"), ("Space", "Posters", "space=poster")):
        page.get_by_role("combobox", name=box, exact=True).click()
        page.get_by_role("option", name=text).click()
        expect(page).to_have_url(re.compile(address))
        settled(page)
    marked(page, "Mean stars")
    expect(page.get_by_text(re.compile(r"films by posters"))).to_be_visible()
    settled(page)
    page.get_by_text("Show as a table").click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    settled(page)
    calm(page)
