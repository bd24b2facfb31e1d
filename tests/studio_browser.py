"""The studio in a real browser as tests drive it: waiting for Streamlit's reruns, pickers, charts, what is cut off.

Every action makes Streamlit run the page again. Until that run is done the elements of the run before stand beside the
new ones, and a picker that is about to go takes what is typed with it. So a test first expects what an action shows,
and then waits until the page is `settled` before it looks at all elements of a kind, or acts again.
"""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

OPENING = 60.0
"""Seconds that a picker of all films gets to open."""
_SETTLED = """() => {
  const app = document.querySelector("[data-testid='stApp']");
  return app?.dataset.testScriptState === "notRunning" && !document.querySelector("[data-stale='true']");
}"""
_CUT_OFF = """() => {
  const main = document.querySelector("[data-testid='stMain']");
  const kinds = "h1, h2, h3, li, .js-plotly-plot, [data-testid^='stMetric'], [role='combobox']";
  const wide = [...main.querySelectorAll(kinds)]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
  return [main.scrollWidth > main.clientWidth + 1 ? ["the page scrolls sideways"] : [],
    wide.map((one) => one.outerHTML.slice(0, 200))].flat();
}"""


def settled(page: Page) -> None:
    """Wait until no run is in progress and nothing of an earlier one is left.

    Only after something that an action shows has been expected: until the browser hears of the run that the action
    starts, the page is as settled as it was before.
    """
    page.wait_for_function(_SETTLED)


def pick(page: Page, name: str, label: str, typed: str | None = None) -> None:
    """Choose an option of a picker by typing; the page's next run is for the caller to expect.

    A picker of all films makes a list of all of them as soon as it has the focus, and the browser takes nothing until
    that is done: on a busy machine for longer than a page gets.
    """
    picker = page.get_by_role("combobox", name=name, exact=True)
    picker.fill(typed or label, timeout=1000 * OPENING)
    page.get_by_role("option", name=label, exact=True).click(timeout=1000 * OPENING)
    expect(picker).to_have_value(label)


def enter(box: Locator, text: str) -> None:
    """Type a text in place of what is there, and send it."""
    box.click()
    box.fill(text)
    box.press("Enter")


def drawn(page: Page, number: int) -> None:
    """Wait until so many charts are drawn."""
    expect(page.locator(".stPlotlyChart:has(.main-svg)")).to_have_count(number)


def metric(page: Page, name: str) -> Locator:
    """The value of one figure of a row of figures."""
    return page.get_by_test_id("stMetric").filter(has_text=name).get_by_test_id("stMetricValue")


def nothing_cut_off(page: Page) -> None:
    """Nothing of the page reaches over its right edge.

    Raises:
        AssertionError: with the elements that do.
    """
    found: list[str] = page.evaluate(_CUT_OFF)
    assert not found, f"cut off at {page.url}\n" + "\n".join(found)
