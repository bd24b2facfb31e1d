"""One local session for all tests of this folder: Spark takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from spark_support import SETTINGS, need_spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    need_spark()
    from matinee.spark.session import spark_session

    with spark_session("local[2]", SETTINGS) as session:
        yield session
