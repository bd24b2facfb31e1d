"""The watch over the pages of these tests sees what it is there for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from browser_support import Watch, calm

GOOD = "<!doctype html><html lang=en><title>A page</title><main><h1>A page</h1></main>"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('broken')</script>", "broken"),
        ("<script>nothing.at.all</script>", "not defined"),
        ("<script>Promise.reject(new Error('lost'))</script>", "lost"),
        ("<img alt='' src='http://127.0.0.1:9/none.png'>", "ERR_"),
        ("<img alt='' src='http://elsewhere.invalid/none.png'>", "elsewhere.invalid"),
        ("<script>new WebSocket('ws://elsewhere.invalid/')</script>", "elsewhere.invalid"),
    ],
)
def test_faults_of_a_page_are_seen(browser: Browser, body: str, fault: str) -> None:
    with browser.new_context() as context:
        watch = Watch(context)
        page = context.new_page()
        watch.check()
        page.set_content(GOOD + body)
        page.wait_for_timeout(50)
        with pytest.raises(AssertionError, match=fault):
            watch.check()
        watch.errors_allowed = True
        if "elsewhere" not in fault:
            watch.check()


def test_faults_of_accessibility_are_told(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(GOOD)
        calm(page)
        page.set_content(GOOD + "<button></button>")
        with pytest.raises(AssertionError, match="button-name"):
            calm(page)
