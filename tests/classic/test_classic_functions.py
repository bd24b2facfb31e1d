"""The functions of the earlier systems: frozen names and signatures, right answers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from matinee import classic
from matinee.classic import ColdFilmWarning, collab_model, content_model, favorites, load_movie_titles
from matinee.data.catalog import Movie
from matinee.engine import Engine
from matinee.errors import DataError, InvalidInputError, NotFoundError
from matinee.settings import Settings
from matinee.training.pipeline import train
from small_folder import COMEDIES, DRAMAS, titles, write_folder

THREE = ["Toy Story (1995)", "Groundhog Day (1993)", "Clerks (1994)"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("classic") / "small")


@pytest.fixture(scope="module")
def home(folder: Path) -> Path:
    train(Settings(data_dir=folder.parent / "data", offline=True), str(folder), measure=False)
    return folder.parent / "data"


@pytest.fixture
def opened(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine that the functions ask, over a copy of the data."""
    import shutil

    shutil.copytree(home, tmp_path / "own")
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "own"))
    monkeypatch.setattr(favorites, "_engines", {})
    engine = favorites._engine()
    yield engine
    engine.close()


def test_signatures_are_frozen() -> None:
    for function in (content_model, collab_model):
        assert str(inspect.signature(function)) == "(movie_list: 'Sequence[str]', top_n: 'int' = 10) -> 'list[str]'"
    assert list(inspect.signature(load_movie_titles).parameters) == ["path_to_movies"]
    assert {"content_model", "collab_model", "load_movie_titles"} <= set(classic.__all__)


def test_titles_of_a_table(folder: Path, tmp_path: Path) -> None:
    found = load_movie_titles(folder / "movies.csv")
    assert len(found) == 40
    assert found[0] == "Toy Story (1995)"
    assert "The Matrix (1999)" in found
    assert load_movie_titles(str(folder / "movies.csv")) == found
    with pytest.raises(DataError):
        load_movie_titles(tmp_path / "none.csv")


@pytest.mark.parametrize("model", [content_model, collab_model])
def test_ten_titles_of_the_same_taste(opened: Engine, model: type, folder: Path) -> None:
    answer = model(THREE)
    assert len(answer) == len(set(answer)) == 10
    assert not set(answer) & set(THREE)
    assert set(answer) <= set(load_movie_titles(folder / "movies.csv"))
    comedies = {title.split(" (")[0].split(",")[0] for title in titles(COMEDIES)}
    assert sum(title.split(" (")[0].removeprefix("The ") in comedies for title in answer[:5]) >= 4
    assert model(THREE, top_n=3) == answer[:3]
    assert len(model(THREE, 39)) <= 37


@pytest.mark.parametrize("model", [content_model, collab_model])
def test_all_three_count_and_one_film_twice_is_fine(opened: Engine, model: type) -> None:
    assert model([*THREE, THREE[0]]) == model(THREE)
    assert model([*THREE[:2], "Alien (1979)"]) != model(THREE)
    assert model(["Matrix, The (1999)"]) == model(["The Matrix (1999)"]) == model(["the matrx"])


def test_what_cannot_be_answered(opened: Engine) -> None:
    for model in (content_model, collab_model):
        with pytest.raises(NotFoundError, match="Movie Unrecognized"):
            model(["xqzzwvk"])
        for nothing in ([], "Toy Story (1995)"):
            with pytest.raises(InvalidInputError, match="no favorite films"):
                model(nothing)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError):
            model(THREE, top_n=0)


def test_a_film_without_ratings_counts_by_its_content_and_says_so(opened: Engine) -> None:
    opened.put_movies([Movie(movie_id="new", title="Fresh Laughter", year=2020, genres=("Comedy", "Romance"))])
    drama = titles(DRAMAS)[1]
    with pytest.warns(ColdFilmWarning, match=r"no ratings of Fresh Laughter \(2020\)"):
        mixed = collab_model([drama, "Fresh Laughter (2020)"])
    with pytest.warns(ColdFilmWarning):
        alone = collab_model(["Fresh Laughter (2020)"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert content_model(["Fresh Laughter (2020)"]) == alone
        warm = collab_model([drama])
    assert not {drama, "Fresh Laughter (2020)"} & set(mixed)
    assert set(mixed) & set(warm)
    assert set(mixed) & set(alone)
