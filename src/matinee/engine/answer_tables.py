"""An answer as a sequence of its items, as a table in a notebook, and as a data frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import quote

from matinee._util.notebook import html_table, image, pandas_frame, polars_frame, shortened
from matinee.data.titles import with_year
from matinee.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from matinee.engine.types import Item

_TYPES = {
    "rank": "Int64",
    "movie_id": "String",
    "title": "String",
    "year": "Int64",
    "genres": "String",
    "score": "Float64",
    "stars": "Float64",
    "reason": "String",
}


class AnswerTable:
    """What an `Answer` can do beside holding its fields: `len`, iteration, indexing, tables."""

    if TYPE_CHECKING:
        items: tuple[Item, ...]
        model: str
        user_id: str | None

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return True  # an empty list is an answer too

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, place: int | slice) -> Item | tuple[Item, ...]:
        return self.items[place]

    @property
    def titles(self) -> list[str]:
        """Titles with years, best first: "Toy Story (1995)"."""
        return [with_year(item.title, item.year) for item in self.items]

    def __repr__(self) -> str:
        whose = f" for {self.user_id}" if self.user_id is not None else ""
        return f"<Answer by {self.model}{whose}: {shortened(self.titles) or 'no films'}>"

    def _repr_html_(self) -> str:
        try:
            url = Settings().core_url
        except ValueError:  # invalid settings are reported elsewhere
            url = ""
        return self.to_html(url)

    def to_html(self, core_url: str = "") -> str:
        """A table in HTML, as notebooks show it.

        Args:
            core_url: a core service ("http://localhost:8000") that posters are loaded from; "": no posters. Notebooks
                take the setting `core_url` (MATINEE_CORE_URL).
        """
        columns = ["#", *(["Poster"] if core_url else []), "Title", "Year", "Genres", "Stars", "Score"]
        with_reasons = any(item.reason for item in self.items)
        if with_reasons:
            columns.append("Why")
        rows = []
        for item in self.items:
            row: list[object] = [item.rank]
            if core_url:
                row.append(image(f"{core_url}/v1/movies/{quote(item.movie_id, safe='')}/poster?size=small", item.title))
            stars = None if item.stars is None else f"{item.stars:.1f}"
            row += [item.title, item.year, ", ".join(item.genres), stars, f"{item.score:.3f}"]
            rows.append([*row, item.reason] if with_reasons else row)
        whose = f" for {self.user_id}" if self.user_id is not None else ""
        return html_table(columns, rows, caption=f"By {self.model}{whose}", right=("#", "Year", "Stars", "Score"))

    def _columns(self) -> dict[str, list[Any]]:
        columns = {name: [getattr(item, name) for item in self.items] for name in _TYPES}
        columns["genres"] = [list(genres) for genres in columns["genres"]]
        return columns

    def to_polars(self) -> pl.DataFrame:
        """One row a movie: rank, movie_id, title, year, genres, score, stars, reason.

        Raises:
            MissingExtraError: Polars is not installed.
        """
        return polars_frame(self._columns(), _TYPES)

    def to_pandas(self) -> pd.DataFrame:
        """As `to_polars`, for pandas.

        Raises:
            MatineeError: pandas is not installed.
        """
        return pandas_frame(self._columns())
