"""Put a Space together: python deploy/space/assemble.py FOLDER, a clone of the Space's repository or a new folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = {
    HERE / "README.md": "README.md",
    HERE / "Dockerfile": "Dockerfile",
    HERE.parent / "first-snapshot.sh": "first-snapshot.sh",
    HERE.parent / "healthcheck.py": "healthcheck.py",
    ROOT / "pyproject.toml": "pyproject.toml",
    ROOT / "LICENSE": "LICENSE",
    ROOT / "requirements" / "train.txt": "requirements/train.txt",
    ROOT / "requirements" / "web.txt": "requirements/web.txt",
}


def main() -> None:
    """Copy everything; files of the same names are replaced, others stay."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER")
    folder = Path(sys.argv[1])
    for source, name in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
    shutil.rmtree(folder / "src", ignore_errors=True)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    print(f"{folder} holds the Space: commit and push it, or docker build -t matinee-space {folder}")


if __name__ == "__main__":
    main()
