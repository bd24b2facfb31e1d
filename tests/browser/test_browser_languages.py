"""The visitor's pages in each language: no sentence of the English catalog, nor any other English one, is left."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps_support import Service
from matinee.web.strings import LANGUAGES, catalog

OTHERS = [language for language in LANGUAGES if language != "en"]

# Texts that are seen or said; what is marked as English (the classic screens, what the core itself says), titles of
# films, their plots, names of people, and the foot of the framework are other people's words.
TEXTS = """() => {
  const foreign = "[lang=en], footer, .name, .overview, .names, .why, h2[dir=auto], bdi, script, style, "
    + ".suggested a, [name=rest]";
  const seen = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const box = node.parentElement;
    if (!node.data.trim() || box.closest(foreign) || !box.checkVisibility({ visibilityProperty: true })) continue;
    seen.push(node.data.trim().replace(/\\s+/g, " "));
  }
  for (const one of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    if (one.closest(foreign) || !one.checkVisibility()) continue;
    for (const name of ["aria-label", "title", "placeholder"]) {
      const words = one.getAttribute(name);
      if (words && !one.closest("[data-title], [data-movie]")) seen.push(words);
    }
  }
  return [...new Set(seen)];
}"""
SCROLL = "row => { row.scrollIntoView(); return new Promise(done => requestAnimationFrame(() => setTimeout(done))); }"
ENGLISH = re.compile(r"\b(?:the|and|with|not|you|your|of|by|this|these|is|are|for|was|what)\b", re.IGNORECASE)
"""Words of English sentences; two of them in a text make one."""


def english_left(page: Page, language: str) -> list[str]:
    english, other = catalog("en"), catalog(language)
    differs = {words for key, words in english.items() if words != other[key] and " " in words}
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(words))) for words in differs]
    return [
        text
        for text in page.evaluate(TEXTS)
        if any(pattern.fullmatch(text) for pattern in patterns) or len(set(ENGLISH.findall(text.lower()))) >= 2
    ]


def done(page: Page, selector: str) -> None:
    page.locator(selector).first.wait_for()


@pytest.mark.parametrize(
    ("language", "every"),
    [("de", False), *(pytest.param(language, True, marks=pytest.mark.extended) for language in OTHERS)],
)
def test_no_english_is_left(
    language: str,
    every: bool,
    web: Service,
    core: Service,
    reader: Callable[[str], AbstractContextManager[Page]],
    new_user: Callable[[], str],
) -> None:
    user, nobody = new_user(), new_user()
    for movie_id, stars in {"1": 4, "260": 5, "1214": 5, "541": 5, "2959": 2}.items():
        httpx.put(f"{core.url}/v1/users/{user}/ratings/{movie_id}", json={"rating": stars}, trust_env=False)
    # address → what is there when the page is
    pages = {
        f"tab=tonight&user={nobody}": "[data-pick]",
        f"tab=tonight&user={user}": ".shelf .tile",
        f"tab=tonight&user={user}&filter=yeer%20%3E%203": ".trouble",
        f"tab=search&user={user}": ".examples",
        "tab=search&q=a%20heist%20in%20the%20rain": ".result",
        "tab=search&q=90s%20action%20with%20bruce%20willis": ".chip",
        "tab=search&q=hitchcok": ".result",
        "tab=search&q=xqzzkvbw": ".empty",
        "tab=film": ".posters",
        "tab=film&film=1214": ".film-similar li",
        "tab=film&film=no-such-film": ".trouble",
        "tab=together": "#together form",
        f"tab=together&people={user},414": "#together .tile",
        f"tab=together&people={user},nobody-at-all-{nobody}": "#together .trouble, #together .tile",
        "tab=map": "#whole-map .say:not(:empty)",
        "tab=classic": "#page-classic a",
    }
    left = {}
    with reader(language) as page:
        for address, shown in list(pages.items())[:: 1 if every else 5]:
            page.goto(f"{web.url}/?{address}")
            done(page, f"{shown} >> visible=true")
            for row in page.locator(".shelf").all():  # rows are asked for when they come near
                row.evaluate(SCROLL)
            expect(page.locator("[aria-busy=true] >> visible=true")).to_have_count(0)
            if found := english_left(page, language):
                left[address] = found
    assert not left
