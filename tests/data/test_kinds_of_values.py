"""Values that mean something else: how ratings and times are written, what is no rating, whose ids the films have."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from matinee.data.clean import clean_ratings
from matinee.data.dataset import SEEN, Dataset
from matinee.data.load import load_dataset, read_movies_table
from matinee.data.readers import read_source
from matinee.data.stars import Values, understand
from matinee.errors import DataError
from matinee.settings import Settings

FILMS = ["movieId,title,genres", *(f"{n},Film {n} (199{n}),Drama" for n in range(1, 9))]


def write(path: Path, lines: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding=encoding)


def load(place: Path, **options: object) -> Dataset:
    settings = Settings(cache_dir=place.parent / "cache", offline=True)
    return load_dataset(place, settings, credits=False, **options)  # type: ignore[arg-type]


def rated(folder: Path, written: list[str], **options: object) -> Dataset:
    """Data whose ratings have these values, each many times."""
    lines = [f'u{n},{1 + n % 8},"{value}"' for n, value in enumerate(written * 8)]
    write(folder / "ratings.csv", ["userId,movieId,rating", *lines])
    write(folder / "movies.csv", FILMS)
    return load(folder, **options)


@pytest.mark.parametrize(
    ("values", "scale", "stars", "told"),
    [
        (["0,5", "3,5", "5,0"], (0.5, 5.0), [0.5, 3.5, 5.0], "decimal comma"),
        (["4/5", "1/5", "2/5"], (1.0, 5.0), [1.0, 2.0, 4.0], "fraction"),
        (["8/10", "3/10", "10/10"], (1.0, 10.0), [3.0, 8.0, 10.0], "fraction"),
        (["3.5 / 5", "1 of 5", "5 out of 5"], (0.5, 5.0), [1.0, 3.5, 5.0], "fraction"),
        (["80%", "35 %", "100%"], (1.0, 100.0), [35.0, 80.0, 100.0], "percent"),
        (["★★★★", "★½", "★★★"], (0.5, 5.0), [1.5, 3.0, 4.0], "stars as signs"),
        (["★★★★☆", "★☆☆☆☆", "★★★☆☆"], (1.0, 5.0), [1.0, 3.0, 4.0], "stars as signs"),
        (["⭐⭐", "⭐⭐⭐⭐", "***"], (1.0, 5.0), [2.0, 3.0, 4.0], "stars as signs"),
        (["4 stars", "1 star", "3 Sterne"], (1.0, 5.0), [1.0, 3.0, 4.0], "number with a word"),
        ([" 4 ", "1", " 3"], (1.0, 5.0), [1.0, 3.0, 4.0], ""),
        ([" 10", " 1", " 7", " 9"], (1.0, 10.0), [1.0, 7.0, 9.0, 10.0], ""),
        (["like", "dislike"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["Thumbs Up", "thumbs down"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["👍", "👎"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["gefällt mir", "gefällt mir nicht"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["j’aime", "je n'aime pas"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["True", "False"], (0.0, 1.0), [0.0, 1.0], "word for liked or not"),
        (["-1", "1"], (-1.0, 1.0), [-1.0, 1.0], ""),
        (["1", "7", "3"], (1.0, 10.0), [1.0, 3.0, 7.0], ""),
        (["55", "80", "20"], (0.0, 100.0), [20.0, 55.0, 80.0], ""),
    ],
)
def test_ratings_as_people_write_them(
    values: list[str], scale: tuple[float, float], stars: list[float], told: str, tmp_path: Path
) -> None:
    data = rated(tmp_path / "mine", values)
    assert data.scale == scale
    assert sorted(set(data.ratings.values.tolist())) == stars
    assert len(data.ratings) == len(values) * 8
    assert [reason.removeprefix("rating read from: ") for reason in data.report.tables["ratings"].changed] == [
        told
    ] * bool(told)


def test_words_that_are_not_known_are_quoted_and_can_be_stated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"such as '(meh|superb)', '(meh|superb)' are no numbers; --map-values"):
        rated(tmp_path / "mine", ["meh", "superb"])
    data = rated(tmp_path / "mine", ["meh", "superb"], values={"Meh": 2, "SUPERB": 5})
    assert (data.scale, set(data.ratings.values.tolist())) == ((1.0, 5.0), {2.0, 5.0})
    mixed = rated(tmp_path / "mine", ["1", "5", "3", "4", "meh"])
    assert len(mixed.ratings) == 32
    assert any("'meh' are no numbers" in note for note in mixed.report.notes)
    write(tmp_path / "bare" / "ratings.csv", ["userId,movieId", "1,1"])
    with pytest.raises(DataError, match="no column of ratings whose values"):
        load(tmp_path / "bare", values={"x": 1})


def test_likes_are_not_stored_as_one_star() -> None:
    frame = pl.DataFrame({"user_id": ["1", "2"], "movie_id": ["1", "1"], "rating": ["like", "dislike"]})
    kept, report = clean_ratings(frame, ["1"], (0.5, 5.0))
    assert (kept.height, report.dropped) == (0, {"rating is not a number": 2})
    kept, _ = clean_ratings(frame, ["1"], (0.5, 5.0), words={"like": 4.5, "dislike": 1})
    assert kept["rating"].to_list() == [4.5, 1.0]
    fractions = pl.DataFrame({"user_id": ["1", "2"], "movie_id": ["1", "1"], "rating": ["8/10", "3/10"]})
    assert clean_ratings(fractions, ["1"], (0.5, 5.0))[0]["rating"].to_list() == [4.0, 1.5]


@pytest.mark.parametrize(
    ("numbers", "unrated", "scale"),
    [
        ({1: 5, 4: 9, 5: 9, 99: 6}, (99.0,), (1.0, 5.0)),
        ({1: 5, 7: 9, 10: 9, -1: 20}, (-1.0,), (1.0, 10.0)),  # MyAnimeList
        ({-9.5: 5, 0: 5, 9.75: 5, 99: 30}, (99.0,), (-9.5, 9.75)),  # Jester
        ({1: 5, 5: 9, -9: 3, 999: 2}, (-9.0, 999.0), (1.0, 5.0)),
        ({40: 5, 80: 9, 99: 6}, (), (0.0, 100.0)),
        ({-1: 5, 1: 9}, (), (-1.0, 1.0)),
        ({-1: 5, 0: 3, 1: 9}, (), (-1.0, 1.0)),
        ({0: 4, 1: 5, 3: 9, 5: 9}, (), (0.0, 5.0)),
    ],
)
def test_numbers_apart_from_all_others_are_no_ratings(
    numbers: dict[float, int], unrated: tuple[float, ...], scale: tuple[float, float]
) -> None:
    column = pl.Series([float(number) for number, rows in numbers.items() for _ in range(rows)])
    meaning = understand(Values.of(column))
    assert (tuple(sorted(meaning.unrated)), meaning.scale) == (unrated, scale)
    assert understand(Values.of(column), unrated=()).unrated == ()


@pytest.mark.parametrize(
    ("numbers", "noticed"),
    [
        ({0: 80, 5: 8, 7: 22, 8: 4, 10: 6}, 80),
        ({0: 60, 1: 2, 4: 10, 8: 20, 10: 8}, 60),  # Book-Crossing
        ({0: 3, 1: 5, 2: 9, 3: 20, 4: 18, 5: 10}, 0),
        ({0: 40, 1: 60}, 0),
    ],
)
def test_many_zeros_are_noticed(numbers: dict[float, int], noticed: int) -> None:
    column = pl.Series([float(number) for number, rows in numbers.items() for _ in range(rows)])
    meaning = understand(Values.of(column))
    assert sum(meaning.noticed.values()) == noticed
    assert bool([note for note in meaning.notes if "--unrated 0" in note]) == bool(noticed)


@pytest.mark.parametrize(
    ("numbers", "counts"),
    [
        ({0.2: 12, 1.5: 12, 3: 12, 12: 12, 90: 6, 4000: 2}, True),  # hours
        ({1: 60, 2: 20, 3: 9, 5: 5, 8: 3, 13: 2, 57: 1}, True),  # plays
        ({1: 5, 2: 5, 3: 20, 4: 30, 5: 20, 55: 1}, False),  # a slip of the hand
        ({10: 5, 12: 20, 14: 30, 18: 5, 20: 2}, False),  # marks of 20
        ({20: 5, 50: 20, 80: 30, 100: 5}, False),
    ],
)
def test_counts_are_no_stars(numbers: dict[float, int], counts: bool) -> None:
    column = pl.Series([float(number) for number, rows in numbers.items() for _ in range(rows)])
    meaning = understand(Values.of(column))
    assert meaning.counts == counts == (meaning.scale == SEEN)
    assert understand(Values.of(column), scale=(0.0, 4000.0)).scale == (0.0, 4000.0)


def test_never_played_is_not_seen(tmp_path: Path) -> None:
    data = rated(tmp_path / "mine", ["0", "0.4", "1", "2", "700"])
    assert data.report.tables["ratings"].dropped == {"never seen (0)": 8}
    assert (data.scale, len(data.ratings)) == (SEEN, 32)


MOMENT = int(datetime(2020, 3, 14, 15, 9, 26, tzinfo=UTC).timestamp())
DAY = int(datetime(2020, 3, 14, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (f"{MOMENT}", MOMENT),
        (f"{MOMENT}.0", MOMENT),
        (f"{MOMENT}123", MOMENT),
        (f"{MOMENT}123456", MOMENT),
        (f"{MOMENT}123456789", MOMENT),
        ("2020-03-14T15:09:26Z", MOMENT),
        ("2020-03-14 15:09:26", MOMENT),
        ("2020-03-14T15:09:26.535Z", MOMENT),
        ("2020-03-14T17:09:26+02:00", MOMENT),
        ("2020-03-14T09:39:26-0530", MOMENT),
        ("2020-03-14 15:09:26 UTC", MOMENT),
        ("2020-03-14 15:09", MOMENT - 26),
        ("2020-03-14", DAY),
        ("2020/03/14", DAY),
        ("20200314", DAY),
        ("14.03.2020", DAY),
        ("14/3/2020", DAY),
        ("3/14/2020", DAY),
        ("3/14/2020 15:09:26", MOMENT),
        ("14-Mar-2020", DAY),
        ("14 Mar 2020", DAY),
        ("Mar 14, 2020", DAY),
        ("March 14, 2020", DAY),
        ("03 14, 2020", DAY),
        ("Sat Mar 14 15:09:26 2020", MOMENT),
    ],
)
def test_times_as_programs_write_them(written: str, seconds: int) -> None:
    frame = pl.DataFrame({"user_id": ["1"], "movie_id": ["1"], "rating": ["3"], "timestamp": [written]})
    kept, _ = clean_ratings(frame, ["1"], (1.0, 5.0))
    assert kept["timestamp"].to_list() == [seconds]


def test_units_are_counted() -> None:
    times = [f"{MOMENT}123", f"{MOMENT}123456", f"{MOMENT}", "soon", ""]
    ids = [str(n) for n in range(5)]
    frame = pl.DataFrame({"user_id": ids, "movie_id": ids, "rating": ["3"] * 5, "timestamp": times})
    kept, report = clean_ratings(frame, ids, (1.0, 5.0))
    assert kept["timestamp"].to_list() == [MOMENT, MOMENT, MOMENT, None, None]
    assert report.changed == {
        "time was in milliseconds": 1,
        "time was in microseconds": 1,
        "time is not a time (left unknown)": 2,
    }


def test_times_of_parquet_with_a_zone() -> None:
    local = pl.Series([datetime(2020, 3, 14, 15, 9, 26, tzinfo=UTC)]).dt.convert_time_zone("America/New_York")
    frame = pl.DataFrame({"user_id": [1], "movie_id": [1], "rating": [3], "timestamp": local})
    assert clean_ratings(frame, ["1"], (1.0, 5.0))[0]["timestamp"].to_list() == [MOMENT]


METADATA = "id,title,original_title,release_date,popularity,vote_average,genres,overview"


def metadata(ids: list[int]) -> list[str]:
    rows = [f"{n},Other {n},Otro {n},20{n:02}-05-01,1.0,7.0,\"[{{'id': 18, 'name': 'Drama'}}]\",Plot {n}" for n in ids]
    return [METADATA, *rows]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ratings with ids of MovieLens beside films with ids of TMDB, all of which are ids of MovieLens as well."""
    folder = tmp_path / "mixed"
    write(
        folder / "ratings.csv",
        ["userId,movieId,rating", *(f"{u},{m},{1 + (u + m) % 5}" for u in range(9) for m in range(1, 9))],
    )
    write(folder / "movies.csv", metadata(list(range(1, 9))))
    return folder


