"""Models of other packages, which name them as entry points."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from matinee import models
from matinee.engine import Engine, Request
from matinee.errors import PluginError, SnapshotError, UnknownModelError
from matinee.models import Content, Popularity, Query, create, model_class
from matinee.settings import Settings
from matinee.snapshots import Snapshot, SnapshotRegistry, write_snapshot
from support import random_dataset

MODULE = '''
from matinee.models import Popularity

class ByAge(Popularity):
    """Charts as `Popularity`, and nothing else."""
    name = "by-age"

class Misnamed(Popularity):
    name = "another"

class NoModel:
    name = "no-model"
'''
ENTRY_POINTS = """[matinee.models]
by-age = matinee_by_age:ByAge
misnamed = matinee_by_age:Misnamed
no-model = matinee_by_age:NoModel
absent = matinee_by_age:Absent
not-there = matinee_not_there:Model
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that offers models, some of them broken."""
    folder = tmp_path / "site-packages"
    (folder / "matinee_by_age-1.0.dist-info").mkdir(parents=True)
    (folder / "matinee_by_age.py").write_text(MODULE, encoding="utf-8")
    (folder / "matinee_by_age-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: matinee-by-age\nVersion: 1.0\n", encoding="utf-8"
    )
    (folder / "matinee_by_age-1.0.dist-info" / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "matinee_by_age", raising=False)
    models._plugin.cache_clear()
    return folder


def test_a_plugin_is_created_written_read_and_served(tmp_path: Path) -> None:
    data, settings = random_dataset(), Settings(data_dir=tmp_path)
    plugin = create("by-age", by="top_rated").fit(data)
    assert type(plugin) is model_class("by-age")
    root = settings.snapshots_dir
    made = write_snapshot(root, data, {"aged": plugin, "content": Content().fit(data)}, default_model="aged")
    loaded = Snapshot.load(root, made).models["aged"]
    assert type(loaded) is type(plugin)
    query = Query.of(data.ratings, "u1")
    np.testing.assert_array_equal(loaded.score([query]), plugin.score([query]))
    SnapshotRegistry(root).promote(made)
    with Engine.open(settings) as engine:
        answer = engine.recommend("u1", Request(n=3, explain=True, diversity=0.5))
        assert {item.reason for item in answer.items} == {"among the best rated"}
        assert engine.explain("u1", "m1").factors == ()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("misnamed", "its name is 'another'"),
        ("no-model", "not a `matinee.models.Model`"),
        ("absent", "cannot be imported"),
        ("not-there", "cannot be imported"),
    ],
)
def test_a_broken_plugin_is_named(kind: str, why: str) -> None:
    with pytest.raises(PluginError, match=f"(?s){kind}.*{why}.*uninstall"):
        create(kind)
    assert create("by-age")


def test_a_snapshot_whose_plugin_is_gone_or_broken_says_so(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, root = random_dataset(), tmp_path / "snapshots"
    made = write_snapshot(root, data, {"aged": create("by-age").fit(data)}, default_model="aged")
    monkeypatch.setattr(models, "_plugin", models._plugin.__wrapped__)
    monkeypatch.delitem(sys.modules, "matinee_by_age")
    (package / "matinee_by_age.py").unlink()
    with pytest.raises(SnapshotError, match=r"'aged'.*'by-age' is broken"):
        Snapshot.load(root, made)
    (package / "matinee_by_age-1.0.dist-info" / "entry_points.txt").unlink()
    with pytest.raises(SnapshotError, match=r"no model of the kind 'by-age'.*Install"):
        Snapshot.load(root, made)
    with pytest.raises(UnknownModelError, match="ease"):
        create("by-age")


def test_a_model_that_nobody_lists_is_not_written(tmp_path: Path) -> None:
    class Unlisted(Popularity):
        name = "unlisted"

    data = random_dataset()
    with pytest.raises(SnapshotError, match="entry point"):
        write_snapshot(tmp_path, data, {"x": Unlisted().fit(data)}, default_model="x")
