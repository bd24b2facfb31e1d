"""Ids of other sites."""

from __future__ import annotations

import pytest

from matinee.data.catalog import Catalog, Movie
from matinee.matching import OutsideIds, outside_id


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tt0133093", ("imdb", "tt0133093")),
        ("TT133093", ("imdb", "tt0133093")),
        ("imdb:tt0133093", ("imdb", "tt0133093")),
        ("imdb:133093", ("imdb", "tt0133093")),
        ("tt10872600", ("imdb", "tt10872600")),
        ("https://www.imdb.com/title/tt0133093/?ref_=nv_sr_1", ("imdb", "tt0133093")),
        ("http://m.imdb.com/de/title/tt0133093/reviews", ("imdb", "tt0133093")),
        ("imdb.com/title/tt0133093", ("imdb", "tt0133093")),
        ("tmdb:603", ("tmdb", "603")),
        ("TMDB:0603", ("tmdb", "603")),
        ("https://www.themoviedb.org/movie/603-the-matrix?language=de", ("tmdb", "603")),
        ("themoviedb.org/movie/603", ("tmdb", "603")),
        ("603", None),
        ("imdb:nm0000206", None),
        ("https://www.themoviedb.org/tv/603", None),
        ("https://example.com/title/tt0133093/", None),
        ("tt", None),
        ("", None),
    ],
)
def test_ids_are_read(text: str, found: tuple[str, str] | None) -> None:
    assert outside_id(text) == found


def test_rows_by_id() -> None:
    def movie(id_: str, imdb: str | None, tmdb: str | None) -> Movie:
        return Movie(movie_id=id_, title="A film", imdb_id=imdb, tmdb_id=tmdb)

    ids = OutsideIds(Catalog.of([movie("1", "tt0133093", "603"), movie("2", None, "7"), movie("3", None, "7")]))
    assert ids.rows("tt133093") == ids.rows("tmdb:603") == (0,)
    assert ids.rows("tmdb:7") == (1, 2)
    assert ids.rows("tmdb:8") == ids.rows("1") == ()
