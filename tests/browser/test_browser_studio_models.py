"""Models, Runs, Explain and Before and after of the studio in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from browser_support import SCREENS, Calm
from matinee.evaluation.experiment import evaluate_in_detail
from matinee.settings import Settings
from matinee.tracking.recording import record_run
from matinee.tracking.runs import RunStore
from studio_browser import drawn, enter, nothing_cut_off, pick, settled
from support import random_dataset

LISTS = "/?page=before-after&user=42&user=1&model=blend"


@pytest.fixture(scope="module")
def kept_runs(core: Service) -> tuple[str, str]:
    """Two evaluations in the core's data folder."""
    settings = Settings(data_dir=Path(core.environment["MATINEE_DATA_DIR"]), offline=True)
    data, store = random_dataset(60, 40, 0.4), RunStore(settings.runs_dir)
    ids = []
    for names in (["popular", "ease"], ["popular", "itemknn"]):
        found = evaluate_in_detail("holdout", names, data=data, settings=settings, resamples=40)
        ids.append(record_run(store, "evaluate", found, memory_limit=1).id)
    return ids[0], ids[1]


@pytest.mark.parametrize("size", SCREENS)
def test_studio_models_in_figures(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """What unfolds and what the address says is the same at every size: once, on a desktop."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=models")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    expect(page.get_by_text("trained without measuring")).to_be_visible()  # as all trainings of these tests
    drawn(page, 2)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        page.get_by_text("What the models are").click()
        expect(page.get_by_text("The films with the most ratings, the same")).to_be_visible()
        page.get_by_text("Show as a table").first.click()
        expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
        settled(page)
    page.get_by_text("Snapshots", exact=True).click()
    expect(page.get_by_text("No snapshot was measured.")).to_be_visible()
    expect(page).to_have_url(re.compile("view=snapshots"))
    settled(page)
    calm(page)
    nothing_cut_off(page)


@pytest.mark.parametrize("size", SCREENS)
def test_studio_lists_before_and_after(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """On a desktop the model is chosen, and the page loaded again; elsewhere it comes with the address, which ends at
    the same page."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + LISTS + ("" if size == "page" else "&model-after=edlae"))
    expect(page.locator("ol li")).to_have_count(40)
    expect(page.locator("ol li img")).to_have_count(40)
    expect(page.get_by_text("Liked most:")).to_have_count(2)
    settled(page)
    if size == "page":
        pick(page, "Model after", "edlae")
    expect(page).to_have_url(re.compile("model-after=edlae"))
    expect(page.get_by_text("After: edlae.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"of 10 films are in both lists"))).to_have_count(2)
    expect(page.locator("ol li", has_text=re.compile("new|up|down|dropped")).first).to_be_visible()
    drawn(page, 1)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        words = page.get_by_role("textbox", name="Filter before")
        enter(words, "gnre = Drama")
        fault = page.get_by_test_id("stAlert")
        expect(fault.filter(has_text="Did you mean")).to_be_visible()
        expect(page.get_by_test_id("stCode")).to_contain_text("^")
        settled(page)
        enter(words, "year < 1960")
        expect(fault).to_have_count(0)
        expect(page.locator("ol li")).to_have_count(40)
        settled(page)
        page.reload()
        expect(page.get_by_text("only year < 1960")).to_be_visible()


@pytest.mark.parametrize("size", SCREENS)
def test_studio_runs_in_charts(
    studio: Service, kept_runs: tuple[str, str], size: str, request: pytest.FixtureRequest, calm: Calm
) -> None:
    first, second = kept_runs
    page: Page = request.getfixturevalue(size)
    page.goto(f"{studio.url}/?page=runs&run={first}")
    expect(page.get_by_role("heading", name="By group")).to_be_visible()
    drawn(page, 4)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    page.goto(f"{studio.url}/?page=runs&view=two&run={first}&other={second}")
    expect(page.get_by_text("Difference: second minus first.")).to_be_visible()
    drawn(page, 1)
    settled(page)
    calm(page)
    nothing_cut_off(page)


@pytest.mark.parametrize("size", SCREENS)
def test_studio_explains_a_film(studio: Service, size: str, request: pytest.FixtureRequest, calm: Calm) -> None:
    """Another model is chosen on a desktop only: it is the same picker and the same page at every size."""
    page: Page = request.getfixturevalue(size)
    page.goto(studio.url + "/?page=explain&user=42&film=2959&model=ease")
    expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()
    expect(page.get_by_text("You gave it 3 stars; that rating is left out")).to_be_visible()
    expect(page.get_by_text("of similar taste have rated it")).to_be_visible()
    drawn(page, 4)
    settled(page)
    calm(page)
    nothing_cut_off(page)
    if size == "page":
        poster = page.locator("img[src^='data:image']").first.bounding_box()
        name = page.get_by_role("heading", name="Fight Club (1999)").bounding_box()
        assert poster is not None
        assert name is not None
        assert poster["x"] + poster["width"] <= name["x"], "the poster covers the name"
        pick(page, "Model", "itemknn")
        expect(page).to_have_url(re.compile("model=itemknn"))
        expect(page.get_by_role("heading", name="Fight Club (1999)")).to_be_visible()


@pytest.mark.extended
def test_studio_explains_what_is_recommended_and_any_film(studio: Service, page: Page) -> None:
    page.goto(studio.url + "/?page=explain&user=42")
    first = page.get_by_test_id("stMain").get_by_role("heading", level=3).first
    expect(first).to_be_visible()
    expect(page).to_have_url(re.compile("film="))
    settled(page)
    recommended = first.inner_text()
    page.get_by_text("Any film", exact=True).click()
    # The picker from all films has the same name as the one before it: what is typed into that one goes with it.
    expect(page.get_by_placeholder(re.compile(r"Type to search [\d,]+ films"))).to_be_visible()
    settled(page)
    pick(page, "Film", "Heat (1995)")
    expect(page.get_by_role("heading", name="Heat (1995)")).to_be_visible()
    assert recommended != "Heat (1995)"
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Heat (1995)")).to_have_count(0)
