"""Delimited text line by line: what Polars refuses as a whole, with every row on a line of its own that it can read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matinee.data.readers.remarks import dropped_lines, line_numbers, remark
from matinee.errors import DataError

UNIT = "\x1f"
"""ASCII's unit separator, in place of the two-character `::`, which Polars does not support."""
_MOST_JOINED = 200
"""Lines that a quoted field may take."""


@dataclass
class LineRepair:
    """Repairs a file of lines.

    Attributes:
        separator: between fields.
        quote: None if quotation marks have no special meaning.
        width: fields of a row.
        long: numbers of lines with too many fields, which are left out.
        kept: numbers of lines with quotation marks that enclose no field, which stay as they stand.
        rows: rows that were written.
    """

    separator: str
    quote: str | None
    width: int
    long: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    rows: int = 0

    def repaired(self, lines: Sequence[str], begin: int, header: str | None) -> bytes:
        """The table as text, with `UNIT` for `::`.

        Args:
            lines: the file's.
            begin: the first line with a row.
            header: the line with the names of columns.
        """
        out = io.StringIO()
        if header is not None:
            out.write(header + "\n")
        delimiter = UNIT if self.separator == "::" else self.separator
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        at = begin
        while at < len(lines):
            line = lines[at]
            at += 1
            if not line.strip():
                continue
            quoted = self.quote is not None and self.quote in line
            if not quoted and line.count(self.separator) == self.width - 1:  # nearly all lines
                out.write(line.replace("::", UNIT) + "\n" if self.separator == "::" else line + "\n")
                self.rows += 1
                continue
            fields, at = self._quoted_row(lines, at) if quoted else (line.split(self.separator), at)
            if not any(cell.strip() for cell in fields[self.width :]):
                fields = fields[: self.width]
            if len(fields) > self.width:
                self.long.append(at)
                continue
            self.rows += 1
            if self.quote is None:
                out.write(delimiter.join(fields) + "\n")
            else:
                writer.writerow([*fields, *[""] * (self.width - len(fields))])
        return out.getvalue().encode()

    def _quoted_row(self, lines: Sequence[str], at: int) -> tuple[list[str], int]:
        """The fields of the line before `at`, which has quotation marks, and the line after its record."""
        line = lines[at - 1]
        fields = _fields(line, self.separator)
        if fields is not None and len(fields) == self.width:
            return fields, at
        if fields is None and (joined := self._joined(lines, at)) is not None:
            return joined
        plain = line.split(self.separator)
        if fields is None or len(plain) == self.width:
            self.kept.append(at)
            return plain, at
        return fields, at

    def _joined(self, lines: Sequence[str], at: int) -> tuple[list[str], int] | None:
        """A record with a quoted field that takes several lines; None if its mark encloses no field."""
        record = lines[at - 1]
        complete = 0
        for end in range(at, min(at + _MOST_JOINED, len(lines))):
            record += "\n" + lines[end]
            if '"' not in lines[end]:
                complete += lines[end].count(self.separator) == self.width - 1
                continue
            fields = _fields(record, self.separator)
            if fields is not None and len(fields) == self.width:
                # Lines that are rows themselves were swallowed by a stray quotation mark.
                swallowed = self.width > 1 and complete > 0 and 2 * complete >= end - at
                return None if swallowed else (fields, end + 1)
        return None

    def tell(self, path: Path) -> None:
        """Tell what was left out and kept.

        Raises:
            DataError: most lines are no rows of the table.
        """
        if len(self.long) > self.rows:
            raise DataError(
                f"{path}, line {self.long[0]}: more than the {self.width} fields expected, "
                f"as in {len(self.long):,} lines.",
                "Correct the file, or fetch it again.",
            )
        dropped_lines(path, f"line with more than the {self.width} fields expected", self.long)
        if self.kept:
            numbers = line_numbers(self.kept)
            remark(f"{path.name}: quotation marks that enclose no field are kept as they stand: {numbers}.")


def _fields(record: str, separator: str) -> list[str] | None:
    """The fields of a record; None if its quotation marks do not enclose fields."""
    try:
        found = list(csv.reader(io.StringIO(record, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return found[0] if len(found) == 1 else None
