"""The connection to Spark: a master, settings that suit us, and sentences where Spark or Java is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from matinee._util.extras import need
from matinee.data.clean import SLICE
from matinee.errors import InvalidInputError, MatineeError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
MASTER = re.compile(r"^(local(\[[\d*,]+\])?|local-cluster\[[\d,]+\]|spark://.+|k8s://.+|yarn)$")
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(SLICE),
    "spark.sql.shuffle.partitions": "16",
    "spark.driver.memory": "2g",
    "spark.driver.maxResultSize": "0",
    "spark.rdd.compress": "true",
    "spark.serializer.objectStreamReset": "1",  # Java would hold a hundred large rows of what it writes
    "spark.network.maxRemoteBlockSizeFetchToMem": "8m",  # a block of a million ratings goes by the disk, not the heap
    "spark.sql.files.maxPartitionBytes": "64m",
    "spark.executorEnv.POLARS_MAX_THREADS": "1",  # Spark itself says so to BLAS: a task has one core
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""Settings of Spark unless others are given. A batch of Arrow is a slice as local cleaning takes them."""


class SparkFailedError(MatineeError):
    """Spark cannot be reached, or gave up a job."""


def check_java() -> None:
    """See that there is a Java that Spark runs on.

    Raises:
        SparkFailedError: there is none, or it is too old.
    """
    hint = f"Install Java {OLDEST_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME."
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        where = f"JAVA_HOME is {home}, which has none" if home else "there is none on the path"
        raise SparkFailedError(f"Spark needs Java, and {where}.", hint)
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found and int(found[1]) < OLDEST_JAVA:
        raise SparkFailedError(f"Spark needs Java {OLDEST_JAVA} or newer; {java} is Java {found[1]}.", hint)


def check_master(master: str) -> None:
    """See that an address is one of a master.

    Raises:
        InvalidInputError: it is not.
    """
    if not MASTER.match(master):
        raise InvalidInputError(
            f"{master!r} is not a master of Spark.", "Use local[2], spark://HOST:7077, k8s://https://HOST:443 or yarn."
        )


def _failed(error: Exception) -> MatineeError:
    """A job that Spark gave up, as a sentence: that of Matinee where one of its tasks had one."""
    text = str(error)
    own = re.findall(r"matinee\.errors\.\w+: (.+)", text)
    if own:
        return SparkFailedError(own[-1].strip(), "A task of Spark found this.")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = next(
        (line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), lines[0] if lines else ""
    )
    hint = "See the log of Spark's executors."
    if told.startswith("ModuleNotFoundError"):
        hint = "Install matinee[spark] where tasks run, and name that Python: --spark-conf spark.pyspark.python=PATH."
    return SparkFailedError(f"Spark gave up: {told[:300]}", hint)


@contextmanager
def spark_session(master: str, settings: Mapping[str, str] | None = None) -> Iterator[SparkSession]:
    """A session, which is stopped behind.

    Args:
        master: `local[2]`, `spark://…`, `k8s://…` or `yarn`.
        settings: of Spark, before ours and those of `spark-defaults.conf`.

    Raises:
        InvalidInputError: not an address of a master.
        MissingExtraError: pyspark is not installed.
        SparkFailedError: no Java, or no answer.
    """
    check_master(master)
    need("pyspark", "Training on Spark", "spark")
    check_java()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("matinee")
    own = dict(SETTINGS)
    if master.startswith("local"):
        own |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    for name, value in (own | dict(settings or {})).items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except Exception as error:  # py4j and pyspark raise many kinds
        raise SparkFailedError(
            f"Spark does not start at {master}: {str(error).splitlines()[0][:300]}",
            "Check the address and Spark's log.",
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    except MatineeError:
        raise
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("py4j", "pyspark"):
            raise
        raise _failed(error) from error
    finally:
        spark.stop()
