"""Delimited text files as strings: whatever their encoding, with or without a header, some of their lines damaged.

A clean file is parsed by Polars as it is. Only what Polars refuses is looked at line by line: rows that cannot be read
are left out, counted and named by their line.
"""

from __future__ import annotations

import csv
import io
import mmap
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from matinee.data.encodings import decode, wide_encoding
from matinee.data.readers.columns import known_name
from matinee.data.readers.line_repair import UNIT, LineRepair
from matinee.data.readers.memory import check_text_file
from matinee.data.readers.remarks import line_numbers, remark
from matinee.errors import DataError

_HEAD = 1 << 16
_SEPARATORS = (",", "\t", ";", "|")
_BOM = b"\xef\xbb\xbf"
_WIDE = 40
"""Tables of more columns are read in part, those of fewer as a whole: then Polars tells rows with too many fields."""
_NUMBER = re.compile(r"^[\s\"']*[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?[\s\"']*$")


@dataclass(frozen=True)
class Layout:
    """How a delimited file is laid out.

    Attributes:
        separator: between the fields.
        skip: lines before the table: comments, blank lines, `sep=;`.
        header: names of the columns; None if the first line is a row already.
        width: number of columns.
    """

    separator: str
    skip: int
    header: tuple[str, ...] | None
    width: int


