"""The pages in the order of their tabs: name in addresses → label and build function."""

from __future__ import annotations

from collections.abc import Callable

from matinee.web.pages import favorites, film, foryou, match, search, similar
from matinee.web.shell import Page, Shell

PAGES: dict[str, tuple[str, Callable[[Shell], Page]]] = {
    "for-you": ("For you", foryou.build),
    "match": ("Poster match", match.build),
    "similar": ("More like this", similar.build),
    "favourites": ("Three favourites", favorites.build),
    "search": ("Search", search.build),
    "film": ("Film", film.build),
}
