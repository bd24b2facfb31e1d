"""The notebooks of examples/ run from top to bottom, and are committed without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from small_folder import write_folder
from tiny_models import image_model

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
LARGEST = 20_000
"""Bytes of a notebook."""

RUN = """
import ast, json, sys
names = {"__name__": "__main__"}
for number, code in enumerate(json.load(sys.stdin), 1):
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        if value is not None:
            print(f"[{number}]", value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))
"""
"""Runs cells in one namespace and shows the value of each cell's last expression, as a notebook does."""


def read(path: Path) -> dict[str, Any]:
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return book


def run(name: str, folder: Path, data: Path) -> str:
    """What the code cells of a notebook print, with small encoders and folders of their own."""
    cells = ["".join(cell["source"]) for cell in read(ROOT / "examples" / name)["cells"] if cell["cell_type"] == "code"]
    environment = {
        **os.environ,
        "MATINEE_DATA": str(data),
        "MATINEE_DATA_DIR": str(folder / "data"),
        "MATINEE_CACHE_DIR": str(folder / "cache"),
        "MATINEE_OFFLINE": "1",
        "MATINEE_TEXT_ENCODER": "off",
        "MATINEE_IMAGE_ENCODER": str(image_model(folder / "image.onnx")),
        "TMPDIR": str(folder),
        "PYTHONIOENCODING": "utf-8",
        "OPENBLAS_NUM_THREADS": "1",  # threads that wait for busy processors take many times as long
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(cells),
        env=environment,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_there_are_three() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_small_and_has_no_outputs(path: Path) -> None:
    book = read(path)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert path.stat().st_size < LARGEST
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            compile("".join(cell["source"]), path.name, "exec")  # no magics: the cells are plain Python


def test_first_list(tmp_path: Path) -> None:
    shown = run("1-first-list.ipynb", tmp_path, write_folder(tmp_path / "small"))
    assert "small: 40 films, 817 ratings" in shown
    assert "because you loved" in shown
    assert "Toy Story 2" in shown


@pytest.mark.extended
def test_compare_models(tmp_path: Path, shared_data: Path) -> None:
    shown = run("2-compare-models.ipynb", tmp_path, shared_data / "ml-100k")
    assert "ease λ=800" in shown
    assert "nDCG@10 of EASE against popularity: +" in shown


def test_your_own_data(tmp_path: Path) -> None:
    shown = run("3-your-own-data.ipynb", tmp_path, tmp_path / "none")
    assert "ratings 482 → 480" in shown
    assert "'Interstellar'" in shown
    assert "('Dave', 1.0)" in shown
