"""Which rows of a catalog are one movie: equal ids at other sites, or equal title and year."""

from __future__ import annotations

from collections import defaultdict

from matinee.data.catalog import Catalog
from matinee.data.titles import split_title
from matinee.engine.catalog_cache import PerCatalog


class SameMovie:
    """Rows of a catalog by what says that they are one movie."""

    def __init__(self, catalog: Catalog) -> None:
        names: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        self._names: list[list[tuple[object, ...]]] = []
        columns = catalog.columns("imdb_id", "tmdb_id", "title", "year")
        for row, (imdb, tmdb, title, year) in enumerate(zip(*columns, strict=True)):
            own: list[tuple[object, ...]] = [("imdb", imdb)] if imdb else []
            own += [("tmdb", tmdb)] if tmdb else []
            # Movies written while serving may have the year in the title only.
            title, year = (title, year) if year else split_title(title)
            own += [("title", title.casefold(), year)] if year else []
            self._names.append(own)
            for name in own:
                names[name].append(row)
        self._rows = {name: rows for name, rows in names.items() if len(rows) > 1}

    def rows(self, row: int) -> list[int]:
        """Rows of the same movie, the given one among them."""
        return sorted({row, *(other for name in self._names[row] for other in self._rows.get(name, ()))})


same_movie_of = PerCatalog(SameMovie)
"""Which rows of a catalog are one movie."""
