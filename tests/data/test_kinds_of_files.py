"""Tables however they are packed, encoded and laid out; what was guessed or left out is told."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from matinee.data.dataset import Dataset
from matinee.data.encodings import decode
from matinee.data.load import load_dataset, read_movies_file, read_movies_table, read_ratings_table
from matinee.data.readers import read_source
from matinee.errors import DataError
from matinee.settings import Settings

RATINGS = [
    "userId,movieId,rating,timestamp",
    *(f"{u},{m},{1 + (u + m) % 5},16000000{u}{m}" for u in (1, 2) for m in (1, 2, 3)),
]
FILMS = ["movieId,title,genres", "1,Heat (1995),Crime", "2,Amélie (2001),Comedy|Romance", "3,WALL·E (2008),Animation"]


def text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def load(place: Path, tmp_path: Path, **options: object) -> Dataset:
    settings = Settings(cache_dir=tmp_path / "cache", offline=True)
    return load_dataset(place, settings, credits=False, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    path.mkdir()
    return path


def rows(data: Dataset) -> int:
    assert data.titles(range(3)) == ["Heat (1995)", "Amélie (2001)", "WALL·E (2008)"]
    assert data.scale == (1.0, 5.0)
    return len(data.ratings)


def test_zstandard(folder: Path, tmp_path: Path) -> None:
    for name, lines in (("ratings", RATINGS), ("movies", FILMS)):
        table = pl.read_csv(text(lines).encode(), infer_schema=False)
        table.lazy().sink_csv(folder / f"{name}.csv.zst", compression="zstd")
    assert rows(load(folder, tmp_path)) == 6
    (folder / "movies.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd rubbish")
    with pytest.raises(DataError, match=r"movies\.csv\.zst is damaged"):
        load(folder, tmp_path)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
    ids=lambda value: str(value)[:4],
)
def test_packed_tables(suffix: str, pack: Callable[[bytes], bytes], folder: Path, tmp_path: Path) -> None:
    (folder / f"ratings.csv{suffix}").write_bytes(pack(text(RATINGS).encode()))
    (folder / f"movies.csv{suffix}").write_bytes(pack(text(FILMS).encode()))
    assert rows(load(folder, tmp_path)) == 6
    assert read_ratings_table(folder / f"ratings.csv{suffix}").height == 6
    assert read_movies_table(folder / f"movies.csv{suffix}").height == 3
    assert load(folder / f"ratings.csv{suffix}", tmp_path).name == "ratings"
    (folder / f"ratings.csv{suffix}").write_bytes(pack(text(RATINGS).encode())[:40])
    with pytest.raises(DataError, match=rf"mine.ratings\.csv\{suffix}.*damaged"):
        load(folder, tmp_path)


def test_a_table_that_is_packed_without_its_name_saying_so(folder: Path) -> None:
    (folder / "ratings.csv").write_bytes(gzip.compress(text(RATINGS).encode()))
    assert read_source(folder).ratings.height == 6


def test_an_archive_is_a_folder(folder: Path, tmp_path: Path) -> None:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for name, lines in (("ratings.csv", RATINGS), ("movies.csv", FILMS)):
            bundle.writestr(f"ml/{name}", text(lines))
            bundle.writestr(f"__MACOSX/ml/._{name}", b"\0\5")
        bundle.writestr("../outside.csv", "x")
        bundle.writestr("ml/posters/1.jpg", b"\xff\xd8")
    assert rows(load(path, tmp_path)) == rows(load(folder, tmp_path)) == 6
    assert load(path, tmp_path).name == "export"
    assert not (tmp_path / "outside.csv").exists()
    assert read_movies_table(path).height == 3
    assert read_ratings_table(path).height == 6
    path.unlink()
    for name, lines in (("ratings.csv", RATINGS), ("movies.csv", FILMS)):  # as Kaggle gives single files
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as bundle:
            bundle.writestr(name, text(lines))
    assert rows(load(folder, tmp_path)) == 6


def test_tar(folder: Path, tmp_path: Path) -> None:
    path = folder / "data.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, lines in (("ratings.csv", RATINGS), ("movies.csv", FILMS)):
            content = text(lines).encode()
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    assert rows(load(path, tmp_path)) == 6


def test_an_archive_without_the_table_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr("a.csv", "x,y\n1,2\n")
        bundle.writestr("b.csv", "x,y\n1,2\n")
    with pytest.raises(DataError, match=r"a\.zip has no table of movies"):
        read_movies_table(tmp_path / "a.zip")


def test_unpacking_keeps_to_the_limit(folder: Path) -> None:
    (folder / "ratings.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * 50_000_000, 1))
    with pytest.raises(DataError, match=r"unpacks to more than .* MATINEE_MEMORY_LIMIT"):
        load_dataset(folder, Settings(memory_limit=48 << 20, offline=True), credits=False)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_of_any_width(encoding: str, folder: Path, tmp_path: Path) -> None:
    (folder / "ratings.csv").write_bytes(text(RATINGS).encode(encoding))
    (folder / "movies.csv").write_bytes(text(FILMS).replace("\n", "\r\n").encode(encoding))
    data = load(folder, tmp_path)
    assert rows(data) == 6
    told = [note for note in data.report.notes if "UTF" in note]
    assert bool(told) == (encoding != "utf-8-sig")
    damaged = text(FILMS).encode("utf-16") + b"\x00\xd8\x00\xd8"
    (folder / "movies.csv").write_bytes(damaged)
    with pytest.raises(DataError, match="UTF-16"):
        load(folder, tmp_path)


@pytest.mark.parametrize(
    ("encoding", "titles"),
    [
        ("cp1252", "Amélie;L’été “1”;Léon – naïve;El Niño;Größe"),
        ("cp1250", "Człowiek z żelaza;Świadek koronny;Příběh kuchařské lásky"),
        ("cp1251", "Москва слезам не верит;Сталкер;Зеркало"),
        ("koi8_r", "Москва слезам не верит;Сталкер;Зеркало"),
        ("cp866", "Москва слезам не верит;Сталкер;Зеркало"),
        ("cp1253", "Ζορμπάς ο Έλληνας;Το βλέμμα του Οδυσσέα"),
        ("cp1254", "Kış Uykusu;Üç Maymun;Aşk;Ağlama"),
        ("cp1255", "ואלס עם באשיר;לבנון"),
        ("cp1256", "القاهرة;باب الحديد"),
        ("gb18030", "霸王别姬;卧虎藏龙;花样年华"),
        ("big5", "臥虎藏龍;花樣年華;海角七號"),
        ("cp932", "千と千尋の神隠し;七人の侍;東京物語"),
        ("euc_jp", "千と千尋の神隠し;七人の侍;東京物語"),
        ("cp949", "기생충;올드보이;살인의 추억"),
        ("cp850", "Amélie;Das Mädchen;Größe;Señor"),
        ("mac_roman", "Amélie;Das Mädchen;Größe;Señor"),
    ],
)
def test_older_encodings(encoding: str, titles: str) -> None:
    lines = text([f"{n},{title} (1999),Drama" for n, title in enumerate(titles.split(";"))])
    decoded = decode(lines.encode(encoding))
    assert (decoded.encoding, decoded.data.decode()) == (encoding, lines)
    assert decoded.name


def test_single_lines_of_another_encoding() -> None:
    decoded = decode(b"1,Caf\xc3\xa9\n2,Am\xe9lie \x81\n3,L\xc3\xa9on\n")
    assert (decoded.data.decode(), decoded.odd_lines) == ("1,Café\n2,Amélie \x81\n3,Léon\n", (2,))


def test_json(folder: Path, tmp_path: Path) -> None:
    films = [
        {"id": 1, "title": "Heat (1995)"},
        {"id": 2, "title": "Amélie (2001)"},
        {"id": 3, "title": "WALL·E (2008)"},
    ]
    given = [{"user": u, "movie": m, "stars": 1 + (u + m) % 5} for u in (1, 2) for m in (1, 2, 3)]
    (folder / "movies.json").write_text(json.dumps(films, indent=1), encoding="utf-8")
    for content in (
        json.dumps(given),
        json.dumps({"version": 1, "ratings": given}, indent=2),
        "\n".join(json.dumps(row) for row in given),
        "\n".join(repr(row) for row in given) + "\n{broken\n",
    ):
        (folder / "ratings.json").write_text(content, encoding="utf-8")
        data = load(folder, tmp_path)
        assert rows(data) == 6
        assert bool(data.report.tables["ratings"].dropped) == ("broken" in content)
    (folder / "ratings.json").write_bytes(json.dumps(given).encode("utf-16"))
    assert rows(load(folder, tmp_path)) == 6
    for content in ("[1, 2]", "{", '{"a": 1'):
        (folder / "ratings.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"ratings\.json is not a readable JSON file"):
            load(folder, tmp_path)


@pytest.mark.parametrize(
    "before",
    ["# exported 2024\n", "\n\n", "sep=;\n", "# one, two\n// three\n\n", '"sep=;"\n'],
)
def test_lines_before_the_header(before: str, folder: Path, tmp_path: Path) -> None:
    content = text(RATINGS)
    (folder / "ratings.csv").write_text(
        before + (content.replace(",", ";") if "sep" in before else content), encoding="utf-8"
    )
    (folder / "movies.csv").write_text(text(FILMS), encoding="utf-8")
    assert rows(load(folder, tmp_path)) == 6


def test_a_header_with_a_hash_is_a_header(folder: Path) -> None:
    (folder / "ratings.csv").write_text("#userId,movieId,rating\n1,1,4\n2,1,5\n", encoding="utf-8")
    assert read_source(folder).ratings.height == 2


def test_quotation_marks_that_enclose_nothing(folder: Path, tmp_path: Path) -> None:
    """A mark that opens and never closes does not swallow the rows after it."""
    films = [
        "movieId,title,genres",
        '1,"Heat (1995),Crime',
        '2,"Crouching Tiger, Hidden\nDragon (2000)",Action',
        '3,The "Thing" (1982),Horror',
        '4,"Un"closed (1999),Drama',
        '5,"A ""real"" one, yes (2001)",Drama',
        "6,Too,many,fields (2002),Drama",
    ]
    (folder / "movies.csv").write_text(text(films), encoding="utf-8")
    (folder / "ratings.csv").write_text(
        text(["userId,movieId,rating", *(f"1,{m},{m}" for m in range(1, 6))]), encoding="utf-8"
    )
    data = load(folder, tmp_path)
    assert data.titles(range(5)) == [
        '"Heat (1995)',
        "Crouching Tiger, Hidden Dragon (2000)",
        'The "Thing" (1982)',
        '"Un"closed (1999)',
        'A "real" one, yes (2001)',
    ]
    assert data.report.tables["movies"].dropped == {"line with more than the 3 fields expected": 1}
    report = data.report.tables["movies"]
    assert report.rows_in - report.rows_out == sum(report.dropped.values())


def test_two_stray_marks_do_not_hide_what_is_between(folder: Path) -> None:
    lines = ["userId,movieId,rating,note", '1,1,4,"good', "1,2,3,x", "1,3,5,y", '2,1,2,"bad', "2,2,1,z"]
    (folder / "ratings.csv").write_text(text(lines), encoding="utf-8")
    assert read_source(folder).ratings.rows() == [
        ("1", "1", "4"),
        ("1", "2", "3"),
        ("1", "3", "5"),
        ("2", "1", "2"),
        ("2", "2", "1"),
    ]


@pytest.mark.parametrize(
    ("lines", "width"),
    [(["1,1", "1,2"], 2), (["1,1,1600000000", "2,2,1600000001"], 3), (["ann,tt1,5", "bob,tt2,3"], 3)],
)
def test_no_header(lines: list[str], width: int, folder: Path, tmp_path: Path) -> None:
    (folder / "ratings.csv").write_text(text(lines), encoding="utf-8")
    data = load(folder, tmp_path)
    assert len(data.ratings) == 2
    assert any("no header line" in note for note in data.report.notes)
    if width == 3 and "16000" in lines[0]:
        assert data.ratings.times.tolist() == [1600000000, 1600000001]
    mapped = load(folder, tmp_path, mapping={"user_id": "2", "movie_id": "1"})
    assert mapped.ratings.n_users == 2


def test_ratings_of_amazon_alone(folder: Path) -> None:
    """They have no header line, and the product comes first."""
    lines = ["0001527665,A3478QRKQDOPQ2,5.0,1362960000", "B00V6R3R3S,AHS8DAOQYU2A1,1.0,1361145600"]
    (folder / "Movies_and_TV.csv").write_text(text(lines), encoding="utf-8")
    raw = read_source(folder)
    assert raw.ratings["user_id"].to_list() == ["A3478QRKQDOPQ2", "AHS8DAOQYU2A1"]
    assert any("movie_id=1, user_id=2" in note for note in raw.notes)


def test_no_header_and_too_many_columns(folder: Path) -> None:
    (folder / "ratings.csv").write_text("1,2,3,4,5,6\n1,2,3,4,5,6\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no header line: it begins with '1, 2, 3.*map the columns by their place"):
        read_source(folder)


def test_films_without_a_header(folder: Path, tmp_path: Path) -> None:
    (folder / "movies.csv").write_text(text(FILMS[1:]), encoding="utf-8")
    (folder / "ratings.csv").write_text(text(RATINGS), encoding="utf-8")
    assert rows(load(folder, tmp_path)) == 6


@pytest.mark.parametrize(
    "name", ["RATINGS.CSV", "Ratings.Csv", "ratings_small.csv", "user_ratings.tsv", "my views.csv"]
)
def test_names_of_files(name: str, folder: Path) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    (folder / name).write_text(text(RATINGS).replace(",", separator), encoding="utf-8")
    (folder / "Movies.CSV").write_text(text(FILMS), encoding="utf-8")
    raw = read_source(folder)
    assert raw.ratings.height == 6
    assert raw.movies is not None


def test_the_number_of_a_row_is_no_film(folder: Path) -> None:
    """`id` in a table of ratings is that of the row."""
    (folder / "ratings.csv").write_text("id,user_id,film_ref,score\n1,1,7,4\n2,2,8,5\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no column for movie_id; .* e\.g\. movie_id=film_ref"):
        read_source(folder)


def test_titles_of_reviews_are_no_titles_of_films(folder: Path) -> None:
    lines = ["user_id,movie_id,rating,title", "1,7,5,Loved it", "2,7,1,Hated it", "3,8,3,Meh"]
    (folder / "ratings.csv").write_text(text(lines), encoding="utf-8")
    raw = read_source(folder)
    assert raw.movies is None
    assert any("differs within a film" in note for note in raw.notes)


def test_one_persons_export_is_not_training_data(folder: Path) -> None:
    (folder / "ratings.csv").write_text(
        "Date,Name,Year,Letterboxd URI,Rating\n2020-01-01,Heat,1995,x,4\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"one person's own list: `matinee import ratings FILE --user NAME`"):
        read_source(folder)


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"films.movie_id": "a"}, "no table 'films'"),
        ({"movie_id": ("movieId", "rating")}, "Both 'movieId' and 'rating' are mapped to movie_id"),
        ({"user_id": "userId", "movie_id": "userId"}, "mapped twice, to user_id and to movie_id"),
    ],
)
def test_mappings_that_contradict_themselves(mapping: dict[str, str], told: str, folder: Path) -> None:
    (folder / "ratings.csv").write_text(text(RATINGS), encoding="utf-8")
    with pytest.raises(DataError, match=told):
        read_source(folder, mapping)


def test_lists_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv"

    def genres(*cells: str) -> list[list[str]]:
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        path.write_text(
            text(["movieId,title,genres", *(f"{n},T{n},{cell}" for n, cell in enumerate(quoted))]), encoding="utf-8"
        )
        listed: list[list[str]] = read_movies_file(path)[0]["genres"].to_list()
        return listed

    both = [["Drama", "Comedy"], ["Crime"]]
    assert genres("Drama|Comedy", "Crime") == both
    assert genres("Drama, Comedy", "Crime") == both
    assert genres("Drama; Comedy", "Crime") == both
    assert genres("['Drama', 'Comedy']", "['Crime']") == both
    assert genres('["Drama", "Comedy"]', '["Crime"]') == both
    assert genres("[{'id': 18, 'name': 'Drama'}, {'id': 2, 'name': 'Comedy'}]", "[{'id': 3, 'name': 'Crime'}]") == both
    assert genres('[{"id": 18, "name": "Drama"}, {"name": "Com\\u0065dy", "id": 2}]', '[{"name": "Crime"}]') == both
    assert genres("['Rock \\'n\\' Roll', \"Children's\"]", "[]") == [["Rock 'n' Roll", "Children's"], []]
    path.write_text(
        'movieId,title,directors,cast\n1,A,"Mann, Michael","Al P., Bob D., Sammy Davis, Jr."\n', encoding="utf-8"
    )
    [movie] = read_movies_file(path)[0].to_dicts()
    assert movie["directors"] == ["Mann, Michael"]
    assert movie["cast"] == ["Al P.", "Bob D.", "Sammy Davis Jr."]
