"""A folder at any address that Spark can read: on disk, in HDFS, or in an object store."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matinee.data.readers.tables import SUFFIXES
from matinee.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Entry:
    """A file of the folder, or a folder of the parts of one table, as programs of clusters write them.

    Attributes:
        name: of the file; of parts that of the whole table: `ratings.parquet`.
        url: what Spark reads.
        first: url of the file, or of the first part.
        bytes: of all.
    """

    name: str
    url: str
    first: str
    bytes: int


@dataclass
class Folder:
    """The files of an address, by Hadoop's file systems, as the configuration of Spark names them.

    Args:
        url: a folder or a file: `/data/ml`, `s3a://bucket/ml`, `hdfs://…`.

    Raises:
        DataError: there is nothing, or it cannot be read.
    """

    spark: SparkSession
    url: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            path = self._path(self.url)
            system = self._system(path)
            if not system.exists(path):
                raise DataError(f"There is no folder {self.url}.", "Check the address.")
            found = list(system.listStatus(path))
            inside = [status for status in found if _is_shown(_name(status))]
            if len(inside) == 1 and inside[0].isDirectory() and not self._parts(system, inside[0]):
                inside = [status for status in system.listStatus(inside[0].getPath()) if _is_shown(_name(status))]
            for status in sorted(inside, key=_name):
                entry = self._entry(system, status)
                if entry is not None:
                    self.entries[entry.name] = entry
        except DataError:
            raise
        except Exception as error:  # py4j wraps whatever the file system raises
            told = str(getattr(error, "java_exception", error)).splitlines()[0][:300]
            raise DataError(f"{self.url} cannot be read by Spark: {told}", "Check the address and the keys.") from error

    def _path(self, url: str) -> Any:
        return self.spark.sparkContext._jvm.org.apache.hadoop.fs.Path(url)

    def _system(self, path: Any) -> Any:
        return path.getFileSystem(self.spark.sparkContext._jsc.hadoopConfiguration())

    def _entry(self, system: Any, status: Any) -> Entry | None:
        url = str(status.getPath().toString())
        if not status.isDirectory():
            return Entry(_name(status), url, url, int(status.getLen()))
        parts = self._parts(system, status)
        if not parts:
            return None
        suffix = Path(_name(parts[0])).suffix
        name = _name(status) if _name(status).endswith(suffix) else _name(status) + suffix
        return Entry(name, url, str(parts[0].getPath().toString()), sum(int(part.getLen()) for part in parts))

    def _parts(self, system: Any, status: Any) -> list[Any]:
        """The parts of a table in a folder; none where it holds something else."""
        inside = [part for part in system.listStatus(status.getPath()) if _is_shown(_name(part))]
        suffixes = {Path(_name(part)).suffix for part in inside if not part.isDirectory()}
        if len(suffixes) != 1 or suffixes.pop() not in SUFFIXES or any(part.isDirectory() for part in inside):
            return []
        return sorted(inside, key=_name)

    def head(self, entry: Entry, size: int) -> bytes:
        """The first bytes of a file."""
        stream = self._system(self._path(entry.first)).open(self._path(entry.first))
        try:
            jvm: Any = self.spark.sparkContext._jvm
            bounded = jvm.org.apache.commons.io.input.BoundedInputStream(stream, size)
            return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(bounded))
        finally:
            stream.close()

    def fetch(self, entry: Entry, folder: Path) -> None:
        """Copy a file into a local folder.

        Raises:
            DataError: it is a table in parts, which is not put together here.
        """
        if entry.url != entry.first:
            raise DataError(f"{entry.url} is a folder of parts; only the ratings may be.", "Write it as one file.")
        target = self._path((folder / entry.name).resolve().as_uri())
        self._system(self._path(entry.url)).copyToLocalFile(False, self._path(entry.url), target, True)


def _name(status: Any) -> str:
    return str(status.getPath().getName())


def _is_shown(name: str) -> bool:
    return not name.startswith((".", "_")) and name != "__MACOSX"