def test_ids_of_tmdb_are_not_those_of_the_ratings(mixed: Path) -> None:
    with pytest.raises(DataError, match=r"movies\.csv has the ids of TMDB.*--map movies\.movie_id=id"):
        load(mixed)
    write(mixed / "links.csv", ["movieId,imdbId,tmdbId", *(f"{m},011{m:04},{9 - m}.0" for m in range(1, 9))])
    data = load(mixed)
    assert data.catalog.movie(data.catalog.row("1")).title == "Other 8"
    assert data.catalog.movie(data.catalog.row("1")).original_title == "Otro 8"
    assert data.catalog.movie(data.catalog.row("1")).tmdb_id == "8"
    assert data.catalog.movie(data.catalog.row("1")).year == 2008
    stated = load(mixed, mapping={"movies.movie_id": "id"})
    assert stated.catalog.movie(stated.catalog.row("1")).title == "Other 1"


def test_ratings_that_say_that_they_have_ids_of_tmdb(mixed: Path) -> None:
    lines = (mixed / "ratings.csv").read_text(encoding="utf-8").replace("movieId", "tmdbId").splitlines()
    write(mixed / "ratings.csv", lines)
    assert load(mixed).titles([0]) == ["Other 1 (2001)"]


def test_ratings_with_ids_of_imdb_find_films_of_tmdb(tmp_path: Path) -> None:
    lines = metadata([1, 2])
    with_imdb = [line + (",imdb_id" if n == 0 else f",tt000000{n}") for n, line in enumerate(lines)]
    write(tmp_path / "a" / "movies.csv", with_imdb)
    write(tmp_path / "a" / "ratings.csv", ["userId,movieId,rating", "1,tt0000001,4", "2,tt0000002,5"])
    assert load(tmp_path / "a").titles([0]) == ["Other 1 (2001)"]


