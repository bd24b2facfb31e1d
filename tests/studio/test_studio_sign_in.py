"""The studio's password: no page and no question to the core before it, a limit of guesses, signing out."""

from __future__ import annotations

import pytest

from apps_support import Service
from matinee.access.sign_in import GUESSES
from matinee.studio import sign_in
from studio_support import open_app

PASSWORD = "four random words, long"


@pytest.fixture
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_WEB_PASSWORD", PASSWORD)
    sign_in._shared.cache_clear()


@pytest.mark.usefixtures("_password")
def test_no_page_before_the_password(asked_core: Service) -> None:
    app = open_app(page="data")
    assert [title.value for title in app.title] == ["Matinee studio"]
    assert not app.sidebar.radio
    assert [box.label for box in app.text_input] == ["Password"]
    app.text_input[0].set_value("wrong")
    app.button[0].click().run()
    assert [error.value for error in app.error] == ["This is not the password."]
    assert not app.sidebar.radio
    app.text_input[0].set_value(PASSWORD)
    app.button[0].click().run()
    assert "data" in [section.value for section in app.sidebar.radio]
    assert not app.exception
    [out] = [button for button in app.sidebar.button if button.label == "Sign out"]
    out.click().run()
    assert not app.sidebar.radio
    assert [box.label for box in app.text_input] == ["Password"]


@pytest.mark.usefixtures("_password")
def test_guesses_are_counted_across_sessions() -> None:
    said = [sign_in._fault(sign_in._shared(PASSWORD), "wrong") for _ in range(GUESSES + 2)]
    assert said[:GUESSES] == ["This is not the password."] * GUESSES
    assert "too many attempts" in said[-1]
    assert "too many attempts" in sign_in._fault(sign_in._shared(PASSWORD), PASSWORD)
