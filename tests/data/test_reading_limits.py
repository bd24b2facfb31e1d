"""Reading keeps to the limit of memory: told from metadata where a table is too large, and measured where it is not."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from matinee.data.assets import unzip
from matinee.data.load import load_dataset
from matinee.data.readers.memory import reading_within
from matinee.data.readers.tables import read_table
from matinee.errors import DataError, FetchError
from matinee.settings import Settings

LIMIT = 100 << 20
COLUMNS = ("user_id", "movie_id", "rating", "timestamp")


def equal_rows(path: Path, count: int) -> Path:
    """A file of a few kilobytes whose rows are all the same."""
    pl.select(
        user_id=pl.repeat(1, count, dtype=pl.Int64),
        movie_id=pl.repeat(1, count, dtype=pl.Int64),
        rating=pl.repeat(4.0, count),
        timestamp=pl.repeat(10**9, count, dtype=pl.Int64),
    ).write_parquet(path)
    return path


def test_many_equal_rows_in_a_small_file_are_refused_by_their_number(tmp_path: Path) -> None:
    path = equal_rows(tmp_path / "bomb.parquet", 3_000_000)
    assert path.stat().st_size < 100_000
    settings = Settings(data_dir=tmp_path, memory_limit=LIMIT, offline=True)
    with pytest.raises(DataError, match=r"about 3,000,000 rows, which need 275 MiB.*MATINEE_MEMORY_LIMIT"):
        load_dataset(path, settings, credits=False)


@pytest.mark.parametrize("suffix", [".csv", ".ndjson", ".dat"])
def test_lines_are_counted_before_they_are_read(tmp_path: Path, suffix: str) -> None:
    line = {".csv": b"1,2,3,4\n", ".ndjson": b'{"user_id":1,"movie_id":2,"rating":3}\n', ".dat": b"1::2::3::4\n"}[
        suffix
    ]
    head = b"user_id,movie_id,rating,timestamp\n" if suffix == ".csv" else b""
    path = tmp_path / f"ratings{suffix}"
    path.write_bytes(head + line * 1_500_000)
    (tmp_path / "movies.dat").write_text("2::Two::Drama\n", encoding="utf-8")
    settings = Settings(data_dir=tmp_path, memory_limit=LIMIT, offline=True)
    with pytest.raises(DataError, match=r"about 1,5\d\d,\d\d\d rows|about 1,4\d\d,\d\d\d rows"):
        load_dataset(path if suffix != ".dat" else tmp_path, settings, credits=False)
    path.write_bytes(head + line * 1000)
    assert len(load_dataset(path if suffix != ".dat" else tmp_path, settings, credits=False).ratings) == 1


def test_long_texts_are_counted_while_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    many = pl.DataFrame({"user_id": [f"{'x' * 3000}{n % 7}" for n in range(60_000)]})
    many.with_columns(movie_id=pl.lit("1"), rating=pl.lit(3.0)).write_parquet(path)
    assert path.stat().st_size < LIMIT // 20
    with reading_within(LIMIT), pytest.raises(DataError, match="60,000 rows"):
        read_table(path, COLUMNS, COLUMNS[:2])
    assert read_table(path, COLUMNS, COLUMNS[:2]).height == 60_000  # no limit


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="memory of Linux")
def test_what_is_read_keeps_to_the_limit(tmp_path: Path) -> None:
    """A process that reads as many rows as the limit allows does not need more than that."""
    rows = 4_000_000
    path = equal_rows(tmp_path / "many.parquet", rows)
    limit = rows * 97
    code = """
import json, resource, sys
from matinee.data.load import load_dataset
from matinee.settings import Settings
import polars as pl
pl.select(pl.repeat("1", 1000)).unique()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = load_dataset(sys.argv[1], Settings(memory_limit=int(sys.argv[2]), offline=True), credits=False)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([(after - before) * 1024, len(data.ratings), data.report.tables["ratings"].rows_in]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(limit)], capture_output=True, text=True, check=True, timeout=100
    )
    need, kept, given = json.loads(done.stdout)
    assert (kept, given) == (1, rows)
    assert need < limit


def archive(size: int, declared: int | None = None) -> bytes:
    """A zip file of one member, whose directory may declare another size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("ratings.csv", b"0" * size)
    data = bytearray(out.getvalue())
    if declared is not None:
        data[22:26] = struct.pack("<I", declared)
        start = data.index(b"PK\x01\x02")
        data[start + 24 : start + 28] = struct.pack("<I", declared)
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "told"),
    [(archive(5_000_000), "too large"), (archive(5_000_000, 10), "not a valid zip file")],
)
def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path, folder = tmp_path / "a.zip", tmp_path / "out"
    path.write_bytes(content)
    folder.mkdir()
    with pytest.raises(FetchError, match=told):
        unzip(path, folder, ("ratings.csv",), max_bytes=1_000_000)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 1_000_000


def test_members_that_are_too_large_together_are_refused(tmp_path: Path) -> None:
    path, names = tmp_path / "a.zip", tuple(f"{n}.csv" for n in range(30))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in names:
            bundle.writestr(name, b"0" * 900_000)
    with pytest.raises(FetchError, match="holds too much"):
        unzip(path, tmp_path, names, max_bytes=1_000_000)
