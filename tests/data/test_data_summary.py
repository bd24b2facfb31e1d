from __future__ import annotations

import json
from pathlib import Path

import pytest

from matinee.data.summary import describe, inspect_source
from matinee.settings import Settings
from support import make_dataset


def test_figures_by_hand() -> None:
    data = make_dataset([("a", "x", 4.0, 100), ("a", "y", 5.0, None), ("b", "x", 3.0, 50), ("c", "x", 4.0, 70)])
    figures = describe(data)
    assert (figures.films, figures.rated, figures.users, figures.ratings) == (2, 2, 3, 4)
    assert figures.density == 4 / 6
    assert figures.mean == 4.0
    assert figures.histogram == {"3": 1, "4": 2, "5": 1}
    assert (figures.first, figures.last) == (50, 100)
    assert figures.per_user["0.5"] == 1.0
    assert figures.per_user["1"] == 2.0
    assert figures.per_film == {"0": 1.0, "0.25": 1.5, "0.5": 2.0, "0.75": 2.5, "0.9": pytest.approx(2.8), "1": 3.0}
    assert figures.filled["year"] == figures.filled["genres"] == 1.0
    assert figures.filled["tags"] == figures.filled["overview"] == 0.0


def test_inspection_is_a_report_with_figures(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,10,4\n1,10,5\n2,11,x\n", encoding="utf-8")
    found = inspect_source(tmp_path, Settings(cache_dir=tmp_path / "cache", offline=True))
    assert found.tables["ratings"].dropped == {
        "rating is not a number": 1,
        "rated again later (the latest is kept)": 1,
    }
    assert found.statistics.ratings == 1
    assert found.statistics.first is None
    assert found.scale == (1.0, 5.0)
    assert len(found.fingerprint) == 64
    assert any(note.startswith("Credits are left out") for note in found.notes)
    assert json.loads(found.model_dump_json())["statistics"]["users"] == 1
