"""The examples of docstrings give what they say, on the generated data; every public class has one."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matinee
from small_folder import write_folder

SOURCE = Path(matinee.__file__).parent
NEURAL = "matinee.models.neural."
"""Their networks take five seconds each to compile; models/test_neural.py trains and asks all of them in every run."""
WITH_EXAMPLES = [
    ".".join(("matinee", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the reference page says the examples begin with."""
    home = tmp_path_factory.mktemp("doctests")
    folder = write_folder(home / "small")
    with pytest.MonkeyPatch.context() as patch:
        environment = {"DATA": folder, "DATA_DIR": home / "data", "CACHE_DIR": home / "cache", "OFFLINE": "1"}
        for name, value in environment.items():
            patch.setenv(f"MATINEE_{name}", str(value))
        patch.setenv("MATINEE_TEXT_ENCODER", "off")
        dataset = matinee.load_dataset()
        matinee.train(measure=False)
        history = matinee.Query.of_movies(dataset.catalog, {"Toy Story": 5.0, "Shrek": 4.5})
        settings = matinee.Settings(data_dir=home / "other")
        with matinee.Engine.open() as engine:
            given = {"engine": engine, "dataset": dataset, "history": history, "settings": settings}
            yield {"matinee": matinee, "np": np, **given}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.extended if name.startswith(NEURAL) else ()) for name in WITH_EXAMPLES],
)
def test_examples(name: str, names: dict[str, Any]) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted
    assert not result.failed


def test_every_public_name_has_an_example() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    lacking = [
        name
        for name in matinee.__all__
        if callable(value := getattr(matinee, name)) and not any(test.examples for test in finder.find(value, name))
    ]
    assert not lacking
