"""Signing in as a visitor does, and pages of another site: they change nothing, read nothing, and frame nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import browser_support
from apps_support import Service, serving
from browser_support import FLAGS, Calm
from nginx_support import running
from web_server import send, serve

PASSWORD = "four random words, long"
EVIL = "evil.test"


def test_a_visitor_signs_in_and_out(
    core: Service, page: Page, calm: Calm, allow_errors: Callable[[Page], None], tmp_path: Path
) -> None:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_WEB_PASSWORD": PASSWORD, "MATINEE_DATA_DIR": str(tmp_path)}
    with serving(["web"], "/health", tmp_path, environment) as web:
        page.goto(f"{web.url}/?tab=film&film=318")
        box = page.get_by_label("Password")
        expect(box).to_be_focused()
        calm(page)
        page.emulate_media(color_scheme="dark")
        calm(page)
        allow_errors(page)  # the console tells of each 401
        box.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This is not the password.")
        calm(page)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("[role=tabpanel]:visible img.poster").first).to_be_visible()
        assert page.url.endswith("/?tab=film&film=318")
        page.locator("#who .who > button").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto(f"{web.url}/")
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto("about:blank")


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Page]:
    """A page in a browser for which another site's name leads to this machine."""
    own = browser.browser_type.launch(
        executable_path=browser_support.chromium(), args=[*FLAGS, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
    )
    yield own.new_page()
    own.close()


def test_a_page_of_another_site_changes_nothing(
    visitor: Page, core: Service, web: Service, studio: Service, new_user: Callable[[], str]
) -> None:
    user = new_user()
    targets = [
        f"{core.url}/v1/snapshots/rollback",
        f"{core.url}/v1/users/{user}",
        f"{web.url}/gradio_api/run/rate",
        f"{web.url}/gradio_api/upload",
    ]
    with serve(send(b"<!doctype html><title>evil</title>", kind="text/html")) as url:
        evil = url.replace("127.0.0.1", EVIL)
        for target in targets:
            visitor.goto(evil)
            with visitor.expect_response(target) as answer:
                visitor.evaluate(
                    "(to) => fetch(to, { method: 'POST', mode: 'no-cors', body: 'a=b' }).catch(() => {})", target
                )
            assert answer.value.status == 403, target
            with visitor.expect_response(target) as answer:
                visitor.evaluate(
                    """(to) => {
                      const form = Object.assign(document.createElement("form"), { method: "post", action: to });
                      document.body.append(form);
                      form.submit();
                    }""",
                    target,
                )
            assert answer.value.status == 403, target
        for service in (core, web, studio):
            visitor.goto(evil)
            path = "/_stcore/health" if service is studio else "/health"
            read = "(to) => fetch(to).then((answer) => answer.text(), () => 'nothing')"
            assert visitor.evaluate(read, f"{service.url}{path}") == "nothing"


def test_a_name_that_was_made_to_lead_here_reads_nothing(
    visitor: Page, core: Service, web: Service, studio: Service
) -> None:
    for service, path in ((core, "/v1/popular"), (core, "/docs"), (web, "/"), (web, "/gradio_api/info")):
        answer = visitor.goto(f"http://{EVIL}:{service.port}{path}")
        assert answer is not None
        assert answer.status == 421, path
    answer = visitor.goto(f"http://{EVIL}:{studio.port}/")
    assert answer is not None
    socket = f"""() => new Promise((done) => {{
      const socket = new WebSocket("ws://{EVIL}:{studio.port}/_stcore/stream");
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    }})"""
    assert answer.status >= 400 or visitor.evaluate(socket) == "refused"


def test_nobody_frames_the_pages(visitor: Page, core: Service, web: Service) -> None:
    with serve(send(b"<!doctype html><iframe></iframe>", kind="text/html")) as url:
        for address in (f"{web.url}/", f"{core.url}/docs", f"{core.url}/v1/popular"):
            visitor.goto(url.replace("127.0.0.1", EVIL))
            with visitor.expect_console_message(lambda message: "frame" in message.text.lower()) as told:
                visitor.evaluate("(to) => { document.querySelector('iframe').src = to }", address)
            assert "frame-ancestors" in told.value.text or "X-Frame-Options" in told.value.text


def test_the_studio_behind_nginx_keeps_to_its_policy(core: Service, web: Service, page: Page, tmp_path: Path) -> None:
    environment = {"MATINEE_CORE_URL": core.url, "MATINEE_STUDIO_ROOT": "/studio"}
    (tmp_path / "nginx").mkdir()
    with serving(["studio"], "/studio/_stcore/health", tmp_path, environment) as studio:
        upstreams = {
            name: [f"127.0.0.1:{one.port}"] for name, one in (("core", core), ("web", web), ("studio", studio))
        }
        with running(tmp_path / "nginx", upstreams) as nginx:
            for name in ("map", "data"):
                answer = page.goto(f"{nginx.url}/studio/?page={name}")
                assert answer is not None
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                assert answer.headers["x-content-type-options"] == "nosniff"
                expect(page.locator(".js-plotly-plot").first).to_be_visible()
            page.goto("about:blank")
