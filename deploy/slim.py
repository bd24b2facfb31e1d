"""Take out of this environment what a container never uses: python slim.py [--keep-pip] [--without PACKAGE …].

Tests, type stubs, headers and sources of packages, debug symbols, and pip itself. `--without` names packages that a
role never imports, although the base install has them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDERS = {"tests", "testing_data", "include"}
"""Folders of packages that are taken out."""
KEPT = {"numpy/_core/tests", "numpy/testing/tests"}
"""Folders of these names that are imported: numpy.testing reads one."""
SUFFIXES = {".pyi", ".pxd", ".pyx", ".c", ".h", ".hpp", ".cpp", ".map", ".a"}


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Read the arguments, take things out, and print the sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--without", nargs="*", default=[], metavar="PACKAGE")
    parser.add_argument("--keep-pip", action="store_true", help="data sets and weights are fetched by it")
    given = parser.parse_args()
    packages = Path(sysconfig.get_path("purelib"))
    before = size(packages)
    if given.without:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", *given.without], check=True)
    if not given.keep_pip:
        for path in (packages / "pip", *packages.glob("pip-*.dist-info")):
            shutil.rmtree(path)
    for path in sorted(packages.rglob("*")):
        name = path.relative_to(packages).as_posix()
        if path.is_dir() and path.name in FOLDERS and name not in KEPT and path.parent != packages:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in SUFFIXES:
            path.unlink()
        elif path.is_file() and ".cpython-" in path.name and path.suffix == ".so" and (strip := shutil.which("strip")):
            subprocess.run([strip, "--strip-debug", path], check=True)
    print(f"{packages}: {before / 2**20:.0f} MB, now {size(packages) / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
