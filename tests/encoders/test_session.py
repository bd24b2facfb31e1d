"""ONNX Runtime reports nothing to its maker: a process of its own leaves nothing in the user's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tiny_models import image_model

ASK = """
import sys
from pathlib import Path
from matinee.encoders.session import open_session
session = open_session(Path(sys.argv[1]))
print(session.get_inputs()[0].name)
"""


def test_nothing_is_kept_about_the_user(tmp_path: Path) -> None:
    home, model = tmp_path / "home", image_model(tmp_path / "model.onnx")
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_", "CI"))}
    for name in ("GITHUB_ACTIONS", "TF_BUILD"):  # where ONNX Runtime is silent by itself
        environment.pop(name, None)
    environment |= {"HOME": str(home), "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", ASK, str(model)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert told.stdout.strip()
    assert [path for path in home.rglob("*") if path.is_file()] == []
