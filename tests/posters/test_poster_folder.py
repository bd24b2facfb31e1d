from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.data.catalog import Movie
from matinee.errors import DataError
from matinee.posters.folder import add_folder
from matinee.posters.names import MovieIndex, Row, imdb_of, number_kind, read_index, resolve
from matinee.posters.store import PosterStore
from poster_support import film, picture

FILMS = [
    film("1", imdb_id="tt0114709", tmdb_id="862"),
    film("2", imdb_id="tt0113497", tmdb_id="8844"),
    film("3", imdb_id="tt0113228", tmdb_id="15602"),
    film("862", imdb_id="tt0116985", tmdb_id="1"),
    film("abc"),
]


def fill(folder: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture("PNG" if path.suffix.lower() == ".png" else "JPEG", color=(i, 9, 9)))
    return folder


def color_of(shelf: PosterStore, movie_id: str) -> bytes:
    path = shelf.path(movie_id)
    assert path is not None
    return path.read_bytes()


def test_three_ways_of_naming(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "1.jpg", "tt0113497.JPEG", "TT113228.Png", "abc.jpg")
    report = add_folder(folder, FILMS, shelf)
    assert (report.files, report.added, report.changed) == (4, 4, 4)
    assert shelf.ids() == {"1", "2", "3", "abc"}
    assert report.numbers == "movie"
    again = add_folder(folder, FILMS, shelf)
    assert (again.added, again.replaced, again.unchanged) == (0, 0, 4)
    fill(folder, "tt0113497.JPEG")
    third = add_folder(folder, FILMS, shelf)
    assert (third.replaced, third.unchanged) == (1, 3)


def test_numbers_are_what_most_of_them_can_be(shelf: PosterStore, tmp_path: Path) -> None:
    report = add_folder(fill(tmp_path / "tmdb", "862.jpg", "8844.jpg", "15602.jpg"), FILMS, shelf)
    assert report.numbers == "tmdb"
    assert shelf.ids() == {"1", "2", "3"}
    report = add_folder(fill(tmp_path / "imdb", "0116985.jpg", "114709.jpg"), FILMS, shelf)
    assert (report.numbers, report.added, report.replaced) == ("imdb", 1, 1)


def test_numbers_that_can_be_both_are_film_ids(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "862.jpg", "1.jpg")
    assert add_folder(folder, FILMS, shelf).numbers == "movie"
    assert shelf.ids() == {"862", "1"}
    first = color_of(shelf, "1")
    report = add_folder(folder, FILMS, shelf, by="tmdb")
    assert report.replaced == 2
    assert color_of(shelf, "862") == first


def test_by_says_what_names_are(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "1.jpg", "tt0113497.jpg", "0113228.jpg", "abc.jpg")
    report = add_folder(folder, FILMS, shelf, by="imdb")
    assert (report.added, report.unknown) == (2, 2)
    assert shelf.ids() == {"2", "3"}


def test_an_index_decides(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "114709.jpg", "8844.jpg", "cover_a.jpg", "sub/999.jpg")
    (folder / "index.csv").write_text(
        "File,IMDB_ID,movieId\n114709.jpg,tt0114709,99\n,tt0113497,2\nx/cover_A.jpg,113228,\n", encoding="utf-8"
    )
    report = add_folder(folder, FILMS, shelf)
    assert shelf.ids() == {"1", "2", "3"}  # 8844 is not in the column that names files: the usual rules hold
    assert report.numbers == "tmdb"
    assert (report.unknown, report.examples["unknown"]) == (1, ["sub/999.jpg"])


