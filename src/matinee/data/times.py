"""Times of ratings as seconds since 1970 UTC: numbers in any unit, and dates as people and programs write them."""

from __future__ import annotations

import polars as pl

from matinee.data.readers.remarks import remark

LAST_SECOND = 1 << 33  # the year 2242
UNITS = (
    (100 * 10**9, 100 * 10**12, 1000.0, "time was in milliseconds"),
    (100 * 10**12, 100 * 10**15, 1e6, "time was in microseconds"),
    (100 * 10**15, 9.3e18, 1e9, "time was in nanoseconds"),
)
"""Range of numbers, what they are divided by to be seconds, and what the report says."""

_OFFSET = r"\s*(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)$"
_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d %b %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%d %B %Y",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m %d %Y",
    "%a %b %d %H:%M:%S %Y",
)
_SLASHES = ("%H:%M:%S", "%H:%M", "")


def as_seconds(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A column of times as seconds since 1970 UTC: numbers, numbers as text, or dates; else null.

    Numbers keep their unit (see `to_seconds`). Of 1/2/2020 the order of day and month is taken
    from the column; where that leaves it open, such dates stay unknown.
    """
    column, kind = pl.col(name), frame.schema[name]
    if kind.is_temporal():
        if isinstance(kind, pl.Datetime) and kind.time_zone:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("ms")).dt.epoch("s")
    number = column.cast(pl.Float64, strict=False)
    if kind == pl.String and frame.select((number.is_null() & column.is_not_null()).any()).item():
        number = column.str.strip_chars().cast(pl.Float64, strict=False)
        if frame.select((number.is_null() & column.is_not_null()).any()).item():
            return pl.coalesce(number, _dates(frame, name))
    return number


def to_seconds(frame: pl.DataFrame, name: str, changed: dict[str, int]) -> pl.DataFrame:
    """A column of numbers, with those in another unit than seconds, and dates such as 20200131, as seconds.

    Args:
        changed: reason → rows, to which is added.
    """
    low, high = frame[name].min(), frame[name].max()
    if not isinstance(low, float) or not isinstance(high, float):
        return frame
    time = pl.col(name)
    if low >= 19_000_101 and high <= 21_001_231:
        dates = time.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if not frame.select((dates.is_null() & time.is_not_null()).any()).item():
            told = "time was a date such as 20200131"
            changed[told] = changed.get(told, 0) + int(frame[name].count())
            return frame.with_columns(dates.cast(pl.Datetime("us")).dt.epoch("s").cast(pl.Float64).alias(name))
    if high < UNITS[0][0]:
        return frame
    for least, most, divisor, told in UNITS:
        in_unit = time.is_between(least, most, closed="left").fill_null(False)
        if count := int(frame.select(in_unit.sum()).item()):
            changed[told] = changed.get(told, 0) + count
            frame = frame.with_columns(pl.when(in_unit).then(time / divisor).otherwise(time).alias(name))
    return frame


def _dates(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Dates as text → seconds, Float64; null where they are none."""
    text = pl.col(name).str.strip_chars().str.replace(r"(\d)[Tt](\d)", "${1} ${2}")
    text = text.str.replace(r"(:\d\d)[.,]\d+", "${1}")
    text = text.str.replace_all(r",", " ").str.replace_all(r"\s+", " ")
    offset = text.str.extract(r"\d:\d\d" + _OFFSET, 1)
    local = (
        text.str.replace(r"(\d:\d\d)" + _OFFSET, "${1}")
        .str.strip_chars()
        .str.replace(r"^(\d{4})/(\d\d?)/", "${1}-${2}-")
    )
    made = [local.str.to_datetime(form, strict=False, time_unit="us") for form in _FORMATS if "H" in form]
    made += [local.str.to_date(form, strict=False).cast(pl.Datetime("us")) for form in _FORMATS if "H" not in form]
    day_first = _day_first(frame, name)
    if day_first is not None:
        order = "%d/%m/%Y" if day_first else "%m/%d/%Y"
        made += [local.str.to_datetime(f"{order} {clock}", strict=False, time_unit="us") for clock in _SLASHES if clock]
        made.append(local.str.to_date(order, strict=False).cast(pl.Datetime("us")))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    hours = offset.str.extract(r"^[+-](\d\d)", 1).cast(pl.Int64, strict=False)
    minutes = offset.str.extract(r"^[+-]\d\d:?(\d\d)", 1).cast(pl.Int64, strict=False).fill_null(0)
    shift = (sign * (hours * 3600 + minutes * 60)).fill_null(0)
    return (pl.coalesce(made).dt.epoch("s") - shift).cast(pl.Float64)


def _day_first(frame: pl.DataFrame, name: str) -> bool | None:
    """Whether the day comes first in dates like 1/2/2020; None if there are none, or if the column leaves it open."""
    text = pl.col(name).str.strip_chars()
    numbers = [text.str.extract(r"^(\d\d?)/(\d\d?)/\d{4}\b", place).cast(pl.Int32, strict=False) for place in (1, 2)]
    found = frame.select(first=numbers[0].max(), second=numbers[1].max(), given=text.first()).row(0)
    first, second = found[0], found[1]
    if first is None or second is None:
        return None
    if first > 12 >= second:
        remark("Dates such as 31/1/2020 are read with the day first, as some of them have no other reading.")
        return True
    if second > 12 >= first:
        remark("Dates such as 1/31/2020 are read with the month first, as some of them have no other reading.")
        return False
    remark(
        f"Dates such as {found[2]} may have the day or the month first, and no row tells which: these times are left "
        "unknown. Write them as 2020-01-31."
    )
    return None
