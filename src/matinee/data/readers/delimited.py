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

from matinee.data.readers.columns import known_name
from matinee.data.readers.encodings import decode, wide_encoding
from matinee.data.readers.memory import check_text_file
from matinee.data.readers.remarks import dropped_lines, line_numbers, remark
from matinee.errors import DataError

_HEAD = 1 << 16
_UNIT = "\x1f"  # ASCII unit separator; replaces the two-character `::`, which polars does not support
_SEPARATORS = (",", "\t", ";", "|")
_BOM = b"\xef\xbb\xbf"
_WIDE = 40
"""Tables of more columns are read in part, those of fewer as a whole: then Polars tells rows with too many fields."""
_MOST_JOINED = 200
"""Lines that a quoted field may take."""
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
    header = names or layout.header or [str(number + 1) for number in range(layout.width)]
    if n_rows is None:
        check_text_file(path, len(header) if columns is None else len(columns))

    some = columns is not None and len(header) > _WIDE
    is_wide = wide_encoding(_first_bytes(path)) is not None

    def parse(source: Path | bytes, skip: int = layout.skip) -> pl.DataFrame:
        frame = pl.read_csv(
            source,
            has_header=has_header,
            separator=_UNIT if layout.separator == "::" else layout.separator,
            quote_char=quote,
            infer_schema=False,
            n_rows=n_rows,
            skip_lines=skip,
            columns=list(columns) if some and columns is not None else None,
            schema=None if has_header else dict.fromkeys(header, pl.String),
        )
        return frame if columns is None or some else frame.select(columns)

    def parse_checked(source: Path | bytes) -> pl.DataFrame | None:
        """The table, or None if its lines must be looked at one by one."""
        try:
            frame = parse(source)
        except pl.exceptions.PolarsError:
            return None
        if n_rows is not None:
            return frame
        rows = frame.height + has_header + layout.skip
        # What Polars does not tell: lines swallowed by a stray quotation mark, and fields too many in columns not read.
        if quote is not None and _has(source, quote) and _count(source, b"\n") != rows:
            return None
        separators = (rows - layout.skip) * (len(header) - 1)
        if some and not layout.skip and _count(source, layout.separator.encode()) != separators:
            return None
        return frame

    try:
        if layout.separator != "::" and not is_wide and (frame := parse_checked(path)) is not None:
            return frame
        data = _as_utf8(path, tell=n_rows is None)
        if layout.separator == "::":
            try:
                return parse(data.replace(b"::", _UNIT.encode()))
            except pl.exceptions.PolarsError:
                pass
        elif (frame := parse_checked(data)) is not None:
            return frame
        return parse(_mended(path, data, layout, has_header, quote, len(header), tell=n_rows is None), skip=0)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not a table: {what}", "Correct it, or fetch the file again.") from error


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


def _mended(
    path: Path, data: bytes, layout: Layout, has_header: bool, quote: str | None, width: int, *, tell: bool
) -> bytes:
    """A file with every row on a line of its own with all its fields; what cannot be read is left out and told.

    Raises:
        DataError: most lines are no rows of the table.
    """
    separator = layout.separator
    lines = data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    out = io.StringIO()
    delimiter = _UNIT if separator == "::" else separator
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    long: list[int] = []
    quoted: list[int] = []
    rows = 0
    at = layout.skip
    if has_header:
        out.write((lines[at] if separator != "::" else lines[at].replace("::", _UNIT)) + "\n")
        at += 1
    while at < len(lines):
        line, number = lines[at], at + 1
        at += 1
        if not line.strip():
            continue
        if quote is None or quote not in line:
            if line.count(separator) == width - 1:
                out.write((line.replace("::", _UNIT) if separator == "::" else line) + "\n")
                rows += 1
                continue
            fields: list[str] | None = line.split(separator)
        else:
            fields = _fields(line, separator)
            if fields is None or len(fields) != width:
                joined = _joined(lines, at, line, separator, width) if fields is None else None
                if joined is not None:
                    fields, at = joined
                else:
                    plain = line.split(separator)
                    if fields is None or len(plain) == width:
                        fields = plain
                        quoted.append(number)
        assert fields is not None
        if len(fields) > width and not any(field.strip() for field in fields[width:]):
            fields = fields[:width]
        if len(fields) > width:
            long.append(number)
            continue
        rows += 1
        if quote is None:
            out.write(delimiter.join(fields) + "\n")
        else:
            writer.writerow([*fields, *[""] * (width - len(fields))])
    if len(long) > rows:
        raise DataError(
            f"{path}, line {long[0]}: more than the {width} fields expected, as in {len(long):,} lines.",
            "Correct the file, or fetch it again.",
        )
    if tell:
        dropped_lines(path, f"line with more than the {width} fields expected", long)
        if quoted:
            remark(
                f"{path.name}: quotation marks that enclose no field are kept as they stand: {line_numbers(quoted)}."
            )
    return out.getvalue().encode()


def _fields(line: str, separator: str) -> list[str] | None:
    """The fields of a record; None if its quotation marks do not enclose fields."""
    try:
        found = list(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None


def _joined(lines: Sequence[str], at: int, line: str, separator: str, width: int) -> tuple[list[str], int] | None:
    """A record whose quoted field takes several lines, and the line after it; None if there is none."""
    record = line
    complete = 0
    for end in range(at, min(at + _MOST_JOINED, len(lines))):
        follower = lines[end]
        record += "\n" + follower
        complete += follower.count(separator) == width - 1 and '"' not in follower
        if '"' not in follower:
            continue
        try:
            found = list(csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=True))
        except csv.Error:
            continue
        if len(found) == 1 and len(found[0]) == width:
            # Lines that are rows themselves were swallowed by a stray quotation mark.
            return None if complete and complete >= (end - at) / 2 and width > 1 else (found[0], end + 1)
    return None
