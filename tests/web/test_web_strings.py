"""The words of the web app: the same keys and values in every language, and which language a visitor gets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from matinee.web import strings
from matinee.web.strings import DEFAULT, LANGUAGES, catalog, language_of, text

FOLDER = Path(strings.__file__).parent
ASSETS = FOLDER.parent / "assets"
OTHERS = [language for language in LANGUAGES if language != DEFAULT]


def words(language: str) -> dict[str, str]:
    read: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return read


def values(words: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", words))


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_says_everything(language: str) -> None:
    english, other = words(DEFAULT), words(language)
    assert other.keys() == english.keys()
    assert not [key for key, words in other.items() if not words.strip()]
    wrong = {key for key in english if values(other[key]) != values(english[key])}
    assert not wrong


def test_keys_are_sorted_and_used() -> None:
    english = words(DEFAULT)
    assert list(english) == sorted(english)
    used = {key for path in ASSETS.glob("*.js") for key in re.findall(r'\bt\(\s*"([^"]+)"', path.read_text("utf-8"))}
    assert used
    assert not [key for key in used if key not in english and f"{key}.other" not in english]


def test_a_missing_word_is_english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text('{"a": "one {name}", "b": "two"}', encoding="utf-8")
    (tmp_path / "de.json").write_text('{"a": "eins {name}"}', encoding="utf-8")
    monkeypatch.setattr(strings, "__file__", str(tmp_path / "__init__.py"))
    catalog.cache_clear()
    try:
        assert text("de", "a", name="x") == "eins x"
        assert text("de", "b") == "two"
        assert text("de", "nothing") == "nothing"
    finally:
        catalog.cache_clear()


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, None, "en"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "pt, es;q=0.5, fr;q=0.7", "fr"),
        ("es", "de", "es"),
        ("../../etc", "fr", "fr"),
        (None, "de;q=0, fr;q=nonsense, *", "en"),
        (None, "x" * 100_000, "en"),
    ],
)
def test_which_language(chosen: str | None, accepted: str | None, language: str) -> None:
    assert language_of(chosen, accepted) == language
