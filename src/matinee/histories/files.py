"""Files of a person's history, opened within bounds: archives, encodings, tables, JSON, XML. Standard library only."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

from matinee.data.encodings import decode, wide_encoding
from matinee.errors import InvalidInputError, TooLargeError

MAX_BYTES = 64 << 20
"""Bytes of a file, and of all that its archive holds."""
MAX_PARTS = 5_000
"""Files in an archive."""
MAX_ROWS = 200_000
"""Rows of a table, or items of a list."""
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_XML_HEAD = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclass(frozen=True)
class Row:
    """A row of a table: cells by column name, lower case; "" where a row is short."""

    line: int
    cells: dict[str, str]

    def get(self, *names: str) -> str:
        """The first of these columns that has something."""
        return next((value for name in names if (value := self.cells.get(name, ""))), "")


class Part:
    """A file, or one in an archive.

    Args:
        name: its path, with the folders of the archive.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data = name, data

    @property
    def base(self) -> str:
        """The name without folders, lower case."""
        return self.name.replace("\\", "/").rpartition("/")[2].lower()

    @property
    def folders(self) -> list[str]:
        """The folders that it is in, lower case."""
        return self.name.replace("\\", "/").lower().split("/")[:-1]

    @cached_property
    def text(self) -> str:
        """The content, in the encoding that fits the whole file.

        Raises:
            InvalidInputError: it is no text.
        """
        wide = wide_encoding(self.data[:4096])
        try:
            # A file of two or four bytes a character that was cut short is refused here, not mended.
            return self.data.decode(wide) if wide else decode(self.data).data.decode()
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                f"{self.name} is not text in {error.encoding.upper()}.", "Save it as UTF-8 and try again."
            ) from error

    @cached_property
    def kind(self) -> str:
        """What the content looks like: json, xml, or table."""
        start = self.text[:200].lstrip("\ufeff \t\r\n")
        return "json" if start[:1] in ("{", "[") else "xml" if start[:1] == "<" else "table"

    @cached_property
    def records(self) -> list[list[str]]:
        """All records of a table, with the line that each begins at in front, blank ones left out.

        Raises:
            InvalidInputError: it is no table, or a field never ends.
            TooLargeError: too many rows.
        """
        text = self.text.lstrip("\ufeff")
        first, _, rest = text.partition("\n")
        delimiter = None
        if first.lower().startswith("sep=") and len(first.strip()) == 5:
            delimiter, text = first.strip()[4], rest
        head = next(
            (line for line in text.splitlines()[:10] if line.count(",") + line.count(";") + line.count("\t")), ""
        )
        if delimiter is None:
            delimiter = max(",;\t", key=head.count)
        skipped = 1 if text is rest else 0
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        records, line = [], 1
        try:
            for record in reader:
                if any(cell.strip() for cell in record):
                    records.append([str(line + skipped), *record])
                if len(records) > MAX_ROWS:
                    raise TooLargeError(f"{self.name} has more than {MAX_ROWS:,} rows.", "Send it in parts.")
                line = reader.line_num + 1
        except csv.Error as error:
            raise InvalidInputError(
                f"{self.name} is not a table: line {line + skipped}: {error}.", "Export it again, and do not edit it."
            ) from error
        return records

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns of a table, lower case; [] where it is none."""
        if self.kind != "table":
            return []
        records = self.records
        start = self._header_at
        return [_name(cell) for cell in records[start][1:]] if start < len(records) else []

    @cached_property
    def _header_at(self) -> int:
        """Where the header is: after the lines that say what a list is, or that are comments."""
        records = self.records
        for number, record in enumerate(records[:10]):
            if _name(record[1]) == "position" and len(record) > 3:
                return number
        return next((i for i, record in enumerate(records) if not record[1].startswith("#")), 0)

    def rows(self) -> Iterator[Row]:
        """The rows of a table."""
        columns = self.columns
        for record in self.records[self._header_at + 1 :]:
            cells = (cell.strip() for cell in record[1:])
            yield Row(int(record[0]), dict(zip(columns, cells, strict=False)))

    @cached_property
    def json(self) -> Any:
        """The JSON value.

        Raises:
            InvalidInputError: it is not JSON.
        """
        try:
            return json.loads(self.text.lstrip("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"{self.name} is not JSON ({error}).", "Export it again, whole.") from error

    @cached_property
    def xml(self) -> ElementTree.Element:
        """The root element. Documents that declare types or entities are refused: they could grow without bounds.

        Raises:
            InvalidInputError: it is not XML, or declares entities.
        """
        text = self.text.lstrip("\ufeff")
        if _DECLARATION.search(text):
            raise InvalidInputError(
                f"{self.name} declares XML entities, which are not read.", "Export it without them."
            )
        try:
            # A .nfo of Kodi may have addresses after its end.
            text = _XML_HEAD.sub("", text)
            end = max(text.rfind("</movie>") + 8 if "</movie>" in text and "</videodb>" not in text else 0, 0)
            return ElementTree.fromstring(text[:end] if end else text)
        except (ElementTree.ParseError, RecursionError, ValueError) as error:
            raise InvalidInputError(f"{self.name} is not XML ({error}).", "Export it again, whole.") from error


def _name(cell: str) -> str:
    return " ".join(cell.strip().strip('"').lower().split())


def open_parts(name: str, data: bytes) -> list[Part]:
    """The files of an upload: those of an archive (zip, gzip), or it alone.

    Raises:
        InvalidInputError: it is empty, or an archive that cannot be read.
        TooLargeError: it would take too much memory.
    """
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"The file has {len(data):,} bytes.", f"Send {MAX_BYTES:,} at most.")
    if not data.strip():
        raise InvalidInputError("The file is empty.", "Export it again.")
    if data.startswith(_ZIP) or zipfile.is_zipfile(io.BytesIO(data)):
        return _zipped(data)
    if data.startswith(_GZIP):
        return [Part(name.removesuffix(".gz"), _unzipped(data))]
    return [Part(name, data)]


def _zipped(data: bytes) -> list[Part]:
    parts: list[Part] = []
    left = MAX_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_PARTS:
                raise TooLargeError(f"The archive holds {len(members):,} files.", f"Send {MAX_PARTS:,} at most.")
            for member in members:
                if member.filename.rpartition(".")[2].lower() not in ("csv", "json", "xml", "nfo", "txt", "tsv"):
                    continue
                with archive.open(member) as file:  # what the archive says of sizes need not be true
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise TooLargeError(f"The archive holds more than {MAX_BYTES:,} bytes.", "Send the files alone.")
                parts.append(Part(member.filename, content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise InvalidInputError(
            f"The archive cannot be read ({error}).", "Download it again, or send the files in it."
        ) from error
    if not parts:
        raise InvalidInputError("The archive holds no table, JSON or XML file.", "Send the export of your films.")
    return parts


def _unzipped(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"The archive cannot be read ({error}).", "Download it again.") from error
    if len(content) > MAX_BYTES:
        raise TooLargeError(f"The archive holds more than {MAX_BYTES:,} bytes.", "Send it in parts.")
    return content
