"""What `make` installs with: pinned requirements by pip, and its words when that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "install.py"


def test_a_package_that_cannot_be_had_fails_with_pips_reason(tmp_path: Path) -> None:
    requirements = tmp_path / "pinned.txt"
    requirements.write_text("# comment\nno-such-package-of-matinee==99 \\\n    --hash=sha256:00\n", encoding="utf-8")
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_REQUIRE_HASHES": "0"}
    done = subprocess.run(
        [sys.executable, str(TOOL), str(requirements)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode != 0
    assert "no-such-package-of-matinee" in done.stderr + done.stdout
    assert "try again" in done.stderr


def test_what_is_installed_already_is_no_failure(tmp_path: Path) -> None:
    requirements = tmp_path / "pinned.txt"
    requirements.write_text("pytest\n", encoding="utf-8")
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, str(TOOL), str(requirements)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
