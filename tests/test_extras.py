"""Without an extra's packages, what needs them says in one sentence what to install."""

from __future__ import annotations

import re
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
from matinee.training.film_map import layout

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


def test_every_extra_has_packages_and_all_has_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {"train", "encoders", "web", "studio", "ann", "map", "all", "dev", "docs"}
    assert extras["all"] == ["matinee[train,encoders,web,studio,ann,map]"]
    pinned = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    for name in ("onnx", "onnxruntime", "tokenizers", "pillow", "gradio", "streamlit", "pandas"):
        assert f"\n{name}==" not in pinned, f"{name} is not for everybody"