def test_an_index_of_another_data_set_misleads_nobody(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "tt0000001.jpg", "tt0113497.jpg", "tt0000002.jpg")
    (folder / "index.csv").write_text("imdb_id,movie_id\ntt0000001,1\ntt0113497,3\ntt0000002,abc\n", encoding="utf-8")
    report = add_folder(folder, FILMS, shelf)
    assert report.unknown == 1  # film 1 is another one here
    assert shelf.ids() == {"2", "abc"}  # of "abc" nothing else is known


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", 'imdb_id\n"' + "x" * 200_000 + '"\n'])
def test_an_index_that_cannot_be_used(tmp_path: Path, shelf: PosterStore, text: str) -> None:
    folder = fill(tmp_path / "in", "1.jpg")
    (folder / "index.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"index\.csv"):
        add_folder(folder, FILMS, shelf)
    assert add_folder(folder, FILMS, shelf, by="movie").added == 1


def test_everything_is_counted(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "1.jpg", "1.png", "a/2.jpg", "a/deeper/3.jpg", ".hidden/3.jpg", "tt0114709.jpg")
    (folder / "3.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".DS_Store").write_text("no picture")
    (folder / "862.jpg").write_bytes(picture(size=(300, 300)))
    (folder / "nobody.jpg").write_bytes(picture())
    (folder / "abc.jpg").symlink_to(folder / "1.jpg")
    (folder / "links").symlink_to(folder / "a")
    shelf.max_pixels = 10_000
    told: list[tuple[str, float]] = []
    report = add_folder(folder, FILMS, shelf, progress=lambda what, share: told.append((what, share)))
    assert report.files == 10
    assert (report.added, report.unknown, report.not_pictures) == (2, 1, 4)
    assert (report.too_large, report.ambiguous) == (1, 2)
    assert report.examples["not_pictures"] == ["3.jpg", "abc.jpg", "links", "notes.txt"]
    assert report.examples["ambiguous"] == ["1.png", "tt0114709.jpg"]
    assert shelf.ids() == {"1", "2"}
    assert told[0][1] == 0
    assert told[-1][1] == 1


def test_a_broken_file_leaves_room_for_a_sound_one(shelf: PosterStore, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", "1.png")
    (folder / "1.jpg").write_bytes(picture()[:300])
    report = add_folder(folder, FILMS, shelf)
    assert (report.added, report.not_pictures, report.ambiguous) == (1, 1, 0)


def test_a_film_that_is_there_twice_gets_it_twice(shelf: PosterStore, tmp_path: Path) -> None:
    films = [film("1", imdb_id="tt0114709"), film("2", imdb_id="tt0114709")]
    report = add_folder(fill(tmp_path / "in", "tt0114709.jpg"), films, shelf)
    assert (report.files, report.added) == (1, 2)
    assert shelf.ids() == {"1", "2"}


def test_a_shelf_can_be_added_to_another(shelf: PosterStore, tmp_path: Path) -> None:
    films = [film("A b"[:1]), film("é")]
    for one in films:
        shelf.put(one.movie_id, picture())
    other = PosterStore(tmp_path / "other")
    assert add_folder(shelf.folder, films, other).added == 2
    assert other.ids() == {"A", "é"}


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_that_is_none(shelf: PosterStore, tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "x").touch()
    with pytest.raises(DataError, match="cannot be read"):
        add_folder(tmp_path / "x", FILMS, shelf)


@given(st.lists(st.integers(1, 300), unique=True, min_size=2, max_size=30), st.integers(0, 10**9))
def test_a_folder_named_one_way_is_read_that_way(ids: list[int], shift: int) -> None:
    """Film ids and TMDB ids that overlap by chance do not mislead, as long as every film has its picture."""
    films = [film(str(i), tmdb_id=str(i + 1 + shift % 97), imdb_id=f"tt{i * 7 + shift:07d}") for i in ids]
    index = MovieIndex(films)
    for by, names in (
        ("movie", [one.movie_id for one in films]),
        ("tmdb", [one.tmdb_id for one in films]),
        ("imdb", [str(one.imdb_id)[2:] for one in films]),
    ):
        kind = number_kind(index, [str(name) for name in names])
        found = [resolve(index, str(name), None, kind, {}) for name in names]
        if kind == by:
            assert found == [[one.movie_id] for one in films]
        else:  # all names fit the other kind as well
            assert all(found)


def test_ids_of_imdb() -> None:
    for text in ("tt0114709", "TT114709", "0114709", "114709"):
        assert imdb_of(text) == "tt0114709"
    for text in ("", "tt", "tt01147x", "t114709", "²", "１", "tt12345678901"):
        assert imdb_of(text) is None
    assert MovieIndex(FILMS).find("tmdb", "²") == []
    assert MovieIndex(FILMS).find_row(Row("", "", "1", "1")) == ["862"]


def test_shared_posters_are_named_by_imdb_id(shared_data: Path) -> None:
    folder = shared_data / "posters"
    if not (folder / "index.csv").exists():
        pytest.skip("no posters there")
    stems = [path.stem for path in sorted(folder.glob("*.jpg"))[:200]]
    rows = read_index(folder, stems)
    films = MovieIndex(Movie(movie_id=row.movie, title="x", imdb_id=row.imdb) for row in rows.values())
    assert len(rows) == len(stems)
    assert all(len(resolve(films, stem, None, "movie", rows)) == 1 for stem in stems)
    assert all(resolve(films, stem, None, "movie", rows) == resolve(films, stem, "imdb", "imdb", {}) for stem in stems)
