"""Every layout reads to the same films and ratings; broken files are refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from matinee.data.dataset import Dataset
from matinee.data.load import load_dataset, read_movies_table, read_ratings_table
from matinee.data.readers import read_source
from matinee.data.readers.columns import resolve_columns
from matinee.data.readers.delimited import read_text
from matinee.data.readers.remarks import collecting
from matinee.data.readers.tables import read_table
from matinee.errors import DataError, NotFoundError
from matinee.settings import Settings

RATINGS = [("1", "10", "5", "978300760"), ("1", "20", "3", "978302109"), ("2", "10", "4", "978301968")]
FILMS = [("10", "Misérables, Les (1995)", ["Drama"]), ("20", "Toy Story (1995)", ["Animation", "Comedy"])]


def write(path: Path, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode(encoding))


def movielens_100k(folder: Path) -> None:
    write(folder / "u.data", ["\t".join(row) for row in RATINGS], end="\r\n")
    write(folder / "u.genre", ["unknown|0", "Animation|1", "Comedy|2", "Drama|3", ""])
    flags = {
        i: "|".join(str(int(g in genres)) for g in ("unknown", "Animation", "Comedy", "Drama"))
        for i, _, genres in FILMS
    }
    write(folder / "u.item", [f"{i}|{title}|01-Jan-1995||http://x|{flags[i]}" for i, title, _ in FILMS], "latin-1")
    write(folder / "u.user", ["1|24|M|technician|85711"])


def movielens_1m(folder: Path) -> None:
    write(folder / "ratings.dat", ["::".join(row) for row in RATINGS])
    write(folder / "movies.dat", [f"{i}::{title}::{'|'.join(genres)}" for i, title, genres in FILMS], "latin-1")
    write(folder / "users.dat", ["1::F::1::10::48067"])


def movielens_1m_parquet(folder: Path) -> None:
    movielens_1m(folder)
    (folder / "ratings.dat").unlink()
    frame = pl.DataFrame(RATINGS, schema=["userId", "movieId", "rating", "timestamp"], orient="row")
    frame.select(pl.all().cast(pl.Int32)).write_parquet(folder / "ratings.parquet")


def movielens_10m(folder: Path) -> None:
    movielens_1m(folder)
    (folder / "users.dat").unlink()
    write(folder / "tags.dat", ["1::20::Pixar::978300760"])


def movielens_csv(folder: Path) -> None:
    write(folder / "ratings.csv", ["userId,movieId,rating,timestamp", *(",".join(row) for row in RATINGS)], end="\r\n")
    films = [f'{i},"{title}",{"|".join(genres)}' for i, title, genres in FILMS]
    write(folder / "movies.csv", ["movieId,title,genres", *films], end="\r\n")
    write(folder / "tags.csv", ["userId,movieId,tag,timestamp", "1,20,Pixar,978300760"], end="\r\n")
    write(folder / "links.csv", ["movieId,imdbId,tmdbId", "10,0113828,4415", "20,0114709,862"], end="\r\n")
    write(folder / "README.txt", ["Summary"])


def recbole(folder: Path) -> None:
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    write(folder / "ml-100k.inter", [head, *("\t".join(row) for row in RATINGS)])
    films = [f"{i}\t{title[:-7]}\t1995\t{' '.join(genres)}" for i, title, genres in FILMS]
    write(
        folder / "ml-100k.item", ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq", *films]
    )


def plain_tsv(folder: Path) -> None:
    write(folder / "ratings.tsv", ["User ID\tItem ID\tStars\tDate", *("\t".join(row) for row in RATINGS)], "utf-8-sig")
    write(folder / "items.tsv", ["id\tname\tgenre", *(f"{i}\t{t}\t{'|'.join(g)}" for i, t, g in FILMS)])


def semicolons(folder: Path) -> None:
    write(folder / "ratings.csv", ["user;movie;score;ts", *(";".join(row) for row in RATINGS)])
    write(folder / "movies.csv", ["movie;title;genres", *(f"{i};{t};{'|'.join(g)}" for i, t, g in FILMS)], "latin-1")


def ndjson(folder: Path) -> None:
    keys = ("user", "movie", "stars", "time")
    write(
        folder / "ratings.ndjson",
        [json.dumps({k: float(v) for k, v in zip(keys, row, strict=True)}) for row in RATINGS],
    )
    write(folder / "films.jsonl", [json.dumps({"id": i, "title": t, "genres": g}) for i, t, g in FILMS])


def parquet(folder: Path) -> None:
    frame = pl.DataFrame(RATINGS, schema=["user_id", "item_id", "rating", "timestamp"], orient="row")
    frame = frame.with_columns(pl.from_epoch(pl.col("timestamp").cast(pl.Int64)), pl.col("rating").cast(pl.Float64))
    frame.write_parquet(folder / "ratings.parquet")
    pl.DataFrame(FILMS, schema=["movie_id", "title", "genres"], orient="row").write_parquet(folder / "movies.parquet")


LAYOUTS = [
    movielens_100k,
    movielens_1m,
    movielens_1m_parquet,
    movielens_10m,
    movielens_csv,
    recbole,
    plain_tsv,
    semicolons,
    ndjson,
    parquet,
]


def load(source: Path, tmp_path: Path, **options: object) -> Dataset:
    settings = Settings(cache_dir=tmp_path / "cache", offline=True)
    return load_dataset(source, settings, credits=False, **options)  # type: ignore[arg-type]


@pytest.fixture(params=LAYOUTS, ids=lambda make: make.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param.__name__
    path.mkdir()
    request.param(path)
    return path


def test_every_layout_gives_the_same_data(folder: Path, tmp_path: Path) -> None:
    data = load(folder, tmp_path)
    columns = data.catalog.frame.select("movie_id", "title", "year", "genres")
    assert columns.rows() == [
        ("10", "Les Misérables", 1995, ["Drama"]),
        ("20", "Toy Story", 1995, ["Animation", "Comedy"]),
    ]
    rows = [(user, film, float(stars), int(time)) for user, film, stars, time in RATINGS]
    assert data.ratings.to_frame(data.catalog).rows() == rows
    assert data.scale == (1.0, 5.0)
    assert data.name == folder.name == data.report.source
    assert data.report.tables["ratings"].rows_in == 3


def test_a_folder_in_a_folder_is_found(folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    folder.rename(outer / "inner")
    assert len(load(outer, tmp_path).ratings) == 3


@pytest.mark.parametrize("make", LAYOUTS)
def test_binary_rubbish_is_refused_by_name(make: object, tmp_path: Path) -> None:
    make(tmp_path)  # type: ignore[operator]
    for path in sorted(tmp_path.iterdir()):
        if path.name in ("u.user", "users.dat", "README.txt"):
            continue
        whole = path.read_bytes()
        for rubbish in (b"\x00\x01\x02\xff" * 40, b""):
            path.write_bytes(rubbish)
            with pytest.raises(DataError, match=path.name.replace(".", r"\.")):
                read_source(tmp_path)
        path.write_bytes(whole)


def test_tags_and_links_are_joined(tmp_path: Path) -> None:
    movielens_csv(tmp_path)
    data = load(tmp_path, tmp_path)
    toy = data.catalog.movie(data.catalog.row("20"))
    assert (toy.tags, toy.imdb_id, toy.tmdb_id) == (("pixar",), "tt0114709", "862")
    assert data.report.joins == {"imdb_id by links": 1.0, "tmdb_id by links": 1.0, "tags": 0.5}


def test_overviews_and_odd_links_are_joined(tmp_path: Path) -> None:
    movielens_100k(tmp_path)
    write(
        tmp_path / "links.csv", ["movie_id,imdb_id,tmdb_id", "10,tt0113828,4415.0", "20,,x", "30,tt1,1", "10,,", ",,"]
    )
    overviews = [
        "movie_id,imdb_id,tmdb_id,overview,keywords",
        '20,tt0114709,862,"Led by Woody, toys",toy|boy',
        "10,,,,",
    ]
    write(tmp_path / "overviews" / "overviews.csv", overviews)
    data = load(tmp_path, tmp_path)
    toy, sad = data.catalog.movie(1), data.catalog.movie(0)
    assert (toy.imdb_id, toy.tmdb_id, toy.overview, toy.keywords) == (
        "tt0114709",
        "862",
        "Led by Woody, toys",
        ("toy", "boy"),
    )
    assert (sad.imdb_id, sad.tmdb_id, sad.overview, sad.keywords) == ("tt0113828", "4415", None, ())
    links = data.report.tables["links"]
    assert links.dropped == {
        "film missing": 1,
        "film not in the catalog": 1,
        "film repeated (the first is kept)": 1,
    }
    assert links.changed == {"tmdb_id is not valid (left out)": 1}
    assert data.report.joins["overview"] == data.report.joins["keywords"] == 0.5


def test_ratings_alone_name_films_by_id(tmp_path: Path) -> None:
    write(tmp_path / "r.csv", ["user,item,rating", "1,10,5", "2,20,3"])
    data = load(tmp_path / "r.csv", tmp_path)
    assert data.catalog.column("title") == ["Film 10", "Film 20"]
    assert data.name == "r"
    assert any("no table of films" in note for note in data.report.notes)
    write(tmp_path / "t.csv", ["user,item,rating,title", "1,10,5,Heat (1995)", "2,10,3,Heat (1995)"])
    assert load(tmp_path / "t.csv", tmp_path).catalog.column("title") == ["Heat"]


def test_a_mapping_wins_over_guessing(tmp_path: Path) -> None:
    write(tmp_path / "r.csv", ["user,who,film,rating,mark", "x,1,10,1,5", "x,2,20,1,3"])
    mapping = {"user_id": "who", "rating": "mark"}
    data = load(tmp_path / "r.csv", tmp_path, mapping=mapping)
    assert data.ratings.to_frame(data.catalog).select("user_id", "rating").rows() == [("1", 5.0), ("2", 3.0)]
    assert read_ratings_table(tmp_path / "r.csv", mapping)["user_id"].to_list() == ["1", "2"]
    with pytest.raises(DataError, match="no column 'nope'; it has: user, who"):
        read_ratings_table(tmp_path / "r.csv", {"user_id": "nope"})
    with pytest.raises(DataError, match="no column 'usr' to map to"):
        read_ratings_table(tmp_path / "r.csv", {"usr": "who"})


def test_missing_columns_are_named_with_those_seen(tmp_path: Path) -> None:
    write(tmp_path / "ratings.csv", ["foo,bar,rating", "1,2,3"])
    with pytest.raises(DataError, match=r"user_id and movie_id; it has: foo, bar, rating"):
        read_source(tmp_path)


def test_each_column_is_taken_once() -> None:
    found = resolve_columns(["item", "movie_id", "user"], ("movie_id", "user_id"), (), Path("f"))
    assert found == {"movie_id": "movie_id", "user_id": "user"}


PAIRS = [("1", "2"), ("1", "3")]


def test_rows_with_too_many_fields_are_left_out_by_line(tmp_path: Path) -> None:
    write(
        tmp_path / "ratings.csv",
        ["userId,movieId,rating,timestamp", "1,2,3,4", "1,2,3,4,5,6", "1,3,3,4,,", "", "2,2,3"],
    )
    with collecting() as remarks:
        assert read_table(tmp_path / "ratings.csv", ("user_id", "movie_id"), ()).rows() == [*PAIRS, ("2", "2")]
    assert remarks.notes == ["ratings.csv: line with more than the 4 fields expected: line 3."]
    write(tmp_path / "ratings.dat", ["1::2::3::4", "1::2::3::4::5"])
    with collecting() as remarks:
        assert read_text(tmp_path / "ratings.dat", separator="::", names=["a", "b", "c", "d"]).height == 1
    assert remarks.of(tmp_path / "ratings.dat") == {"line with more than the 4 fields expected": 1}
    write(tmp_path / "ratings.csv", ["userId,movieId", "1,2", "1,2,3", "1,2,3"])
    with pytest.raises(DataError, match=r"ratings\.csv, line 3: more than the 2 fields expected, as in 2 lines"):
        read_source(tmp_path)


def test_a_file_cut_short_loses_only_its_last_row(tmp_path: Path) -> None:
    movielens_csv(tmp_path)
    path = tmp_path / "ratings.csv"
    path.write_bytes(path.read_bytes()[: -len("4,978301968\r\n")])
    data = load(tmp_path, tmp_path)
    assert len(data.ratings) == 2
    assert data.report.tables["ratings"].dropped == {"rating is not a number": 1}


def test_titles_with_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    movielens_csv(tmp_path)
    write(
        tmp_path / "movies.csv",
        ["movieId,title,genres", '10,"""Great"", Rob, The (1990)",A', "20,O'Neil,B"],
        end="\r\n",
    )
    assert load(tmp_path, tmp_path).catalog.column("title") == ['The "Great", Rob', "O'Neil"]


