"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import matinee
from matinee.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

BINARY = {".png", ".jpg", ".ico", ".parquet", ".arrow", ".npy", ".gz", ".zip", ".whl"}


def tracked() -> list[Path]:
    """Files that git holds or would hold; without git, everything outside hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [path for path in ROOT.rglob("*") if not any(p.startswith(".") for p in path.relative_to(ROOT).parts)]
    return [path for path in names if path.is_file() and path.suffix not in BINARY]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def faults_of(path: Path) -> list[str]:
    """What a file lacks or must not do: every module says what it is for, and none reads a pickle."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    faults = [] if ast.get_docstring(tree) else ["it does not say what it is for"]
    for node in ast.walk(tree):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        pickles = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
        faults += [f"it imports {name}" for name in names if name.split(".")[0] in pickles]
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            allowed = not (isinstance(node.value, ast.Constant) and node.value.value is False)
            faults += ["it allows pickles"] if allowed else []
    return faults


def test_modules_have_a_docstring_and_no_pickle() -> None:
    found = {name_of(path): faults for path in SOURCES if (faults := faults_of(path))}
    assert len(SOURCES) > 500
    assert not found


def test_import_contracts_hold() -> None:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_files_import_each_other_in_a_circle() -> None:
    """Also within a package, where the layers of import-linter do not look; imports within functions count."""
    graph = grimp.build_graph("matinee", exclude_type_checking_imports=True, cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    # A package's own file gives names of its files, and these may import their neighbors.
    packages = {path.parent for path in SOURCES if path.name == "__init__.py"}
    inits = {"matinee" + ".".join(["", *folder.relative_to(ROOT / "src" / "matinee").parts]) for folder in packages}
    left = {name: found - inits for name, found in imports.items() if name not in inits}
    while leaves := {name for name, found in left.items() if not found & left.keys()}:
        left = {name: found for name, found in left.items() if name not in leaves}
    # What only needs a circle, and is in none, goes too.
    while roots := left.keys() - {name for found in left.values() for name in found}:
        left = {name: found for name, found in left.items() if name not in roots}
    assert not left, {name: sorted(found & left.keys()) for name, found in left.items()}


def test_tracked_files_name_no_machine() -> None:
    # Written in pieces, so that this file does not find itself.
    forbidden = re.compile(
        "|".join(
            [
                "/ro" + "ot/",
                "/wo" + "rk/",
                "/ho" + r"me/[a-z]+/",
                "/Us" + r"ers/[a-z]+/",
                r"py" + r"pi\.org",
                "pythonho" + "sted",
            ]
        )
    )
    found = [
        f"{name_of(path)}: {match.group()}"
        for path in tracked()
        if name_of(path) != "LICENSE"
        for match in forbidden.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, found


def test_every_module_imports_and_its_all_is_true() -> None:
    for info in pkgutil.walk_packages(matinee.__path__, "matinee."):
        if info.name == "matinee.__main__":
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{info.name}.__all__ names {name}, which is not there"


def test_package_gives_all_that_it_promises() -> None:
    for name in matinee.__all__:
        assert getattr(matinee, name) is not None
    assert {name for names in matinee._HOMES.values() for name in names} | {"__version__"} == set(matinee.__all__)
    assert set(matinee.__all__) == set(dir(matinee))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = matinee.Nonsense


def test_package_exports_every_model() -> None:
    from matinee import models

    for kind in models.MODELS.values():
        assert getattr(matinee, kind.__name__) is kind


def test_import_is_light() -> None:
    heavy = "{'numpy', 'scipy', 'polars', 'pydantic', 'fastapi', 'typer', 'rich'}"
    program = (
        f"import sys, matinee; sys.exit(str(sorted({heavy} & set(sys.modules))) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`MATINEE_{name.upper()}`" in page, f"docs/settings.md lacks {name}"
        assert field.description.replace("`", "") in page.replace("`", ""), (
            f"docs/settings.md describes {name} otherwise"
        )


def test_version_is_one() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{matinee.__version__}"' in project
    assert f"[{matinee.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
