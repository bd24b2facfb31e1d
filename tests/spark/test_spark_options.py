"""What is refused before Spark starts; these tests need no Spark."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from matinee.cli.spark import parse_conf
from matinee.errors import InvalidInputError, MatineeError, MissingExtraError
from matinee.spark.cleaning import Tally
from matinee.spark.parts import PartReader, first_lines
from matinee.spark.pieces import batches_of
from matinee.spark.session import SparkFailedError, check_java, check_master, spark_session


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*]", "spark://h:7077", "k8s://https://h:443", "yarn"])
def test_masters(master: str) -> None:
    check_master(master)


@pytest.mark.parametrize("master", ["", "h:7077", "http://h:7077", "spark://", "local[x]", "mesos://h"])
def test_what_is_no_master_is_refused(master: str) -> None:
    with pytest.raises(InvalidInputError, match="not a master"):
        check_master(master)


def test_a_java_that_is_missing_or_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SparkFailedError, match="Spark needs Java") as caught:
        check_java()
    assert "Install Java 17" in caught.value.hint
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(SparkFailedError, match="is Java 8"):
        check_java()


def test_pyspark_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'matinee\[spark\]'"), spark_session("local[1]"):
        pass


def test_settings_of_spark() -> None:
    assert parse_conf(["spark.executor.memory=4g", "spark.a=b=c"]) == {"spark.executor.memory": "4g", "spark.a": "b=c"}
    for wrong in ("spark.executor.memory", "executor.memory=4g"):
        with pytest.raises(InvalidInputError, match="NAME=VALUE"):
            parse_conf([wrong])


LINES = b"userId,movieId,rating\n" + b"".join(b"%d,7,4.5\n" % user for user in range(200))


def test_parts_are_read_as_the_whole() -> None:
    reader = PartReader("ratings.csv").with_head(first_lines(LINES))
    assert reader.head_rows == 49
    lines = LINES.splitlines(keepends=True)
    first, second, third = (b"".join(lines[a:b]) for a, b in ((0, 3), (3, 120), (120, 201)))
    frames = [reader.read(first).ratings, reader.behind_head(second).ratings, reader.behind_head(third).ratings]
    assert pl.concat(frames).equals(PartReader("ratings.csv").read(LINES).ratings)


def test_rows_lost_in_the_head_do_not_count_for_every_part() -> None:
    lines = LINES.splitlines(keepends=True)
    lines[4] = b"5,7,4.5,and,more\n"
    lines[100] = b"99,7,4.5,and,more\n"
    reader = PartReader("ratings.csv").with_head(first_lines(b"".join(lines)))
    assert sum(reader.head_lost.values()) == 1
    later = reader.behind_head(b"".join(lines[50:]))
    assert later.ratings.height == 150
    assert sum(later.lost["ratings"].values()) == 1


def test_tallies_add_up_in_the_order_of_the_table() -> None:
    one = Tally(9, 3, dropped={"a": 1}, notes=["User ids such as 'x' are not taken."], parts=1)
    two = Tally(0, 2, dropped={"a": 2, "b": 1}, notes=["User ids such as 'y' are not taken."], parts=1)
    total = Tally.joined([one.to_json(), two.to_json()])
    assert (total.rows_in, total.dropped, total.parts) == (5, {"a": 3, "b": 1}, 2)
    assert total.notes == ["User ids such as 'y' are not taken."]


def test_errors_of_tasks_are_sentences() -> None:
    from matinee.spark.session import _failed

    told = _failed(RuntimeError("An error\nmatinee.errors.DataError: ratings.csv is empty. Fetch it.\n\tat java"))
    assert isinstance(told, MatineeError)
    assert told.message == "ratings.csv is empty. Fetch it."
    told = _failed(RuntimeError("An error\nTraceback\nModuleNotFoundError: No module named 'matinee'\n"))
    assert "Install matinee[spark] where tasks run" in told.hint


def test_columns_that_a_frame_lacks_are_null() -> None:
    pytest.importorskip("pyarrow")
    (batch,) = batches_of(pl.DataFrame({"b": ["x"]}), "a long, b string")
    assert batch.to_pydict() == {"a": [None], "b": ["x"]}
