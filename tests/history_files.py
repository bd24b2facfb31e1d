"""Exports as sites write them; every rating and person is invented."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

TEN = [
    ("The Matrix", 1999, "tt0133093", "603", 4.5),
    ("Heat", 1995, "tt0113277", "949", 5),
    ("Toy Story", 1995, "tt0114709", "862", 4),
    ("Amélie", 2001, "tt0211915", "194", 3.5),
    ("Se7en", 1995, "tt0114369", "807", 4.5),
    ("Spirited Away", 2001, "tt0245429", "129", 5),
    ("The Good, the Bad and the Ugly", 1966, "tt0060196", "429", 4),
    ("WALL·E", 2008, "tt0910970", "10681", 3),
    ("Léon: The Professional", 1994, "tt0110413", "101", 4.5),
    ("City of God", 2002, "tt0317248", "598", 2),
]
"""Title, year, ids and stars of five."""

CATALOG = [
    ("2571", "The Matrix", 1999, "tt0133093", "603"),
    ("6", "Heat", 1995, "tt0113277", "949"),
    ("1", "Toy Story", 1995, "tt0114709", "862"),
    ("4973", "Amelie (Fabuleux destin d'Amélie Poulain, Le)", 2001, "tt0211915", "194"),
    ("47", "Seven (a.k.a. Se7en)", 1995, "tt0114369", "807"),
    ("5618", "Spirited Away (Sen to Chihiro no kamikakushi)", 2001, "tt0245429", "129"),
    ("1201", "The Good, the Bad and the Ugly (Il buono, il brutto, il cattivo)", 1966, "tt0060196", "429"),
    ("60069", "WALL·E", 2008, "tt0910970", "10681"),
    ("293", "Léon: The Professional (a.k.a. The Professional) (Léon)", 1994, "tt0110413", "101"),
    ("6016", "City of God (Cidade de Deus)", 2002, "tt0317248", "598"),
    ("260", "Star Wars: Episode IV - A New Hope", 1977, "tt0076759", "11"),
    ("1196", "Star Wars: Episode V - The Empire Strikes Back", 1980, "tt0080684", "1891"),
    ("3996", "Crouching Tiger, Hidden Dragon (Wo hu cang long)", 2000, "tt0190332", "146"),
    ("1214", "Alien", 1979, "tt0078748", "348"),
    ("4144", "Parasite", 1982, "tt0084472", "48311"),
    ("3100", "Emma", 1996, "tt0116191", "3573"),
    ("3101", "Emma", 1996, "tt0118308", "12254"),
    ("8376", "The Heat", 2013, "tt2404463", "136795"),
]
"""Id, title, year, and ids elsewhere of the movies that the tests know."""

RATINGS = "Date,Name,Year,Letterboxd URI,Rating\n" + "".join(
    f'2024-02-{i:02d},"{title}",{year},https://boxd.it/x{i}a,{stars:g}\n'
    for i, (title, year, _, _, stars) in enumerate(TEN, 1)
)
WATCHED = "Date,Name,Year,Letterboxd URI\n" + "".join(
    f'2024-02-{i:02d},"{title}",{year},https://boxd.it/x{i}a\n' for i, (title, year, *_) in enumerate(TEN, 1)
)
DIARY = (
    "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n"
    "2024-05-03,Heat,1995,https://boxd.it/9002,5,Yes,,2024-05-02\n"
    '2024-02-03,Heat,1995,https://boxd.it/9001,4.5,,"crime, night",2024-02-01\n'
    "2024-05-09,Toy Story,1995,https://boxd.it/9003,,,,2024-05-09\n"
)
REVIEWS = (
    "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Review,Tags,Watched Date\n"
    '2024-02-03,Heat,1995,https://boxd.it/9001,5,,"Two lines\nof a review, with ""quotes""",,2024-02-01\n'
)
WATCHLIST = "Date,Name,Year,Letterboxd URI\n2024-03-01,Alien,1979,https://boxd.it/xx1\n"
LIST = (
    "Letterboxd list export v7\nDate,Name,Tags,URL,Description\n2024-05-01,Best of mine,,https://boxd.it/zz1,\n\n"
    "Position,Name,Year,URL,Description\n1,Heat,1995,https://boxd.it/zz2,\n"
    '2,"Good, the Bad and the Ugly, The",1966,https://boxd.it/zz3,\n3,Alien,1979,https://boxd.it/zz4,\n'
)
PROFILE = "Date Joined,Username,Given Name\n2020-01-01,someone,\n"
FRANCHISE = (
    "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Star Wars,1977,https://boxd.it/q1,4\n"
    "2024-01-02,The Empire Strikes Back,1980,https://boxd.it/q2,4.5\n"
    "2024-01-03,Crouching Tiger Hidden Dragon,2000,https://boxd.it/q3,3.5\n"
    "2024-01-04,Toy Story 4,2019,https://boxd.it/q4,2\n2024-01-05,Toy Story,1995,https://boxd.it/q5,5\n"
    "2024-01-06,Star 80,1983,https://boxd.it/q6,3\n"
)
IMDB = (
    "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres,Num Votes,"
    "Release Date,Directors\n"
    + "".join(
        f'{imdb},{int(stars * 2)},2024-01-01,"{title}","{title}",https://www.imdb.com/title/{imdb}/,Movie,8.1,120,{year},'
        f'"Drama, Crime",1000,{year}-01-01,Someone\n'
        for title, year, imdb, _, stars in TEN
    )
    + "tt0959621,9,2024-01-20,Pilot,Pilot,https://www.imdb.com/title/tt0959621/,TV Episode,9.0,58,2008,Drama,9,2008,\n"
)
IMDB_OLD = (
    '"position","const","created","modified","description","Title","Title type","Directors","You rated","IMDb Rating",'
    '"Runtime (mins)","Year"\n'
    '"1","tt0113277","Mon Jan  1 00:00:00 2014","","","Heat","Feature Film","Michael Mann","9","8.2","170","1995"\n'
    '"2","tt0078748","Mon Jan  1 00:00:00 2014","","","Alien","Feature Film","Ridley Scott","","8.4","117","1979"\n'
)
NETFLIX = 'Title,Date\n"The Matrix","12/31/23"\n"Heat","1/5/24"\n"Some Series: Season 1: Pilot","1/6/24"\n'
NETFLIX_FULL = (
    "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type,Bookmark,Latest Bookmark,"
    "Country\nAnn,2024-05-02 19:00:00,01:40:00,,Heat,,TV,01:40:00,01:40:00,US\n"
    "Ann,2024-05-02 18:59:00,00:01:00,,Alien,TRAILER,TV,00:01:00,00:01:00,US\n"
    "Bob,2024-05-02 18:59:00,00:03:00,,Alien,,TV,00:03:00,00:03:00,US\n"
)
TMDB = (
    "TMDb ID,IMDb ID,Type,Name,Release Date,Season Number,Episode Number,Rating,Your Rating,Date Rated\n"
    "949,tt0113277,movie,Heat,1995-12-15T00:00:00Z,,,7.9,9.0,2022-09-20T00:00:00Z\n"
    "1396,tt0903747,tv,Breaking Bad,2008-01-20T00:00:00Z,,,8.9,10.0,2022-09-20T00:00:00Z\n"
)
SIMKL_TABLE = (
    "SIMKL_ID,Title,Type,Year,Watchlist,LastEpWatched,WatchedDate,Rating,Memo,TVDB,TMDB,IMDB\n"
    "1,Heat,movie,1995,completed,,2024-01-05 10:00:00,9,,,949,tt0113277\n"
    "2,Alien,movie,1979,plantowatch,,,,,,348,tt0078748\n"
    "3,Some Show,tv,2010,watching,s1e1,,8,,,,\n"
)
MOVIELENS = (
    "movie_id,imdb_id,tmdb_id,rating,average_rating,title\n6,0113277,949,4.5,3.9,Heat (1995)\n"
    '2571,0133093,603,5.0,4.2,"Matrix, The (1999)"\n1214,0078748,348,-1.0,4.0,Alien (1979)\n'
)
KODI = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<movie><title>Heat</title><year>1995</year>'
    "<userrating>9</userrating><playcount>1</playcount><lastplayed>2024-01-02 20:00:00</lastplayed>"
    '<uniqueid type="imdb">tt0113277</uniqueid><uniqueid type="tmdb" default="true">949</uniqueid></movie>\n'
    "https://www.themoviedb.org/movie/949\n"
)
KODI_LIBRARY = (
    "<videodb><version>1</version><movie><title>Alien</title><premiered>1979-05-25</premiered><playcount>0</playcount>"
    "</movie>" + KODI.partition("\n")[2].partition("\n")[0] + "<tvshow><title>A Show</title></tvshow></videodb>"
)
PLEX_XML = (
    '<MediaContainer size="2"><Video type="movie" title="Heat" year="1995" userRating="9.0" viewCount="2" '
    'lastViewedAt="1704000000" guid="plex://movie/5d"><Guid id="imdb://tt0113277"/><Guid id="tmdb://949"/></Video>'
    '<Video type="movie" title="Alien" year="1979" guid="com.plexapp.agents.imdb://tt0078748?lang=en"/></MediaContainer>'
)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