def test_a_plain_table_with_ids_of_tmdb_is_joined_by_the_links(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    write(folder / "ratings.csv", ["userId,movieId,rating", *(f"{u},{m},4" for u in range(3) for m in range(1, 6))])
    write(folder / "movies.csv", ["movieId,title", *(f"{600 + m},Film {m}" for m in range(1, 6))])
    write(folder / "links.csv", ["movieId,imdbId,tmdbId", *(f"{m},1,{600 + m}" for m in range(1, 6))])
    data = load(folder)
    assert data.titles([0]) == ["Film 1"]
    assert any("ids of TMDB, as the table of links tells" in note for note in data.report.notes)


@pytest.mark.parametrize(
    ("films", "told"),
    [
        (["9001,A", "9002,B", "9003,C"], "They are of different kinds"),
        (["1,A", "9002,B", "9003,C"], "15 of 20 ratings are of films that the table of films does not have"),
        (["tt00001,A", "tt00002,B", "tt00003,C", "tt00004,D"], "leading zeros, or in what stands before the number"),
    ],
)
def test_ratings_that_find_no_film_are_refused(films: list[str], told: str, tmp_path: Path) -> None:
    write(
        tmp_path / "a" / "ratings.csv",
        ["userId,movieId,rating", *(f"{u},{m},4" for u in range(5) for m in range(1, 5))],
    )
    write(tmp_path / "a" / "movies.csv", ["movieId,title", *films])
    with pytest.raises(DataError) as refused:
        load(tmp_path / "a")
    assert told in str(refused.value)


def test_the_column_with_the_same_ids_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ratings.csv", ["userId,movieId,rating", "1,tt0000001,4", "2,tt0000002,5"])
    write(tmp_path / "a" / "movies.csv", ["movieId,title,imdbId", "71,A,tt0000001", "72,B,tt0000002"])
    with pytest.raises(DataError, match=r"--map movies\.movie_id=imdb_id"):
        load(tmp_path / "a")
    assert len(load(tmp_path / "a", mapping={"movies.movie_id": "imdbId"}).ratings) == 2


def test_films_called_by_their_imdb_id(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ratings.csv", ["userId,movieId,rating", "1,tt0000001,4", "2,tt0000002,5"])
    write(tmp_path / "a" / "movies.csv", ["movieId,title", "tt0000001,A", "tt0000002,B"])
    assert load(tmp_path / "a").catalog.movie(0).imdb_id == "tt0000001"


def test_netflix_prize(tmp_path: Path) -> None:
    folder = tmp_path / "netflix"
    write(
        folder / "combined_data_1.txt",
        ["1:", "1488844,3,2005-09-06", "822109,5,2005-05-13", "2:", "822109,4,2005-09-05"],
    )
    write(folder / "combined_data_2.txt", ["3:", "1488844,1,2004-01-01"])
    write(
        folder / "movie_titles.csv", ["1,2003,Dinosaur Planet", "2,NULL,Isle of Man, TT", "3,1997,Caf\xe9"], "latin-1"
    )
    data = load(folder)
    assert data.scale == (1.0, 5.0)
    assert data.titles(range(3)) == ["Dinosaur Planet (2003)", "Isle of Man, TT", "Café (1997)"]
    assert data.ratings.to_frame(data.catalog).rows()[0] == ("822109", "1", 5.0, 1115942400)
    shutil.rmtree(folder)
    write(folder / "training_set" / "mv_0000001.txt", ["1:", "6,3,2005-09-06"])
    assert read_source(folder).ratings.rows() == [("6", "1", "3", "2005-09-06")]
    write(folder / "training_set" / "mv_0000001.txt", ["6,3,2005-09-06"])
    with pytest.raises(DataError, match="no line with the number of a film"):
        read_source(folder)


def test_hetrec(tmp_path: Path) -> None:
    folder = tmp_path / "hetrec"
    head = "userID\tmovieID\trating\tdate_day\tdate_month\tdate_year\tdate_hour\tdate_minute\tdate_second"
    write(
        folder / "user_ratedmovies.dat", [head, "75\t3\t1\t29\t10\t2006\t23\t17\t16", "78\t3\t4.5\t1\t2\t2007\t1\t2\t3"]
    )
    write(
        folder / "movies.dat",
        ["id\ttitle\timdbID\tspanishTitle\tyear", "3\tGrumpy Old Men\t0107050\tX\t1993"],
        "latin-1",
    )
    write(folder / "movie_genres.dat", ["movieID\tgenre", "3\tComedy", "3\tRomance"])
    write(
        folder / "movie_actors.dat",
        ["movieID\tactorID\tactorName\tranking", "3\ta\tSecond\t2", "3\tb\tFirst\t1"],
    )
    data = load(folder)
    movie = data.catalog.movie(0)
    assert (movie.title, movie.year, movie.imdb_id) == ("Grumpy Old Men", 1993, "tt0107050")
    assert (movie.genres, movie.cast) == (("Comedy", "Romance"), ("First", "Second"))
    assert data.ratings.times[0] == int(datetime(2006, 10, 29, 23, 17, 16, tzinfo=UTC).timestamp())


def test_goodbooks_with_its_tags_and_its_first_form(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    write(folder / "ratings.csv", ["book_id,user_id,rating", "1,7,5", "2,7,3"])
    write(folder / "tags.csv", ["tag_id,tag_name", "0,-"])
    write(
        folder / "books.csv",
        [
            "id,book_id,best_book_id,authors,title",
            "1,2767052,1,Suzanne Collins,The Hunger Games",
            "2,3,2,Rowling,Stone",
        ],
    )
    data = load(folder)
    assert data.titles([0]) == ["The Hunger Games"]
    assert any("book_id is that of Goodreads" in note for note in data.report.notes)


def test_cast_in_billing_order(tmp_path: Path) -> None:
    folder = tmp_path / "tmdb"
    write(folder / "tmdb_5000_movies.csv", metadata([5]))
    cast = """[{"cast_id": 2, "name": "Second O'Two", "order": 1}, {"name": "Zo\\u00eb First", "order": 0}]"""
    crew = """[{"job": "Director", "name": "The Director"}, {"job": "Art Director", "name": "No"},"""
    crew += """ {"job": "Screenplay", "name": "W"}]"""
    cast, crew = ('"' + text.replace('"', '""') + '"' for text in (cast, crew))
    write(folder / "tmdb_5000_credits.csv", ["movie_id,title,cast,crew", f"5,Other 5,{cast},{crew}"])
    [movie] = read_movies_table(folder / "tmdb_5000_movies.csv").to_dicts()
    assert movie["cast"] == ["Zoë First", "Second O'Two"]
    assert (movie["directors"], movie["writers"]) == (["The Director"], ["W"])


def test_titles_of_imdb_that_are_no_films_are_counted(tmp_path: Path) -> None:
    head = "tconst\ttitleType\tprimaryTitle\toriginalTitle\tstartYear\tgenres"
    rows = [
        "tt0000001\tmovie\tA\tA\t1990\tDrama",
        "tt0000002\ttvEpisode\tB\tB\t1990\t\\N",
        "tt0000003\ttvSeries\tC\tC\t\\N\t\\N",
    ]
    write(tmp_path / "title.basics.tsv", [head, *rows])
    with pytest.raises(DataError, match="no ratings of users"):
        load(tmp_path / "title.basics.tsv")
    assert read_movies_table(tmp_path / "title.basics.tsv")["title"].to_list() == ["A"]


def test_the_sign_that_an_id_may_not_have_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ratings.csv", ["userId,movieId,rating", "1,what?,4", "a\u200bb,what?,5"])
    write(tmp_path / "a" / "movies.csv", ["movieId,title", "what?,A"])
    with pytest.raises(DataError) as refused:
        load(tmp_path / "a")
    assert "Film ids such as 'what?' are not taken: it has the character '?'" in str(refused.value)
    write(tmp_path / "a" / "movies.csv", ["movieId,title", "1,A"])
    write(tmp_path / "a" / "ratings.csv", ["userId,movieId,rating", "1,1,4", "a\u200bb,1,5"])
    assert any("User ids such as 'a\\u200bb'" in note for note in load(tmp_path / "a").report.notes)
