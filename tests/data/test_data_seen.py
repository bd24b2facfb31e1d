"""Data without stars: each row says that somebody has seen a film, and no more."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from matinee.data.clean import clean_ratings, detect_scale
from matinee.data.dataset import SEEN, Dataset
from matinee.data.load import load_dataset, read_ratings_table
from matinee.errors import DataError
from matinee.settings import Settings

FILMS = ["movieId,title,genres", "10,Heat (1995),Crime", "20,Alien (1979),Horror|Sci-Fi", "30,Big (1988),Comedy"]


def load(place: Path, tmp_path: Path, **options: object) -> Dataset:
    settings = Settings(data_dir=tmp_path / "d", cache_dir=tmp_path / "c", offline=True)
    return load_dataset(place, settings, credits=False, **options)  # type: ignore[arg-type]


def write(folder: Path, **tables: list[str]) -> Path:
    folder.mkdir()
    for name, lines in tables.items():
        (folder / name.replace("_", ".")).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def rows(data: Dataset) -> list[tuple[str, str, float]]:
    return data.ratings.to_frame(data.catalog).select("user_id", "movie_id", "rating").rows()


def test_a_table_without_ratings(tmp_path: Path) -> None:
    """A film seen again is one film seen; the time is that of the last."""
    table = ["userId,movieId,timestamp", "1,10,100", "1,20,200", "2,10,300", "1,10,400", "1,99,1"]
    data = load(write(tmp_path / "views", ratings_csv=table, movies_csv=FILMS), tmp_path)
    assert data.scale == SEEN == (1.0, 1.0)
    assert rows(data) == [("1", "10", 1.0), ("1", "20", 1.0), ("2", "10", 1.0)]
    assert data.ratings.times.tolist() == [400, 200, 300]
    report = data.report.tables["ratings"]
    assert report.dropped == {"film not in the catalog": 1, "seen again (counted once)": 1}
    assert report.rows_in - report.rows_out == sum(report.dropped.values())
    assert data.report.notes == ("The ratings have no stars: each row counts as a film seen.",)


def test_columns_that_may_be_the_stars_are_named(tmp_path: Path) -> None:
    table = ["userId,movieId,punti,durata", "1,10,4,90", "2,20,3,60"]
    folder = write(tmp_path / "views", ratings_csv=table, movies_csv=FILMS)
    [note] = load(folder, tmp_path).report.notes
    assert note.endswith("If they are in one of the columns punti, durata, add --map rating=COLUMN.")
    mapped = load(folder, tmp_path, mapping={"rating": "punti"})
    assert (mapped.scale, [stars for *_, stars in rows(mapped)]) == ((1.0, 5.0), [4.0, 3.0])
    assert mapped.report.notes == ()


def test_recbole_without_ratings(tmp_path: Path) -> None:
    inter = ["user_id:token\titem_id:token\ttimestamp:float\tplays:float", "1\t10\t100\t7", "2\t20\t200\t1"]
    item = ["item_id:token\tmovie_title:token_seq\tclass:token_seq", "10\tHeat\tCrime", "20\tAlien\tHorror Sci-Fi"]
    data = load(write(tmp_path / "mini", mini_inter=inter, mini_item=item), tmp_path)
    assert (data.scale, rows(data)) == (SEEN, [("1", "10", 1.0), ("2", "20", 1.0)])
    assert "plays" in data.report.notes[0]


def test_ratings_of_1_alone_are_none(tmp_path: Path) -> None:
    """Nobody's 1 of 5: a column of ones is how data without stars are often written."""
    table = ["userId,movieId,rating", "1,10,1", "2,20,1.0"]
    data = load(write(tmp_path / "ones", ratings_csv=table, movies_csv=FILMS), tmp_path)
    assert (data.scale, rows(data)) == (SEEN, [("1", "10", 1.0), ("2", "20", 1.0)])
    assert "each row counts as a film seen" in data.report.notes[0]


def test_ratings_of_one_other_value_keep_their_scale(tmp_path: Path) -> None:
    table = ["userId,movieId,rating", "1,10,4", "2,20,4"]
    data = load(write(tmp_path / "fours", ratings_csv=table, movies_csv=FILMS), tmp_path)
    assert (data.scale, rows(data), data.report.notes) == ((1.0, 5.0), [("1", "10", 4.0), ("2", "20", 4.0)], ())


def test_stars_can_be_left_out(tmp_path: Path) -> None:
    table = ["userId,movieId,rating", "1,10,4.5", "2,20,1", "2,30,"]
    data = load(write(tmp_path / "rated", ratings_csv=table, movies_csv=FILMS), tmp_path, scale=SEEN)
    assert rows(data) == [("1", "10", 1.0), ("2", "20", 1.0), ("2", "30", 1.0)]
    assert data.report.tables["ratings"].changed == {"stars left out, as these data hold none": 1}
    assert "without their stars" in data.report.notes[0]


@pytest.mark.parametrize("head", ["userId,movieId,rating", "userId,movieId"])
def test_a_table_of_no_rows_is_refused(head: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "none", ratings_csv=[head], movies_csv=FILMS)
    with pytest.raises(DataError, match=r"none has no usable ratings \(the table is empty\)\. Check the files"):
        load(folder, tmp_path)


def test_films_without_ratings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a data set of a known format; it contains movies.csv\. Needed: "):
        load(write(tmp_path / "films", movies_csv=FILMS), tmp_path)


def test_blank_stars_are_not_none(tmp_path: Path) -> None:
    """A column that lost its values is a fault of the file, not data without stars."""
    folder = write(tmp_path / "blank", ratings_csv=["userId,movieId,rating", "1,10,", "2,20,"], movies_csv=FILMS)
    with pytest.raises(DataError, match=r"no usable ratings \(rating is not a number: 2\)"):
        load(folder, tmp_path)


def test_hints_name_columns_that_are_free(tmp_path: Path) -> None:
    write(tmp_path / "odd", ratings_csv=["userId,what,rating", "1,10,5"])
    with pytest.raises(DataError, match=r"no column for movie_id; .* e\.g\. movie_id=what"):
        load(tmp_path / "odd", tmp_path)
    write(tmp_path / "bare", ratings_csv=["userId", "1"])
    with pytest.raises(DataError, match=r"no column for movie_id; .* e\.g\. movie_id=COLUMN"):
        load(tmp_path / "bare", tmp_path)


def test_cleaning_and_reading_a_table_alone(tmp_path: Path) -> None:
    """Rated data do not take unrated rows in; data without stars take both."""
    bare = pl.DataFrame({"user_id": ["1", "2"], "movie_id": ["10", "20"]})
    assert detect_scale(bare) == detect_scale(bare, (1.0, 5.0)) == SEEN
    kept, _ = clean_ratings(bare, ["10", "20"], SEEN)
    assert kept["rating"].to_list() == [1.0, 1.0]
    kept, report = clean_ratings(bare, ["10", "20"], (0.5, 5.0))
    assert (kept.height, report.dropped) == (0, {"rating is not a number": 2})
    bare.write_csv(tmp_path / "r.csv")
    with pytest.raises(DataError, match="no column for rating"):
        read_ratings_table(tmp_path / "r.csv")
    assert read_ratings_table(tmp_path / "r.csv", stars=False).columns == ["user_id", "movie_id"]