JELLYFIN = {
    "Items": [
        {
            "Name": title,
            "ProductionYear": year,
            "ProviderIds": {"Imdb": imdb, "Tmdb": tmdb},
            "UserData": {"Played": True, "PlayCount": 1, "IsFavorite": False, "Rating": 8.0},
        }
        for title, year, imdb, tmdb, _ in TEN
    ],
    "TotalRecordCount": 10,
}
_HEAT = {"title": "Heat", "year": 1995, "ids": {"trakt": 606, "slug": "heat-1995", "imdb": "tt0113277", "tmdb": 949}}
_ALIEN = {"title": "Alien", "year": 1979, "ids": {"imdb": "tt0078748", "tmdb": 348}}
TRAKT_RATINGS = [
    {"rated_at": "2024-01-02T03:04:05.000Z", "rating": 9, "type": "movie", "movie": _HEAT},
    {"rated_at": "2024-01-02T03:04:05.000Z", "rating": 9, "type": "show", "show": {"title": "A Show", "ids": {}}},
]
TRAKT_WATCHLIST = [{"rank": 1, "listed_at": "2024-01-02T03:04:05.000Z", "type": "movie", "movie": _ALIEN}]
TRAKT_WATCHED = [{"plays": 2, "last_watched_at": "2024-02-02T03:04:05.000Z", "movie": _HEAT}]
SIMKL = {
    "movies": [
        {"status": "completed", "user_rating": 9, "last_watched_at": "2024-01-05T10:00:00Z", "movie": _HEAT},
        {"status": "plantowatch", "user_rating": None, "movie": _ALIEN},
        {"status": "notinteresting", "movie": {"title": "Parasite", "year": 1982, "ids": {"imdb": "tt0084472"}}},
    ],
    "shows": [{"status": "watching", "show": {"title": "A Show", "year": 2010, "ids": {}}}],
    "anime": [],
}
PLEX = {
    "MediaContainer": {
        "Metadata": [
            {
                "type": "movie",
                "title": "Heat",
                "year": 1995,
                "userRating": 9.0,
                "viewCount": 1,
                "lastViewedAt": 1704000000,
                "Guid": [{"id": "imdb://tt0113277"}, {"id": "tmdb://949"}],
            },
            {"type": "movie", "title": "Alien", "year": 1979},
        ]
    }
}
RADARR = [
    {"title": "Heat", "originalTitle": "Heat", "year": 1995, "imdbId": "tt0113277", "tmdbId": 949, "hasFile": True},
    {"title": "Alien", "year": 1979, "tmdbId": 348, "added": "2024-01-01T00:00:00Z"},
]


