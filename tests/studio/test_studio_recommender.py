"""Recommender System (classic.md, B2), in the app over a real core."""

from __future__ import annotations

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from apps_support import Service
from matinee.studio import pickers
from studio_support import HOSTILE, ODD_FILMS, open_app, texts_of, titles_of

pytestmark = pytest.mark.usefixtures("asked_core")
GO = "recommender-go"
SCI_FI = ("Star Wars (1977)", "Alien (1979)", "Blade Runner (1982)")


def choose(app: AppTest, *films: str, model: str = "content") -> AppTest:
    """Choose films and an algorithm, and ask."""
    for i, label in enumerate(films):
        app.selectbox[i].set_value(label)
    app.main.radio[0].set_value(model)
    return app.button(key=GO).click().run()


def test_studio_screen_is_that_of_the_contract() -> None:
    app = open_app()
    navigation, algorithm = app.sidebar.radio[0], app.main.radio[0]
    assert navigation.label == "Choose Option"
    assert navigation.options[:2] == ["Recommender System", "Solution Overview"]
    assert navigation.value == "recommender"
    assert algorithm.label == "Select an algorithm"
    assert algorithm.options == ["Content Based Filtering", "Collaborative Based Filtering"]
    assert [header.value for header in app.header] == ["Enter Your Three Favorite Movies"]
    assert len(app.selectbox) == 3
    assert all(len(picker.options) == 40 + len(ODD_FILMS) for picker in app.selectbox)
    assert app.button(key=GO).label == "Recommend"
    assert not app.exception


@pytest.mark.parametrize("model", ["content", "collab"])
def test_studio_three_films_lead_to_ten_others(model: str) -> None:
    app = choose(open_app(), *SCI_FI, model=model)
    titles = titles_of(app)
    assert app.header[1].value == "We think you'll like:"
    assert [title.split(" ", 1)[0] for title in titles] == [f"{i}." for i in range(1, 11)]
    assert not {title.split(" ", 1)[1] for title in titles} & set(SCI_FI)
    assert app.query_params == {"film": ["2", "4", "6"], "model": model}
    assert not app.exception


def test_studio_all_three_films_count() -> None:
    app = choose(open_app(), *SCI_FI, model="collab")
    before = titles_of(app)
    after = titles_of(choose(app, *SCI_FI[:2], "Tootsie (1982)", model="collab"))
    assert len(before) == len(after) == 10
    assert before != after


def test_studio_the_same_film_twice_is_fine() -> None:
    twice = titles_of(choose(open_app(), SCI_FI[0], SCI_FI[0], SCI_FI[1], model="collab"))
    assert len(twice) == 10
    assert twice == titles_of(open_app(film=["2", "4", "4"], model="collab"))


def test_studio_a_film_without_ratings_counts_by_content_and_that_is_said() -> None:
    app = choose(open_app(), *SCI_FI[:2], "Twins (1988) – id 102", model="collab")
    assert "Nobody has rated Twins" in app.info[0].value
    assert "by content" in app.info[0].value
    assert len(titles_of(app)) == 10
    assert not choose(app, *SCI_FI[:2], "Twins (1988) – id 102").info


def test_studio_films_of_one_name_and_year_can_both_be_chosen() -> None:
    app = open_app()
    twins = [label for label in app.selectbox[0].options if label.startswith("Twins")]
    assert len(twins) == 2
    choose(app, *twins, "Heat (1995)")
    assert sorted(app.query_params["film"][:2]) == ["101", "102"]


def test_studio_a_list_needs_three_films() -> None:
    app = choose(open_app(), SCI_FI[0], SCI_FI[1])
    assert app.info[0].value == "Choose three films first: the third film is missing."
    assert len(app.header) == 1


def test_studio_link_with_three_films_shows_their_list() -> None:
    asked = choose(open_app(), *SCI_FI, model="collab")
    linked = open_app(film=["2", "4", "6"], model="collab")
    assert titles_of(linked) == titles_of(asked)
    assert [picker.value for picker in linked.selectbox] == list(SCI_FI)
    assert linked.main.radio[0].value == "collab"


def test_studio_link_with_nonsense_is_no_error() -> None:
    app = open_app(film=["2", "no such film", HOSTILE], model="nonsense")
    assert [picker.value for picker in app.selectbox] == [SCI_FI[0], None, None]
    assert app.main.radio[0].value == "content"
    assert not app.exception
    assert not titles_of(app)


def test_studio_list_is_there_again_after_another_page() -> None:
    app = choose(open_app(), *SCI_FI)
    before = titles_of(app)
    app.sidebar.radio[0].set_value("overview").run()
    assert app.title[0].value == "Solution Overview"
    assert app.query_params == {"page": "overview"}
    app.sidebar.radio[0].set_value("recommender").run()
    assert titles_of(app) == before
    assert [picker.value for picker in app.selectbox] == list(SCI_FI)


def test_studio_titles_are_shown_as_text() -> None:
    app = open_app()
    hostile = next(label for label in app.selectbox[0].options if "script" in label)
    long = next(label for label in app.selectbox[0].options if label.startswith("LLL"))
    choose(app, hostile, long, "Nameless", model="collab")
    assert not app.exception
    body = "".join(part.proto.body for part in app.get("html"))
    said = texts_of(app)
    assert "<script" not in body
    assert r"\<script\>" in said
    assert "<script" not in said.replace(r"\<script", "")
    assert r"\$x\^2\$" in said
    assert ":smile:" not in said
    # A film about the same nothing: the list of the hostile film's neighbors holds it when it was not asked for.
    others = choose(open_app(), "Nameless", "Twins (1988) – id 101", "Twins (1988) – id 102")
    assert not others.exception


def test_studio_film_removed_meanwhile_is_said(asked_core: Service) -> None:
    new = {"title": "Brief (2001)", "genres": ["Drama"]}
    url = f"{asked_core.url}/v1/movies/900"
    assert httpx.put(url, json=new).is_success
    app = choose(open_app(), *SCI_FI[:2], "Brief (2001)")
    assert len(titles_of(app)) == 10
    assert httpx.delete(url).is_success
    st.cache_data.clear()  # as after a minute
    st.cache_resource.clear()
    app.run()
    assert not app.exception
    assert app.selectbox[2].value is None
    assert "gone from the catalogue" in app.info[0].value


def test_studio_pickers_over_very_many_films_search_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickers, "MAX_LISTED", 10)
    monkeypatch.setattr(pickers, "MAX_MATCHES", 5)
    app = open_app(film=["2", "4", "6"])
    assert [picker.value for picker in app.selectbox] == list(SCI_FI)
    app.text_input[0].set_value("story 1995").run()
    assert app.selectbox[0].options == [SCI_FI[0], "Toy Story (1995)"]
    choose(app, "Toy Story (1995)", *SCI_FI[1:])
    assert app.query_params["film"] == ["1", "4", "6"]
    assert len(titles_of(app)) == 10
    assert not app.exception
