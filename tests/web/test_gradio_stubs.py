"""Gradio is imported without the interface files that it writes beside its component classes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OWN = """
import gradio as gr

class Own(gr.HTML):
    EVENTS = ["click"]
"""
CODE = """
from matinee.web.serve import without_stubs
without_stubs()
without_stubs()
import gradio as gr, own
print(callable(gr.Button.click), callable(own.Own.click))
"""


def test_no_interface_file_is_written_and_listeners_are_there(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
    assert not list(tmp_path.glob("*.pyi"))