def zipped(**files: str | bytes) -> bytes:
    """A zip of files; `__` in a name stands for a folder, `_csv` at its end for the suffix."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            stem, _, suffix = name.replace("__", "/").rpartition("_")
            archive.writestr(f"{stem.replace('_', '-')}.{suffix}", data)
    return content.getvalue()


LETTERBOXD_ZIP = zipped(
    profile_csv=PROFILE,
    ratings_csv=RATINGS,
    watched_csv=WATCHED,
    watchlist_csv=WATCHLIST,
    diary_csv=DIARY,
    reviews_csv=REVIEWS,
    likes__films_csv=WATCHED,
    lists__best_csv=LIST,
    deleted__diary_csv=DIARY,
)


def movies() -> list[dict[str, object]]:
    """The catalog as records of a data set."""
    return [
        {"movie_id": id_, "title": title, "year": year, "genres": ["Drama"], "imdb_id": imdb, "tmdb_id": tmdb}
        for id_, title, year, imdb, tmdb in CATALOG
    ]


def rows() -> list[tuple[str, str, float, int | None]]:
    """Ratings of others, from half a star to five."""
    ids = [id_ for id_, *_ in CATALOG]
    return [
        (f"u{user}", id_, 0.5 + 0.5 * ((user * 7 + i * 3) % 10), 1_000_000_000 + user)
        for user in range(12)
        for i, id_ in enumerate(ids)
        if (user + i) % 2
    ]
