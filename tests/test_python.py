"""`import matinee` as a newcomer uses it, beyond the blocks of the documents."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import matinee
from matinee.errors import AmbiguousTitleError, UnknownMovieError, UnknownUserError
from matinee.snapshots import Snapshot
from small_folder import write_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> matinee.Dataset:
    return matinee.load_dataset(write_folder(tmp_path_factory.mktemp("films") / "small"), credits=False)


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert dir(matinee) == sorted(matinee.__all__)
    for name in matinee.__all__:
        value = getattr(matinee, name)
        if callable(value):
            assert inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        matinee.nothing_of_the_kind  # noqa: B018


def test_what_is_shown_at_the_prompt(dataset: matinee.Dataset) -> None:
    assert repr(dataset).startswith("<Dataset small: <Catalog: 40 films>, <Ratings: ")
    assert repr(matinee.Ease(regularization=300.0)) == "<Ease(regularization=300.0), not fitted>"
    assert repr(matinee.Popularity().fit(dataset)) == "<Popularity(), fitted on 40 films>"


def test_a_user_is_named_by_id_or_row(dataset: matinee.Dataset) -> None:
    by_id, by_row = matinee.Query.of(dataset.ratings, "2"), matinee.Query.of(dataset.ratings, 1)
    assert by_id.user_id == by_row.user_id == "2"
    np.testing.assert_array_equal(by_id.rows, by_row.rows)
    with pytest.raises(UnknownUserError, match="nobody"):
        matinee.Query.of(dataset.ratings, "nobody")


def test_the_best_films_are_new_and_known_to_the_model(dataset: matinee.Dataset) -> None:
    cold = matinee.Movie(movie_id="cold", title="Nobody has rated it")
    catalog = dataset.catalog.with_changes([cold])
    query = matinee.Query.of(dataset.ratings, "42")
    for model in (matinee.Ease(), matinee.ItemKNN(), matinee.Popularity()):
        grown = model.fit(dataset).with_catalog(catalog)
        scores = grown.score([query])[0]
        wanted = [
            row
            for row in sorted(range(len(catalog)), key=lambda row: (-scores[row], row))
            if row not in query.rows and not np.isnan(scores[row])
        ]
        assert grown.top(query, 1000) == wanted
        assert grown.top(query, 3) == wanted[:3]
        assert grown.top(query, 0) == []
    assert matinee.Ease().fit(dataset).top(matinee.Query()) == []


def test_a_model_that_was_not_fitted_says_so(dataset: matinee.Dataset) -> None:
    for model in (matinee.Ease(), matinee.ItemKNN(), matinee.Content(), matinee.Stars(), matinee.ImplicitALS()):
        with pytest.raises(AttributeError, match=r"Call fit\(dataset\) first"):
            model.score([matinee.Query.of(dataset.ratings, 0)])
    with pytest.raises(AttributeError, match=r"no attribute 'color'$"):
        matinee.Ease().fit(dataset).color  # type: ignore[attr-defined]  # noqa: B018


@pytest.fixture(scope="module")
def engine(dataset: matinee.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[matinee.Engine]:
    settings = matinee.Settings(data_dir=tmp_path_factory.mktemp("engine"), text_encoder="off", offline=True)
    matinee.train(settings, dataset, measure=False)
    with matinee.Engine.open(settings) as engine:
        yield engine


def test_an_answer_is_a_sequence_and_a_table(engine: matinee.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = engine.recommend("42", matinee.Request(n=4, explain=True))
    assert len(answer) == 4
    assert [item.rank for item in answer] == [1, 2, 3, 4]
    assert answer[0] is answer.items[0]
    assert answer[1:] == answer.items[1:]
    assert re.fullmatch(r"<Answer by blend for 42: .+ \(\d{4}\), .+, .+ … 4 in all>", repr(answer))
    assert answer.titles[0].startswith(answer[0].title)
    shown = answer._repr_html_()
    assert "<img" not in shown
    assert "<th>Why</th>" in shown
    monkeypatch.setenv("MATINEE_CORE_URL", "http://core:8000")
    assert f'src="http://core:8000/v1/movies/{answer[0].movie_id}/poster?size=small"' in answer._repr_html_()
    monkeypatch.setenv("MATINEE_PORT", "nonsense")
    assert "<img" not in answer._repr_html_()

    frame = answer.to_polars()
    assert frame.columns == ["rank", "movie_id", "title", "year", "genres", "score", "stars", "reason"]
    assert frame["title"].to_list() == [item.title for item in answer]
    assert answer.to_pandas()["genres"].to_list() == frame["genres"].to_list()


def test_an_empty_answer_is_still_one(engine: matinee.Engine) -> None:
    answer = engine.recommend("42", matinee.Request(filter="year = 1800"))
    assert answer
    assert len(answer) == 0
    assert repr(answer) == "<Answer by blend for 42: no films>"
    assert answer.to_polars().height == 0
    assert answer._repr_html_().startswith("<table>")


def test_what_is_shown_is_escaped(engine: matinee.Engine) -> None:
    item = replace(engine.recommend("42")[0], title="<script>alert(1)</script>", reason='"><b>', movie_id='a"/b')
    shown = replace(engine.recommend("42"), items=(item,), model="<i>").to_html("http://core")
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "/v1/movies/a%22%2Fb/poster" in shown


def test_without_pandas_there_is_polars(engine: matinee.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = engine.recommend("42")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(matinee.MatineeError, match="needs pandas: pip install pandas"):
        answer.to_pandas()
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(matinee.MatineeError, match=r"needs matinee\[train\]"):
        answer.to_polars()


def test_engine_and_snapshot_are_shown(engine: matinee.Engine) -> None:
    assert repr(engine) == f"<Engine: small, snapshot {engine.snapshot_id}>"
    assert "blend" in engine._repr_html_()
    snapshot = Snapshot.load(engine.settings.snapshots_dir, engine.snapshot_id)
    assert repr(snapshot).startswith(f"<Snapshot {engine.snapshot_id}: <Dataset small: ")
    assert "<td>ease</td>" in snapshot._repr_html_()


def test_films_are_named_by_title(engine: matinee.Engine, dataset: matinee.Dataset) -> None:
    want = engine.recommend_for({"1": 5.0, "2": 4.0}).items
    for history in ({"Toy Story": 5.0, "Star Wars (1977)": 4.0}, {"toy story (1995)": 5.0, "2": 4.0}):
        assert engine.recommend_for(history).items == want
    assert engine.recommend_for({1: 5.0, 2: 4.0}).items == want
    assert engine.find("The Matrix").movie_id == engine.find("Matrix, The (1999)").movie_id
    # An id goes before a title, and a number is never a title.
    assert engine.find("300 (2007)").title == engine.find("300").title == "300"
    assert engine.find("1").title == "Toy Story"
    with pytest.raises(UnknownMovieError, match="id '300'"):
        engine.find(300)
    with pytest.raises(UnknownMovieError, match="No film has the id or the title 'Toy Story 9'"):
        engine.recommend_for({"Toy Story 9": 5.0})
    with pytest.raises(UnknownMovieError, match="'Toy Story \\(1996\\)'"):
        engine.find("Toy Story (1996)")
    with pytest.raises(AmbiguousTitleError, match=r"'Sabrina' is the title of 2 films: '31' \(1954\), '33' \(1995\)"):
        engine.recommend_for({"Sabrina": 5.0})
    assert engine.find("Sabrina (1995)").movie_id == "33"
    with pytest.raises(UnknownMovieError):
        engine.recommend_for({"Toy Story": 5.0}, titles=False)
    query = matinee.Query.of_movies(dataset.catalog, {"Toy Story": 5.0, 2: 4.0})  # type: ignore[dict-item]
    assert dataset.titles(query.rows) == ["Toy Story (1995)", "Star Wars (1977)"]
    assert len(dataset.titles(matinee.Ease().fit(dataset).top(query, 3))) == 3


def test_titles_of_removed_films_are_no_names() -> None:
    catalog = matinee.Catalog.of(
        [matinee.Movie(movie_id=i, title="Heat", year=y) for i, y in (("a", 1986), ("b", 1995))]
    )
    assert catalog.with_changes(removed=["a"]).resolve("Heat") == 1
    with pytest.raises(AmbiguousTitleError):
        catalog.resolve("Heat")


def test_training_takes_the_settings_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "small")
    for name, value in {"DATA_DIR": "data", "CACHE_DIR": "cache", "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"MATINEE_{name}", value if name == "OFFLINE" else str(tmp_path / value))
    made = matinee.train(source=str(folder), measure=False)
    with matinee.Engine.open() as engine:
        assert engine.snapshot_id == made
        assert len(engine.recommend("42", matinee.Request(n=3)).items) == 3
