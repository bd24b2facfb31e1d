"""The web app below a path of a proxy: everything that it asks stays below that path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service, serving
from proxy_support import proxy


@pytest.mark.extended
def test_the_web_app_behind_a_proxy(core: Service, page: Page, new_user: Callable[[], str], tmp_path: Path) -> None:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_WEB_ROOT": "/films"}
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with serving(["web"], "/health", tmp_path, environment) as web, proxy("/films", web.url) as url:
        page.goto(f"{url}/?tab=for-you&user={new_user()}")
        page.locator("#wall button.star").first.click()
        expect(page.locator("#ratings li")).to_have_count(1)
        page.goto(f"{url}/?tab=film&film=318")
        expect(page.locator("[role=tabpanel]:visible img.poster").first).to_be_visible()
        assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []
        page.goto("about:blank")