@pytest.mark.parametrize("value", [{"id": 1}, [1], [{"id": 1}]])
def test_nested_values_are_refused(value: object, tmp_path: Path) -> None:
    write(tmp_path / "ratings.ndjson", [json.dumps({"user": value, "movie": 1, "rating": 3})])
    with pytest.raises(DataError, match="the column 'user' has the type"):
        read_source(tmp_path)
    write(tmp_path / "films.ndjson", [json.dumps({"id": 1, "title": "A", "genres": [{"name": "Drama"}]})])
    with pytest.raises(DataError, match="the column 'genres' has the type"):
        read_movies_table(tmp_path / "films.ndjson")
    pl.DataFrame({"user": [b"x"], "item": [1], "rating": [3]}).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match="the column 'user' has the type Binary"):
        read_ratings_table(tmp_path / "r.parquet")


def test_odd_but_plain_types_are_taken(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1, None], "item": [True, False], "rating": [None, None], "timestamp": [None, None]})
    frame.write_parquet(tmp_path / "ratings.parquet")
    with pytest.raises(DataError, match="no usable ratings"):
        load(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["ratings.parquet", "ratings.ndjson"])
def test_broken_structured_files(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'{"user": 1, "item"' * 3)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_source(tmp_path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        read_table(tmp_path / "none.csv", ("user_id",), ())
    (tmp_path / "a.xls").write_text("x")
    with pytest.raises(DataError, match="supported format"):
        read_table(tmp_path / "a.xls", ("user_id",), ())
    with pytest.raises(DataError, match=r"not a data set of a known format.*a\.xls"):
        read_source(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        read_source(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="There is no folder"):
        load(tmp_path / "none", tmp_path)
    with pytest.raises(NotFoundError, match="no data set 'nosuch'"):
        load_dataset("nosuch", Settings(cache_dir=tmp_path, offline=True))
    write(tmp_path / "m" / "movies.dat", ["1::A (1990)::Drama"])
    with pytest.raises(DataError, match=r"no ratings\.dat"):
        read_source(tmp_path / "m")


def test_nothing_usable_left(tmp_path: Path) -> None:
    write(tmp_path / "ratings.csv", ["user,item,rating", "1,10,x"])
    with pytest.raises(DataError, match=r"no usable ratings .*rating is not a number: 1"):
        load(tmp_path, tmp_path)
    write(tmp_path / "movies.csv", ["id,title", "10,"])
    with pytest.raises(DataError, match=r"no usable films .*title missing: 1"):
        load(tmp_path, tmp_path)
    write(tmp_path / "movies.csv", ["id,title"])
    with pytest.raises(DataError, match=r"no usable films .*the table is empty"):
        load(tmp_path, tmp_path)


def test_import_tables(tmp_path: Path) -> None:
    write(tmp_path / "films.csv", ["id,title,genres,director", '7,"Heat, The (1995)",Crime|Drama,Michael Mann'])
    frame = read_movies_table(tmp_path / "films.csv")
    assert frame.rows(named=True) == [
        {
            "movie_id": "7",
            "title": "The Heat",
            "year": 1995,
            "genres": ["Crime", "Drama"],
            "directors": ["Michael Mann"],
        }
    ]
    with pytest.raises(DataError, match="no column for title"):
        read_movies_table(tmp_path / "films.csv", {"genres": "title"})


@pytest.mark.parametrize(
    ("name", "films", "users", "ratings", "scale"),
    [
        ("ml-100k", 1682, 943, 100_000, (1.0, 5.0)),
        ("ml-1m", 3883, 6040, 1_000_209, (1.0, 5.0)),
        ("ml-latest-small", 9742, 610, 100_836, (0.5, 5.0)),
    ],
)
def test_the_measuring_data(
    shared_data: Path, tmp_path: Path, name: str, films: int, users: int, ratings: int, scale: tuple[float, float]
) -> None:
    data = load(shared_data / name, tmp_path)
    assert (len(data.catalog), data.ratings.n_users, len(data.ratings), data.scale) == (films, users, ratings, scale)
    assert data.report.tables["ratings"].dropped == {}
    titles = data.catalog.column("title")
    assert titles[0] == "Toy Story"
    assert "Les Misérables" in titles
    assert not any("\ufffd" in title for title in titles)


def test_the_only_table_of_a_folder_is_its_ratings(tmp_path: Path) -> None:
    write(tmp_path / "README.txt", ["user,item,rating"])
    write(tmp_path / "sales 2024.csv", ["user,item,rating", *(",".join(row[:3]) for row in RATINGS)])
    assert read_source(tmp_path).ratings.height == 3
    write(tmp_path / "other.tsv", ["user\titem\trating"])
    with pytest.raises(DataError, match="not a data set of a known format"):
        read_source(tmp_path)


def test_a_folder_of_films_only_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "movies.csv", ["movieId,title", "1,Heat"])
    with pytest.raises(DataError, match=r"contains movies\.csv"):
        read_source(tmp_path)


def test_a_mapping_goes_to_the_tables_that_have_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "ratings.csv", ["kunde,werk,note", *(",".join(row[:3]) for row in RATINGS)])
    write(tmp_path / "movies.csv", ["id,name,art", '10,"Heat, 1995",Drama'])
    write(tmp_path / "tags.csv", ["movieId,wort", "10,tense"])
    mapping = {"user_id": "kunde", "movie_id": "werk", "rating": "note", "genres": "art", "tag": "wort"}
    raw = read_source(tmp_path, mapping)
    assert raw.ratings.columns == ["user_id", "movie_id", "rating"]
    assert raw.movies is not None
    assert raw.movies.to_dicts() == [{"movie_id": "10", "title": "Heat, 1995", "genres": "Drama"}]
    assert raw.tags is not None
    assert raw.tags["tag"].to_list() == ["tense"]
    with pytest.raises(DataError, match="'kund'"):
        read_source(tmp_path, mapping | {"user_id": "kund"})
    with pytest.raises(DataError, match="'naem'"):
        read_source(tmp_path, mapping | {"title": "naem"})
