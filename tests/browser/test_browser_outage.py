"""Services that stop while somebody looks: friendly words, and all is well again when they are back."""

from __future__ import annotations

from playwright.sync_api import Page

from browser_support import Calm, Service


def test_it_stands(web: Service, page: Page, phone: Page, calm: Calm) -> None:
    for each in (page, phone):
        each.goto(web.url)
        each.locator("ol.picks li").first.wait_for()
        calm(each)
