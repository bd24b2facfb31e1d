"""Gradio without the interface files that it writes anew each time it is imported.

For every component class Gradio parses the class's source and writes what type checkers read beside it, a `.pyi` file
(`gradio.component_meta`). Its package brings these files already, and a service reads none: it is half of the time
that the import takes, and a folder that cannot be written to.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

MODULE = "gradio.component_meta"
WRITER = "create_or_modify_pyi"


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if hasattr(module, WRITER):  # else a later Gradio does something else, and takes its time
            setattr(module, WRITER, lambda *_: None)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.name, spec.origin)
        return spec


def without_stubs() -> None:
    """See that an import of Gradio that is still to come writes no interface files."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
