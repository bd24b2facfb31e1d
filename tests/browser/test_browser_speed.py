"""From the click on a star to the new list: how long it takes is printed here, and compared in benchmarks/web.py."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from statistics import median

import pytest
from playwright.sync_api import Page

from apps_support import Service
from browser_support import listed, rated_in

CLICKS = 24


@pytest.mark.extended
def test_every_click_on_a_star_draws_a_new_list(
    web: Service, page: Page, new_user: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    page.goto(f"{web.url}/?tab=for-you&user={new_user()}")
    page.locator("#wall li").first.wait_for()
    page.locator("#picks li").first.wait_for()
    films = page.locator("#wall li").count()
    took, lists = [], [listed(page)]
    for place in range(CLICKS):
        took.append(rated_in(page, place % films, stars=1 + (7 * place) % 5))
        lists.append(listed(page))
    assert all(lists)
    changed = sum(before != after for before, after in pairwise(lists))
    assert changed >= CLICKS // 2, f"the list changed after {changed} of {CLICKS} clicks"
    page.get_by_role("heading", name="Your ratings").get_by_text(f"{min(CLICKS, films)} films").wait_for()
    with capsys.disabled():
        print(f"\nclick → new list: {median(took):.0f} ms (median of {CLICKS}), {max(took):.0f} ms at most")
