"""Options of reading on the command line, imports of films with ids from elsewhere, a data folder that is read-only."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from matinee.cli.reading import parse_mapping, parse_scale, parse_unrated, parse_values
from matinee.errors import InvalidInputError


def test_options_as_arguments() -> None:
    assert parse_mapping(["user=who", "movies.movie=no", "movie_id=a", "movie_id=b"]) == {
        "user_id": "who",
        "movies.movie_id": "no",
        "movie_id": ("a", "b"),
    }
    assert parse_values(["like=5,dislike=1", "so=so=3"]) == {"like": 5.0, "dislike": 1.0, "so=so": 3.0}
    assert (parse_unrated("99,-1"), parse_unrated("none"), parse_unrated(None)) == ((99.0, -1.0), (), None)
    assert (parse_scale("1,10"), parse_scale("seen"), parse_scale(None)) == ((1.0, 10.0), (1.0, 1.0), None)
    for parse, text in ((parse_unrated, "x"), (parse_scale, "5"), (parse_scale, "5,1"), (parse_scale, "a,b")):
        with pytest.raises(InvalidInputError, match=r"is not (a list|LOWEST)"):
            parse(text)
    for bad in ("like", "=3", "like=much", "like=1e99"):
        with pytest.raises(InvalidInputError, match="WORD=NUMBER"):
            parse_values([bad])
    with pytest.raises(InvalidInputError, match="NAME=COLUMN"):
        parse_mapping(["user_id"])


def test_inspect_with_a_mapping_for_each_table(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_OFFLINE", "1")
    monkeypatch.setenv("MATINEE_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ratings.csv").write_text("viewer,film_ref,score\n1,1,love\n2,2,hate\n", encoding="utf-8")
    (folder / "movies.csv").write_text("film_no,name\n1,Heat\n2,Alien\n", encoding="utf-8")
    words = [
        "--map",
        "user_id=viewer",
        "--map",
        "movie_id=film_ref",
        "--map",
        "movie_id=film_no",
        "--map",
        "rating=score",
    ]
    result = run("data", "inspect", str(folder), *words, "--map-values", "love=5,hate=1", "--json")
    assert result.code == 0
    told = json.loads(result.out)
    assert (told["scale"], told["statistics"]["histogram"]) == ([1.0, 5.0], {"1": 1, "5": 1})
    result = run("data", "inspect", str(folder), *words, "--scale", "seen", "--unrated", "none", "--json")
    assert json.loads(result.out)["scale"] == [1.0, 1.0]
    result = run("data", "inspect", str(folder), "--map", "user_id=viewer")
    assert (result.code, "movie_id=film_ref" in result.err) == (1, True)


def test_a_column_mapped_twice_is_one_sentence(home: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("who,film,stars\na,1,4\n", encoding="utf-8")
    words = ["--map", "user_id=who", "--map", "movie_id=film", "--map", "rating=film"]
    result = run("import", "ratings", str(tmp_path / "r.csv"), *words)
    assert result.code == 1
    assert "The column 'film' is mapped twice" in result.err
    assert "Traceback" not in result.err


def test_ratings_in_words_and_packed(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.csv.gz"
    path.write_bytes(gzip.compress("user,movie,rating\nann,1,👍\nbob,1,👎\n".encode()))
    assert json.loads(run("import", "ratings", str(path), "--json").out)["stored"] == 2
    run("export", "ratings", str(tmp_path / "all.csv"))
    assert "ann,1,5.0," in (tmp_path / "all.csv").read_text(encoding="utf-8")
    result = run("import", "ratings", str(path), "--map-values", "👍=4.5,👎=1", "--json")
    assert json.loads(result.out)["stored"] == 2
    path.write_bytes(gzip.compress(b"user,movie,rating\nann,2,0\nbob,2,4\n"))
    told = json.loads(run("import", "ratings", str(path), "--unrated", "0", "--json").out)
    assert (told["stored"], told["dropped"]) == (1, {"not rated (0)": 1})


TMDB = "id,title,original_title,release_date,popularity,vote_average,overview,genres"


def test_films_of_tmdb_do_not_replace_those_of_the_same_number(home: Path, run: Any, tmp_path: Path) -> None:
    (tmp_path / "own.ndjson").write_text(
        json.dumps({"movie_id": "70", "title": "Solaris", "year": 1972, "tmdb_id": "593", "tags": ["slow"]}) + "\n",
        encoding="utf-8",
    )
    assert run("import", "movies", str(tmp_path / "own.ndjson")).code == 0
    genres = "\"[{'id': 878, 'name': 'Science Fiction'}]\""
    rows = [f"593,Solaris,Солярис,1972-03-20,1,8,A plot,{genres}", f"1,Xanadu Nine,X,1990-01-01,1,5,Plot,{genres}"]
    (tmp_path / "tmdb.csv").write_text("\n".join([TMDB, *rows]) + "\n", encoding="utf-8")
    result = run("import", "movies", str(tmp_path / "tmdb.csv"))
    assert result.code == 0
    assert "Stored 2 of 2 films" in result.out
    assert "ids of TMDB" in result.err + result.out
    run("export", "movies", str(tmp_path / "all.ndjson"))
    films = {
        film["movie_id"]: film for film in map(json.loads, (tmp_path / "all.ndjson").read_text("utf-8").splitlines())
    }
    solaris = films["70"]
    assert (solaris["overview"], solaris["tags"], solaris["genres"]) == ("A plot", ["slow"], ["Science Fiction"])
    assert solaris["original_title"] == "Солярис"
    assert films["tmdb:1"]["title"] == "Xanadu Nine"
    assert "tmdb:593" not in films


def test_a_list_of_ids_is_no_table_of_films(home: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "movie_ids.json.gz"
    path.write_bytes(
        gzip.compress(b'{"adult":false,"id":603,"original_title":"The Matrix","popularity":1.0,"video":false}\n')
    )
    for words in (("import", "movies", str(path)), ("data", "inspect", str(path))):
        result = run(*words)
        assert (result.code, "TMDB's list of ids" in result.err) == (1, True)


def _mount(*words: str) -> bool:
    with suppress(OSError, subprocess.SubprocessError):
        return not subprocess.run(["mount", *words], capture_output=True, timeout=60, check=False).returncode
    return False


@pytest.fixture
def read_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The trained folder, on a disk that cannot be written."""
    place = home.parent / "read-only"
    place.mkdir()
    if os.name == "nt" or os.geteuid() or not _mount("--bind", str(home), str(place)):
        pytest.skip("nobody here may mount a file system")
    try:
        if not _mount("-o", "remount,ro,bind", str(place)):
            pytest.skip("nobody here may mount a file system")
        monkeypatch.setenv("MATINEE_DATA_DIR", str(place))
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=60)


def test_a_read_only_data_folder_answers_and_stores_nothing(home: Path, read_only: Path, run: Any) -> None:
    result = run("recommend", "--user", "1", "--json")
    assert result.code == 0
    assert json.loads(result.out)["items"]
    title = json.loads(result.out)["items"][0]["title"]
    assert run("search", title, "--json").code == 0
    assert run("similar", title, "--json").code == 0
    written = run("rate", "1", title, "4")
    assert written.code == 1
    assert "cannot be written" in written.err
