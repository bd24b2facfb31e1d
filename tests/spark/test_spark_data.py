"""Data read and cleaned on Spark are those of local reading: the same fingerprint, the same report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from matinee.data.load import assemble, load_dataset
from matinee.spark.cleaning import without_lines
from small_folder import write_folder

# py4j leaves its sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def dirty(folder: Path) -> Path:
    """Ratings with all that is dropped, changed or mended, several of each."""
    write_folder(folder, n_users=30)
    path = folder / "ratings.csv"
    lines = path.read_text().splitlines()
    lines[20] = "3,5,4.0,1000000001,too,many"
    lines[90] = "8,9,3.5,1000000001,too,many"
    lines[31] = "NULL,5,4.0,1000000002"
    lines[41] = "9,,4.0,1000000002"
    lines[51] = "9,77777,4.0,1000000002"
    lines[61] = "9,4,11,1000000002"
    lines[71] = "9,4,good,1000000002"
    lines[81] = '9.0,6,"2,5",1000000002000'
    lines += ["5,4,1.0,1500000000", "5,4,2.0,1500000000", "5,4,3.0,1400000000", "6,4,3.0,someday"]
    path.write_text("\n".join(lines) + "\n")
    return folder


def hundred_k(folder: Path) -> Path:
    """MovieLens 100K's layout, which has no header."""
    folder.mkdir()
    rows = [f"{1 + n % 9}\t{1 + n % 7}\t{1 + n % 5}\t{880000000 + n}" for n in range(400)]
    (folder / "u.data").write_text("\n".join(rows) + "\n")
    items = [
        f"{n}|Film {n} (1990)|01-Jan-1990||http://x|" + "|".join("01"[n % 2] for _ in range(19)) for n in range(1, 8)
    ]
    (folder / "u.item").write_text("\n".join(items) + "\n", encoding="latin-1")
    return folder


def only_ratings(folder: Path) -> Path:
    """A table of users and titles, without stars."""
    folder.mkdir()
    frame = pl.DataFrame({"user": [f"u{n % 12}" for n in range(300)], "item": [n % 25 + 900 for n in range(300)]})
    frame.with_columns(title=pl.format("The Film {}", "item")).write_parquet(folder / "views.parquet")
    return folder


def read(spark: SparkSession, source: Path, work: Path) -> Any:
    from matinee.spark.table import open_source

    found = open_source(spark, str(source), work)
    return assemble(source.name, found.raw, table=found.table)


@pytest.mark.parametrize("make", [dirty, hundred_k, only_ratings])
def test_as_local(spark: SparkSession, tmp_path: Path, make: Any) -> None:
    source = make(tmp_path / "data")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "6000")
    spark.conf.set("spark.sql.files.openCostInBytes", "1")
    local, ours = load_dataset(source, credits=False), read(spark, source, tmp_path / "work")
    assert ours.report.tables == local.report.tables
    assert ours.report.joins == local.report.joins
    # Parts do not know the numbers of their lines.
    assert [*map(without_lines, ours.report.notes)] == [*map(without_lines, local.report.notes)]
    assert ours.fingerprint == local.fingerprint
    assert ours.scale == local.scale


def test_tables_in_parts(spark: SparkSession, tmp_path: Path) -> None:
    whole = write_folder(tmp_path / "whole")
    parts = write_folder(tmp_path / "parts")
    lines = (parts / "ratings.csv").read_text().splitlines(keepends=True)
    (parts / "ratings.csv").unlink()
    (parts / "ratings").mkdir()
    for number, start in enumerate(range(1, len(lines), 200)):
        (parts / "ratings" / f"part-{number:05d}.csv").write_text(lines[0] + "".join(lines[start : start + 200]))
    (parts / "ratings" / "_SUCCESS").touch()
    assert read(spark, parts, tmp_path / "work").fingerprint == load_dataset(whole, credits=False).fingerprint
