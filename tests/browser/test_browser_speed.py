"""From the click on a star to the new list. How long that takes is measured, and printed; benchmarks/web.py compares."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import pytest
from playwright.sync_api import Page

from apps_support import Service
from browser_support import listed, rated_in

CLICKS = 24


def test_every_click_on_a_star_draws_a_new_list(
    web: Service, page: Page, new_user: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    page.goto(f"{web.url}/?tab=for-you&user={new_user()}")
    page.locator("#wall li").nth(CLICKS - 1).wait_for()
    page.locator("#picks li").first.wait_for()
    took, lists = [], [listed(page)]
    for place in range(CLICKS):
        took.append(rated_in(page, place, stars=1 + (7 * place) % 5))
        lists.append(listed(page))
    assert all(lists)
    changed = sum(before != after for before, after in zip(lists, lists[1:], strict=False))
    assert changed >= CLICKS * 3 // 4, f"the list changed after {changed} of {CLICKS} clicks"
    page.get_by_role("heading", name="Your ratings").get_by_text(f"{CLICKS} films").wait_for()
    with capsys.disabled():
        print(f"\nclick → new list: {median(took):.0f} ms (median of {CLICKS}), {max(took):.0f} ms at most")
