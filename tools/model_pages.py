"""Pages of the models: tables of settings, links and the site's navigation, made of `matinee.models.MODELS`.

    .venv/bin/python tools/model_pages.py           # writes what has changed
    .venv/bin/python tools/model_pages.py --check   # ends with status 1 where something would change

The words of a page are written by hand. A model without a page gets one to begin with, of its docstring.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from matinee.models import MODELS
from matinee.models.base import Model

ROOT = Path(__file__).parents[1]
SECTIONS = ("What it computes", "Source", "When to use it", "Cost", "What it cannot do", "Settings")
"""Headings of every page, in order."""

_SIGNS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
_START, _END = "<!-- made by tools/model_pages.py -->", "<!-- end -->"
_NAV = re.compile(r"(?<=      - Models:\n          - Overview: models\.md\n)(?:          - .*\n)*")


def page_of(kind: str) -> Path:
    """The page of a kind of model."""
    return ROOT / "docs" / "models" / f"{kind}.md"


def settings_table(model: type[Model[Any]]) -> str:
    """The settings of a model as a Markdown table."""
    lines = ["| Setting | Default | Values | Meaning |", "|---|---|---|---|"]
    for name, field in model.Config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        meaning = (field.description or "–").replace("|", "\\|")
        lines.append(f"| `{name}` | `{default}` | {_values(field)} | {meaning} |")
    return "\n".join(lines)


def _values(field: FieldInfo) -> str:
    """What a setting may be: its choices, or its bounds."""
    parts = [field.annotation, *get_args(field.annotation)]
    choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = [
        sign.format(getattr(limit, name))
        for limit in field.metadata
        for name, sign in _SIGNS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(bounds) or "–"


def new_page(model: type[Model[Any]]) -> str:
    """A page to begin with."""
    told = inspect.cleandoc(model.__doc__ or "").split("\nExamples:")[0].strip()
    body = {"What it computes": told, "Settings": f"{_START}\n{_END}"}
    parts = [f"## {heading}\n\n{body.get(heading, '–')}\n" for heading in SECTIONS]
    return f"# {model.__name__}\n\n" + "\n".join(parts)


def filled(page: str, content: str) -> str:
    """A page with what stands between its marks replaced."""
    before, _, rest = page.partition(_START)
    _, _, after = rest.partition(_END)
    return f"{before}{_START}\n\n{content}\n\n{_END}{after}"


def wanted() -> dict[Path, str]:
    """What each file should hold."""
    pages: dict[Path, str] = {}
    for kind, model in MODELS.items():
        path = page_of(kind)
        page = path.read_text(encoding="utf-8") if path.exists() else new_page(model)
        pages[path] = filled(page, settings_table(model))
    overview, site = ROOT / "docs" / "models.md", ROOT / "mkdocs.yml"
    links = ",\n".join(f"[{model.__name__}](models/{kind}.md)" for kind, model in MODELS.items())
    pages[overview] = filled(overview.read_text(encoding="utf-8"), links)
    entries = "".join(f"          - {model.__name__}: models/{kind}.md\n" for kind, model in MODELS.items())
    pages[site] = _NAV.sub(entries, site.read_text(encoding="utf-8"))
    return pages


def changed() -> dict[Path, str]:
    """What differs from what the files hold."""
    return {
        path: text for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    files = changed()
    for path, text in files.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
    return int(check and bool(files))


if __name__ == "__main__":
    sys.exit(main())
