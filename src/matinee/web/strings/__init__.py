"""The words of the web app in each language: flat JSON files beside this module, English where a key is missing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
"""Code of a language → its own name for itself."""
DEFAULT = "en"
COOKIE = "matinee_language"


@cache
def catalog(language: str) -> dict[str, str]:
    """Key → text of a language, with the English text where a translation is missing."""
    words: dict[str, str] = json.loads(Path(__file__).with_name(f"{language}.json").read_text(encoding="utf-8"))
    return words if language == DEFAULT else catalog(DEFAULT) | words


def text(language: str, key: str, **values: Any) -> str:
    """One text with its values in place.

    Examples:
        >>> text("de", "tab.search")
        'Suche'
    """
    words = catalog(language).get(key, key)
    for name, value in values.items():
        words = words.replace("{" + name + "}", str(value))
    return words


def language_of(chosen: str | None, accepted: str | None) -> str:
    """The language of a visitor.

    Args:
        chosen: value of the cookie, which the switch of the page sets.
        accepted: the header `Accept-Language`.

    Examples:
        >>> language_of(None, "pt, fr-CA;q=0.8, de;q=0.9"), language_of("es", "de"), language_of("xx", None)
        ('de', 'es', 'en')
    """
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = []
    for part in (accepted or "")[:1000].split(","):
        name, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            quality = 0.0
        wanted.append((-quality, name.strip().lower().split("-")[0]))
    return next(
        (code for quality, code in sorted(wanted, key=lambda pair: pair[0]) if quality and code in LANGUAGES), DEFAULT
    )
