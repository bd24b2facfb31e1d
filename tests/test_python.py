"""`import matinee` as a newcomer uses it, beyond the blocks of the documents."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import matinee
from matinee.errors import UnknownUserError
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


def test_training_takes_the_settings_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "small")
    for name, value in {"DATA_DIR": "data", "CACHE_DIR": "cache", "OFFLINE": "1"}.items():
        monkeypatch.setenv(f"MATINEE_{name}", value if name == "OFFLINE" else str(tmp_path / value))
    made = matinee.train(source=str(folder), measure=False)
    with matinee.Engine.open() as engine:
        assert engine.snapshot_id == made
        assert len(engine.recommend("42", matinee.Request(n=3)).items) == 3
