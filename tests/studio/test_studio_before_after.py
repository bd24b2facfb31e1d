"""The page of lists before and after a setting, for several profiles."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from apps_support import Service
from matinee.client import Client, calls
from matinee.studio.style import plain
from studio_support import HOSTILE, open_app, texts_of, titles_of

pytestmark = pytest.mark.usefixtures("asked_core")


def page(**query: str | list[str]) -> AppTest:
    return open_app(page="before-after", **query)


def test_before_after_begins_with_three_users_and_a_change() -> None:
    app = page()
    assert not app.exception
    assert app.multiselect(key="before-after-users").value == ["1", "2", "3"]
    assert app.selectbox(key="before-model").value == app.selectbox(key="after-model").value == "blend"
    assert app.select_slider(key="after-adventurous").value == 0.8
    assert len(titles_of(app)) == 3 * 2 * 10
    assert plain("Before: blend. After: blend, adventurous 0.8.") in texts_of(app)
    assert texts_of(app).count("Liked most") == 3


def test_before_after_lists_are_those_of_the_service(asked_core: Service) -> None:
    with Client(asked_core.url) as core:
        lists = [
            [item["movie_id"] for item in core.send(calls.recommendations("2", model=name, n=10))["items"]]
            for name in ("ease", "popular")
        ]
    both, either = set(lists[0]) & set(lists[1]), set(lists[0]) | set(lists[1])
    app = page(user="2", model="ease", n="10", **{"model-after": "popular"})
    assert not app.exception
    figures = app.dataframe[0].value.iloc[0]
    assert figures["Profile"] == "User 2"
    assert (figures["In both"], figures["New"], figures["Dropped"]) == (len(both), 10 - len(both), 10 - len(both))
    assert figures["Jaccard"] == pytest.approx(len(both) / len(either))
    before, after = (part.proto.body for part in app.get("html") if "<ol" in part.proto.body)
    assert before.count(">dropped<") == after.count(">new<") == 10 - len(both)
    assert "<img" in before
    assert app.query_params == {
        "page": "before-after",
        "user": "2",
        "n": "10",
        "model": "ease",
        "model-after": "popular",
    }


def test_before_after_of_equal_settings_says_so() -> None:
    app = page(user="2", model="ease", **{"model-after": "ease"})
    assert "Both settings are the same" in texts_of(app)
    assert app.dataframe[0].value.iloc[0]["Jaccard"] == 1
    app.select_slider(key="after-diversity").set_value(1.0).run()
    assert not app.exception
    assert app.query_params["diversity-after"] == "1.0"
    assert "Both settings are the same" not in texts_of(app)


def test_before_after_of_favorites_and_a_user() -> None:
    app = page(film=["1", "2", "3"], user="2")
    assert not app.exception
    assert list(app.dataframe[0].value["Profile"]) == ["Your favorites", "User 2"]
    assert len(titles_of(app)) == 2 * 2 * 10
    app = page(film=["1", "gone"])
    assert list(app.dataframe[0].value["Profile"]) == ["Your favorites"]
    assert app.query_params["film"] == "1"


def test_before_after_obeys_the_filter_of_its_side() -> None:
    app = page(user="2", model="ease", **{"model-after": "ease"})
    app.text_input(key="after-filter").set_value("year < 1960").run()
    assert not app.exception
    after = titles_of(app)[10:]
    assert after
    assert all(int(title[-5:-1]) < 1960 for title in after)
    app.text_input(key="after-filter").set_value("year < 1000").run()
    assert "No film passes the filter" in texts_of(app)


def test_before_after_fault_of_a_filter_is_shown_at_its_place() -> None:
    app = page(user="2", filter="year >= 1990 and gnre = Drama")
    assert not app.exception
    assert "Did you mean" in app.error[0].value
    line, mark = app.code[0].value.split("\n")
    assert line[mark.index("^") :].startswith("gnre")


@pytest.mark.parametrize(
    "user",
    [pytest.param("nobody", marks=pytest.mark.extended), "<script>alert(1)</script> $x^2$".replace("/", "")],
)
def test_before_after_somebody_who_has_rated_nothing(user: str) -> None:
    app = page(user=user)
    assert not app.exception
    assert "has rated nothing" in texts_of(app)
    assert "most popular films" in texts_of(app)
    assert "<script>" not in texts_of(app)


@pytest.mark.parametrize(
    "user", [HOSTILE, *(pytest.param(user, marks=pytest.mark.extended) for user in ("L" * 2000, "\u202e"))]
)
def test_before_after_somebody_who_cannot_be(user: str) -> None:
    app = page(user=user)
    assert not app.exception
    assert "cannot be the id" in app.warning[0].value
    assert "Choose users" in texts_of(app)


def test_before_after_odd_addresses_are_mended() -> None:
    for n in ("x", "9999999"):
        app = page(n=n, user="2", model="none", diversity="7", **{"model-after": HOSTILE, "adventurous-after": "x"})
        assert not app.exception
        assert 5 <= (app.number_input(key="before-after-n").value or 0) <= 50
        assert app.select_slider(key="before-diversity").value is None


def test_before_after_address_that_changes_by_itself_counts() -> None:
    app = page(user="2", model="ease")
    app.selectbox(key="before-model").set_value("ials").run()
    assert app.query_params["model"] == "ials"
    app.query_params["model"] = "ease"  # a step back
    app.run()
    assert app.selectbox(key="before-model").value == "ease"
    app.selectbox(key="before-model").set_value("stars").run()
    assert app.query_params["model"] == "stars"
