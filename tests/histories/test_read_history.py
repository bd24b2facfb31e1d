"""Files of each site as entries; and files that are refused."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

import history_files as files
from matinee.errors import InvalidInputError, TooLargeError
from matinee.histories import READABLE, History, read_history
from matinee.histories.layouts.netflix import is_episode
from matinee.histories.values import days_of, imdb_of, seconds_of, stars_of


def read(name: str, data: str | bytes, **options: str | None) -> History:
    return read_history(name, data if isinstance(data, bytes) else data.encode(), **options)


def told(history: History) -> list[tuple[str, float | None, str | None]]:
    """Title, stars and state of the films."""
    return [(entry.title, entry.stars, entry.state) for entry in history.entries if entry.kind == "film"]


HEAT, ALIEN = ("Heat", 9.0, "seen"), ("Alien", None, "watchlist")


@pytest.mark.parametrize(
    ("name", "data", "layout", "scale", "films"),
    [
        ("ratings.csv", files.RATINGS, "letterboxd", "0.5-5", [(t, float(s), "seen") for t, _, _, _, s in files.TEN]),
        ("watchlist.csv", files.WATCHLIST, "letterboxd", None, [ALIEN]),
        ("reviews.csv", files.REVIEWS, "letterboxd", "0.5-5", [("Heat", 5.0, "seen")]),
        ("ratings.csv", files.IMDB, "imdb", "1-10", [(t, 2.0 * s, "seen") for t, _, _, _, s in files.TEN]),
        ("old.csv", files.IMDB_OLD, "imdb", "1-10", [HEAT, ALIEN]),
        ("ratings-movies.json", files.as_json(files.TRAKT_RATINGS), "trakt", "1-10", [HEAT]),
        ("lists-watchlist.json", files.as_json(files.TRAKT_WATCHLIST), "trakt", None, [ALIEN]),
        ("watched.json", files.as_json(files.TRAKT_WATCHED), "trakt", None, [("Heat", None, "seen")]),
        ("movielens.csv", files.MOVIELENS, "movielens", "0.5-5", [("Heat", 4.5, "seen"), ("The Matrix", 5.0, "seen")]),
        ("n.csv", files.NETFLIX, "netflix", None, [("The Matrix", None, "seen"), ("Heat", None, "seen")]),
        ("ViewingActivity.csv", files.NETFLIX_FULL, "netflix", None, [("Heat", None, "seen")]),
        ("tmdb.csv", files.TMDB, "tmdb", "1-10", [HEAT]),
        (
            "rated.json",
            files.as_json({"results": [{"id": 949, "title": "Heat", "release_date": "1995-12-15", "rating": 9}]}),
            "tmdb",
            "1-10",
            [HEAT],
        ),
        ("simkl.csv", files.SIMKL_TABLE, "simkl", "1-10", [HEAT, ALIEN]),
        (
            "SimklBackup.json",
            files.as_json(files.SIMKL),
            "simkl",
            "1-10",
            [HEAT, ALIEN, ("Parasite", None, "not_interested")],
        ),
        ("plex.json", files.as_json(files.PLEX), "plex", "1-10", [HEAT]),
        ("plex.xml", files.PLEX_XML, "plex", "1-10", [HEAT]),
        ("items.json", files.as_json(files.JELLYFIN), "jellyfin", "1-10", [(t, 8.0, "seen") for t, *_ in files.TEN]),
        ("heat.nfo", files.KODI, "kodi", "1-10", [HEAT]),
        ("videodb.xml", files.KODI_LIBRARY, "kodi", "1-10", [HEAT]),
        ("movie.json", files.as_json(files.RADARR), "radarr", None, [("Heat", None, "watchlist"), ALIEN]),
        ("my.csv", "Title,Year,My Rating\nHeat,1995,9\nAlien,1979,\n", "csv", "1-10", [HEAT, ("Alien", None, "seen")]),
        ("my.csv", "Titel;Jahr;Bewertung\nHeat;1995;4,5\n", "csv", "0.5-5", [("Heat", 4.5, "seen")]),
        ("my.csv", "name,rating\nHeat (1995),★★★★½\n", "csv", "0.5-5", [("Heat", 4.5, "seen")]),
        ("my.csv", "name,rating\nHeat (1995),4/10\n", "csv", "1-10", [("Heat", 4.0, "seen")]),
        (
            "my.csv",
            "title,rating\nHeat (1995),90\nAlien,35\n",
            "csv",
            "10-100",
            [("Heat", 90.0, "seen"), ("Alien", 35.0, "seen")],
        ),
        ("my-watchlist.csv", "title,year\nAlien,1979\n", "csv", None, [ALIEN]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_layouts(
    name: str, data: str | bytes, layout: str, scale: str | None, films: list[tuple[str, float | None, str | None]]
) -> None:
    history = read(name, data)
    assert (history.layout, None if history.scale is None else str(history.scale)) == (layout, scale)
    assert told(history) == films
    assert told(read(name, data, layout=layout)) == films


def test_a_letterboxd_archive() -> None:
    history = read("letterboxd-someone-2024.zip", files.LETTERBOXD_ZIP)
    assert history.layout == "letterboxd"
    of_heat = [(entry.stars, entry.time) for entry in history.entries if entry.title == "Heat" and entry.stars]
    assert of_heat[-1][0] == 5.0  # of ratings.csv, which counts most
    assert [stars for stars, _ in of_heat] == [5.0, 4.5, 5.0, 5.0]  # the review, the diary by its dates, the rating
    assert history.skipped == {"films of lists": 3, "deleted at Letterboxd": 3}
    assert any("profile.csv" in note for note in history.notes)
    assert [entry.title for entry in history.entries if entry.state == "watchlist"] == ["Alien"]


def test_a_list_begins_at_its_second_header() -> None:
    history = read("best-of-mine.csv", files.LIST)
    assert [(entry.title, entry.year, entry.line) for entry in history.entries] == [
        ("Heat", 1995, 6),
        ("Good, the Bad and the Ugly, The", 1966, 7),
        ("Alien", 1979, 8),
    ]
    assert "watchlist" in history.notes[0]


def test_series_and_what_is_left_out() -> None:
    assert [entry.kind for entry in read("r.csv", files.IMDB).entries].count("episode") == 1
    assert [entry.kind for entry in read("n.csv", files.NETFLIX).entries] == ["film", "film", "episode"]
    assert read("v.csv", files.NETFLIX_FULL).skipped == {
        "trailers and the like": 1,
        "watched for less than 20 minutes": 1,
    }
    assert read("k.xml", files.KODI_LIBRARY).skipped == {"not seen": 1}
    assert read("m.csv", files.MOVIELENS).skipped == {"without stars": 1}


@pytest.mark.parametrize(
    ("title", "episode"),
    [
        ("Dune: Part Two", False),
        ("Star Wars: Episode IV - A New Hope", False),
        ("Mission: Impossible", False),
        ("A Show: Season 2: The End", True),
        ("Eine Serie: Staffel 1: Anfang", True),
        ("A Show: Limited Series: Part 1", True),
        ("A Show: Part 3: The End", True),
        ("Una serie: Temporada 4: Fin", True),
    ],
)
def test_episodes_of_netflix(title: str, episode: bool) -> None:
    assert is_episode(title) == episode


@pytest.mark.parametrize(
    "encoded",
    [
        files.RATINGS.encode("utf-16"),
        files.RATINGS.encode("utf-16-le"),
        b"\xef\xbb\xbf" + files.RATINGS.encode(),
        files.RATINGS.encode("cp1252"),
        files.RATINGS.replace("\n", "\r\n").encode(),
        ("sep=,\n" + files.RATINGS).encode(),
        gzip.compress(files.RATINGS.encode()),
        files.zipped(ratings_csv=files.RATINGS),
    ],
    ids=["utf-16", "utf-16-le", "mark", "cp1252", "crlf", "sep", "gzip", "zip"],
)
def test_encodings_and_archives(encoded: bytes) -> None:
    assert told(read_history("ratings.csv", encoded)) == told(read("ratings.csv", files.RATINGS))


@pytest.mark.parametrize(
    ("ratings", "scale", "shown"),
    [
        ((1, 2), None, "0.5-5"),
        ((9, 4), None, "1-10"),
        ((9.5, 0.5), None, "0.5-10"),
        ((80, 100), None, "10-100"),
        ((3, 100), None, "0-100"),
        ((3, 4), "1-10", "1-10"),
        ((0, 4), "0-4", "0-4"),
        ((0, 4), None, "0.5-5"),
        ((3, 4), "10", "1-10"),
        ((1, 1), None, None),
        ((0.2, 4), None, None),
        ((-1, 4), None, None),
        ((400, 4), None, None),
        ((9, 4), "5", None),
        ((9, 4), "nonsense", None),
    ],
)
def test_scales_of_plain_tables(ratings: tuple[float, ...], scale: str | None, shown: str | None) -> None:
    table = "title,rating\n" + "".join(f"Film {i},{stars}\n" for i, stars in enumerate(ratings))
    if shown is None:
        with pytest.raises(InvalidInputError, match="scale"):
            read("t.csv", table, scale=scale)
    else:
        history = read("t.csv", table, scale=scale)
        assert str(history.scale) == shown
        zeros = [entry.stars for entry in history.entries if entry.stars in (0, None)]
        assert zeros == ([0.0] if scale == "0-4" else [None] if 0 in ratings else [])


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", b"0" * (65 << 20))
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"  \n", "empty"),
        ("a.csv", b"foo,bar\n1,2\n", "Its columns are: foo, bar"),
        ("a.json", b"{broken", "not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b'{"a": 1}', "no layout"),
        ("a.xml", b"<movie><title>", "not XML"),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><movie>&b;</movie>', "entities"),
        ("a.zip", b"PK\x03\x04broken", "archive"),
        ("a.gz", b"\x1f\x8bbroken", "archive"),
        ("a.zip", files.zipped(readme_md="x"), "holds no table"),
        ("a.csv", b"\xff\xfe\x00", "not text"),
        ("a.csv", b'Date,Name,Year,Letterboxd URI,Rating\n1,"' + b"x" * 200_000, "not a table"),
        ("a.csv", b"Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,u,many\n", "no number"),
        ("a.csv", b"userId,movieId,imdb_id,rating\n1,2,tt1,3\n2,2,tt1,3\n", "2 users"),
        ("a.csv", b"title,rating\nHeat,3/5\nAlien,3/10\n", "10 and of 5"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, data: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as refused:
        read_history(name, data)
    assert refused.value.hint


def test_bounds() -> None:
    with pytest.raises(TooLargeError):
        read_history("bomb.zip", bomb())
    with pytest.raises(TooLargeError):
        read_history("bomb.gz", gzip.compress(b"0" * (65 << 20), 1))
    with pytest.raises(TooLargeError):
        read_history("large.csv", b"0" * (65 << 20))
    with pytest.raises(TooLargeError, match="rows"):
        read_history("long.csv", b"title,year\n" + b"a,1990\n" * 200_001)


def test_layouts_are_named() -> None:
    with pytest.raises(InvalidInputError, match="no layout 'facebook'"):
        read("a.csv", files.RATINGS, layout="facebook")
    with pytest.raises(InvalidInputError, match="not one of IMDb's"):
        read("a.csv", files.RATINGS, layout="imdb")
    assert {"letterboxd", "imdb", "trakt", "csv"} <= set(READABLE)


def test_values() -> None:
    assert (
        imdb_of('="tt0111161"') == imdb_of("0111161") == imdb_of("https://www.imdb.com/title/tt0111161/") == "tt0111161"
    )
    assert imdb_of("nm1") is imdb_of("") is imdb_of(None) is None
    assert seconds_of("2024-01-02T03:04:05.1234567Z") == seconds_of(1704164645) == seconds_of(1704164645123)
    assert seconds_of("yesterday") is seconds_of("") is seconds_of("1850-01-01") is None
    assert days_of(["12/31/23", "1/5/24"]) == [1703980800, 1704412800]
    assert days_of(["31.12.2023"]) == [1703980800]
    assert days_of(["1/2/24"]) == [None]
    assert days_of(["2023-12-31", "x"]) == [1703980800, None]
    assert stars_of("4,5") == 4.5
    with pytest.raises(ValueError, match="inf"):
        stars_of(float("inf"))
