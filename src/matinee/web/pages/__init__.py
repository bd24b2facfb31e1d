"""The pages in the order of their tabs: name in addresses → label and build function."""

from __future__ import annotations

from collections.abc import Callable

from matinee.web.pages import classic, favorites, film, film_map, foryou, match, search, similar, together, tonight
from matinee.web.shell import Page, Shell

PAGES: dict[str, tuple[str, Callable[[Shell], Page]]] = {
    "tonight": ("Tonight", tonight.build),
    "search": ("Search", search.build),
    "film": ("Film", film.build),
    "together": ("For two", together.build),
    "map": ("Map", film_map.build),
    "classic": ("Classic", classic.build),
    "for-you": ("For you", foryou.build),
    "match": ("Poster match", match.build),
    "similar": ("More like this", similar.build),
    "favourites": ("Three favourites", favorites.build),
}
CLASSIC = ("for-you", "match", "similar", "favourites")
"""Pages whose tabs are shown while one of them, or `classic`, is open."""
EARLIER = ("for-you", "match", "similar", "favourites", "search", "film")
"""Pages whose values come first in the answer of `open`, where programs look for them."""