def text_head(path: Path) -> bytes:
    """The first bytes of a text file, as UTF-8 where it is UTF-16 or UTF-32.

    Raises:
        DataError: missing, unreadable, empty or binary.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from None
    if not head.strip():
        raise DataError(f"{path} is empty.", "Fetch or export the file again.")
    if wide_encoding(head) is not None:
        try:
            return decode(head[: len(head) & ~3]).data
        except UnicodeDecodeError:
            return _as_utf8(path, tell=False)[:_HEAD]
    if b"\0" in head:
        raise DataError(
            f"{path} is not a text file: it has a zero byte at offset {head.index(0)}.",
            "Save it as UTF-8 text, or give it the suffix of its real format.",
        )
    return head


def layout_of(path: Path, head: bytes, separator: str | None, quote: str | None, named: bool = False) -> Layout:
    """The layout of a file by its first lines.

    Args:
        head: its first bytes (see `text_head`).
        separator: None: detected by suffix, by a line `sep=;`, or by the first line.
        named: the columns' names are known, and the file has no header.
    """
    lines = head.removeprefix(_BOM).decode("latin-1").splitlines()
    skip = 0
    if not named:
        for line in lines:
            stated = re.match(r"^[\"']?sep=(.)[\"']?\s*$", line, re.IGNORECASE)
            if stated:
                separator = separator or stated[1]
            elif line.strip(' ,;\t"') and not _is_comment(line, lines):
                break
            skip += 1
    first = lines[skip] if skip < len(lines) else (lines[0] if lines else "")
    if separator is None:
        if path.suffix.lower() in (".tsv", ".tab", ".inter", ".item"):
            separator = "\t"
        elif "::" in first:
            separator = "::"
        else:
            separator = max(_SEPARATORS, key=first.count)
    if separator == "::":
        cells = first.split("::")
    else:
        cells = next(csv.reader([first], delimiter=separator, quoting=csv.QUOTE_NONE if quote is None else 0), [""])
    cells = [cell.strip() for cell in cells]
    is_row = named or separator == "::" or _is_row(cells)
    return Layout(separator, skip, None if is_row else tuple(cells), len(cells))


def _is_comment(line: str, lines: Sequence[str]) -> bool:
    """Whether a line before the table is a comment: `# …`, `// …`, and not the header `#userId,movieId`."""
    if not line.lstrip().startswith(("#", "//")):
        return False
    later = [other for other in lines[:20] if other.strip() and not other.lstrip().startswith(("#", "//"))]
    if not later:
        return False
    separator = max((*_SEPARATORS, "::"), key=later[0].count)
    names_columns = line.count(separator) == later[0].count(separator) > 0
    return not names_columns or not any(known_name(cell) for cell in line.lstrip("#/ ").split(separator))


def _is_row(cells: Sequence[str]) -> bool:
    """Whether the first line is a row of the table: it has numbers, and no name that is known."""
    if len(cells) < 2 or any(known_name(cell) for cell in cells):
        return False
    return any(_NUMBER.match(cell) for cell in cells)


def read_text(
    path: Path,
    *,
    separator: str | None = None,
    names: Sequence[str] | None = None,
    quote: str | None = '"',
    columns: Sequence[str] | None = None,
    n_rows: int | None = None,
) -> pl.DataFrame:
    """A delimited text file as strings, with any line endings.

    Rows that cannot be read are left out; they, and an encoding that is not UTF-8, are told as remarks. A file without
    a header has the columns "1", "2", ….

    Args:
        separator: None: detected by suffix and first line. `::` is that of MovieLens 1M and 10M.
        names: column names of a file without a header line.
        quote: None if quotation marks have no special meaning.
        columns: read only these.

    Raises:
        DataError: the file is missing, empty, binary, no table (with the line number), or too large.
    """
    head = text_head(path)
    layout = layout_of(path, head, separator, quote, named=names is not None)
    if layout.separator == "::":
        quote = None
    has_header = names is None and layout.header is not None
    header = tuple(names or layout.header or (str(number + 1) for number in range(layout.width)))
    if n_rows is None:
        check_text_file(path, len(header) if columns is None else len(columns))
    parser = _Parser(layout, header, has_header, quote, None if columns is None else tuple(columns), n_rows)
    try:
        return _read(path, parser)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a table: {what}", "Correct it, or fetch the file again.") from error


def _read(path: Path, parser: _Parser) -> pl.DataFrame:
    """The table: of the file as it is, else of its text in UTF-8, else of its repaired lines."""
    separator = parser.layout.separator
    if separator != "::" and wide_encoding(_first_bytes(path)) is None and (frame := parser.checked(path)) is not None:
        return frame
    tell = parser.n_rows is None
    data = _as_utf8(path, tell)
    if (frame := parser.checked(data.replace(b"::", UNIT.encode()) if separator == "::" else data)) is not None:
        return frame
    lines = data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    repair = LineRepair(separator, parser.quote, len(parser.header))
    begin = parser.layout.skip + parser.has_header
    text = repair.repaired(lines, begin, lines[begin - 1] if parser.has_header else None)
    if tell:
        repair.tell(path)
    return parser(text, skip=0)


@dataclass(frozen=True)
class _Parser:
    """Polars' parser with the layout of a file."""

    layout: Layout
    header: tuple[str, ...]
    has_header: bool
    quote: str | None
    columns: tuple[str, ...] | None
    n_rows: int | None

    @property
    def in_part(self) -> bool:
        """Whether only the columns wanted are parsed."""
        return self.columns is not None and len(self.header) > _WIDE

    def __call__(self, source: Path | bytes, skip: int | None = None) -> pl.DataFrame:
        frame = pl.read_csv(
            source,
            has_header=self.has_header,
            separator=UNIT if self.layout.separator == "::" else self.layout.separator,
            quote_char=self.quote,
            infer_schema=False,
            n_rows=self.n_rows,
            skip_lines=self.layout.skip if skip is None else skip,
            columns=list(self.columns) if self.in_part and self.columns is not None else None,
            schema=None if self.has_header else dict.fromkeys(self.header, pl.String),
        )
        return frame if self.columns is None or self.in_part else frame.select(self.columns)

    def checked(self, source: Path | bytes) -> pl.DataFrame | None:
        """The table, or None if its lines must be looked at one by one."""
        try:
            frame = self(source)
        except pl.exceptions.PolarsError:
            return None
        if self.n_rows is not None:
            return frame
        rows = frame.height + self.has_header
        # What Polars does not tell: lines swallowed by a stray quotation mark, and fields too many in columns not read.
        if self.quote is not None and _has(source, self.quote) and _count(source, b"\n") != rows + self.layout.skip:
            return None
        if self.in_part and not self.layout.skip:
            separators = rows * (len(self.header) - 1)
            return frame if _count(source, self.layout.separator.encode()) == separators else None
        return frame


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _as_utf8(path: Path, tell: bool) -> bytes:
    """A file as UTF-8, telling its encoding if that is another."""
    try:
        decoded = decode(path.read_bytes())
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not readable as {error.encoding.upper()} (at byte {error.start:,}).", "Save it as UTF-8 text."
        ) from None
    if tell and decoded.odd_lines:
        count = len(decoded.odd_lines)
        what = "one line is" if count == 1 else f"{count:,} lines are"
        remark(f"{path.name}: {what} not UTF-8 and read as Windows-1252: {line_numbers(decoded.odd_lines)}.")
    elif tell and decoded.encoding != "utf-8":
        remark(f"{path.name} is not UTF-8: read as {decoded.name}.")
    return decoded.data


def _has(source: Path | bytes, sign: str) -> bool:
    """Whether a sign stands in a file."""
    if isinstance(source, bytes):
        return sign.encode() in source
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(sign.encode()) >= 0


def _count(source: Path | bytes, sign: bytes) -> int:
    """How often a sign of one byte stands in a file; a last line without its end counts as a line."""
    count, last = 0, b""
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        while block := file.read(1 << 22):
            count += block.count(sign)
            last = block[-1:]
    return count + (sign == b"\n" and last not in (b"", b"\n"))
