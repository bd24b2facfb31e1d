"""Without an extra's packages, what needs them says in one sentence what to install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matinee.encoders.decode import decode
from matinee.encoders.image import load_image_encoder
from matinee.encoders.text import load_text_encoder
from matinee.errors import EncoderError, MissingExtraError
from matinee.posters.cards import card
from matinee.posters.pictures import inspect
from matinee.settings import Settings
from matinee.training.movie_map import layout
from small_folder import write_folder

ROOT = Path(__file__).parents[1]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("PIL", "encoders", lambda folder: card("Heat", 1995, ["Crime"])),
        ("PIL", "encoders", lambda folder: decode(PNG)),
        ("PIL", "encoders", lambda folder: inspect(PNG, 1000, 1000)),
        ("tokenizers", "encoders", lambda folder: load_text_encoder(Settings(cache_dir=folder, text_encoder="minilm"))),
        (
            "onnxruntime",
            "encoders",
            lambda folder: load_image_encoder(Settings(cache_dir=folder, image_encoder="lite2")),
        ),
        ("onnx", "train", lambda folder: load_text_encoder(Settings(cache_dir=folder, text_encoder="minilm"))),
        ("onnx", "train", lambda folder: load_image_encoder(Settings(cache_dir=folder, image_encoder="lite2"))),
        ("umap", "map", lambda folder: layout(np.eye(30, dtype=np.float32), "umap")),
    ],
)
def test_a_missing_package_names_its_extra(
    package: str, extra: str, use: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        use(tmp_path)
    assert re.fullmatch(rf"[A-Z].* needs matinee\[{extra}\]: pip install 'matinee\[{extra}\]'\.", str(caught.value))
    assert caught.value.extra == extra
    assert isinstance(caught.value, EncoderError)  # training goes on without, a service answers 503
    assert not list(tmp_path.iterdir())  # nothing was fetched first


SERVE = """
import sys
missing = "polars PIL onnx onnxruntime tokenizers gradio plotly streamlit pandas pyarrow"
missing += " faiss usearch annoy umap sklearn"
for package in missing.split():
    sys.modules[package] = None
import matinee
from matinee.api.app import create_app
from matinee.api.recommender.app import create_recommender_app
from matinee.errors import MissingExtraError

assert create_app(matinee.Settings())
assert create_recommender_app(matinee.Settings())
with matinee.Engine.open() as engine:
    for explain in (False, True):
        answer = engine.recommend("42", matinee.Request(n=5, explain=explain, filter="genre = Comedy and year > 1950"))
        assert len(answer.items) == 5
    assert any(item.reason for item in answer.items)
    assert engine.similar("1", n=3).items and engine.search("Toy stroy")[0].movie.title == "Toy Story"
    assert engine.search("comedy about toys") and engine.popular(n=3)
    assert engine.statistics()
    engine.put_movies([matinee.Movie(movie_id="new", title="Toy Story 3", year=2010, genres=("Comedy",))])
    engine.rate([("42", "new", 5.0)])
    assert engine.movie("new").year == 2010
    try:
        matinee.Catalog.of([engine.movie("new")]).frame
    except MissingExtraError as error:
        print(error)
"""


def test_serving_needs_no_extra(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MATINEE_DATA_DIR": str(tmp_path / "data"),
        "MATINEE_CACHE_DIR": str(tmp_path / "cache"),
        "MATINEE_CONFIG": str(tmp_path / "none.toml"),
        "MATINEE_OFFLINE": "1",
    }
    folder = write_folder(tmp_path / "films")
    train = [sys.executable, "-m", "matinee", "train", "--no-measure", "--data", str(folder)]
    for command in (train, [sys.executable, "-c", SERVE]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "needs matinee[train]: pip install 'matinee[train]'." in done.stdout


def test_every_extra_has_packages_and_all_has_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    own = ["train", "encoders", "ocr", "web", "studio", "ann", "map", "classic", "forest", "neural"]
    own += ["elasticsearch", "postgres", "telemetry", "tune", "tracking"]
    assert set(extras) == {
        *own,
        "spark",
        "gpu",
        "all",
        "dev",
        "docs",
    }  # Java or CUDA: not in "all"
    assert extras["all"] == [f"matinee[{','.join(own)}]"]
    pinned = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    for name in ("polars", "onnx", "onnxruntime", "tokenizers", "pillow", "gradio", "streamlit", "pandas"):
        assert f"\n{name}==" not in pinned, f"{name} is not for everybody"
