"""Options of the commands that read tables: which column is what, and what its values mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

    from matinee.data.dataset import TableReport

MapValues = Annotated[
    list[str] | None,
    typer.Option("--map-values", help="What ratings in words are worth, e.g. like=5,dislike=1."),
]
Unrated = Annotated[
    str | None, typer.Option("--unrated", help='Numbers that mean "not rated", e.g. 0 or 99,-1; none: no number does.')
]
StarScale = Annotated[str | None, typer.Option("--scale", help="Lowest and highest rating of the file, e.g. 1,10.")]

_SHORT = {"user": "user_id", "movie": "movie_id", "item": "movie_id", "stars": "rating", "time": "timestamp"}


def parse_mapping(pairs: list[str] | None) -> dict[str, str | Sequence[str]]:
    """`["user_id=uid", "movies.movie_id=no"]` → a mapping of columns; user, movie, stars, time do.

    A name given twice has several columns, of which each table takes its own.

    Raises:
        InvalidInputError: a pair is not NAME=COLUMN.
    """
    mapping: dict[str, list[str]] = {}
    for pair in pairs or ():
        name, equals, column = pair.partition("=")
        if not (name.strip() and equals and column.strip()):
            raise InvalidInputError(
                f"--map {pair!r} is not NAME=COLUMN.", "Write e.g. --map user_id=uid, or --map movies.movie_id=no."
            )
        table, dot, rest = name.strip().rpartition(".")
        key = f"{table}{dot}{_SHORT.get(rest, rest)}"
        columns = mapping.setdefault(key, [])
        if column.strip() not in columns:
            columns.append(column.strip())
    return {key: columns[0] if len(columns) == 1 else tuple(columns) for key, columns in mapping.items()}


def reading(
    map: list[str] | None, map_values: list[str] | None = None, unrated: str | None = None, scale: str | None = None
) -> dict[str, Any]:
    """The options as arguments of `load_dataset`.

    Raises:
        InvalidInputError: one is not of its form.
    """
    return {
        "mapping": parse_mapping(map) or None,
        "values": parse_values(map_values) or None,
        "unrated": parse_unrated(unrated),
        "scale": parse_scale(scale),
    }


def parse_values(pairs: list[str] | None) -> dict[str, float]:
    """`["like=5,dislike=1"]` → `{"like": 5.0, "dislike": 1.0}`.

    Raises:
        InvalidInputError: not WORD=NUMBER.
    """
    values: dict[str, float] = {}
    for pair in (part for text in pairs or () for part in text.split(",")):
        word, equals, number = pair.rpartition("=")
        value = _number(number)
        if not equals or not word.strip() or value is None:
            raise InvalidInputError(f"--map-values {pair!r} is not WORD=NUMBER.", "Write e.g. like=5,dislike=1.")
        values[word.strip()] = value
    return values


def parse_unrated(text: str | None) -> tuple[float, ...] | None:
    """`"99,-1"` → `(99.0, -1.0)`; "none" → `()`; None → None, which means the usual ones.

    Raises:
        InvalidInputError: not numbers.
    """
    if text is None:
        return None
    if text.strip().lower() in ("none", ""):
        return ()
    numbers = [_number(part) for part in text.split(",")]
    if any(number is None for number in numbers):
        raise InvalidInputError(f"--unrated {text!r} is not a list of numbers.", "Write e.g. 0, or 99,-1, or none.")
    return tuple(number for number in numbers if number is not None)


def parse_scale(text: str | None) -> tuple[float, float] | None:
    """`"1,10"` → `(1.0, 10.0)`; "seen" → that of data without stars.

    Raises:
        InvalidInputError: not two numbers, the lower first.
    """
    if text is None:
        return None
    if text.strip().lower() == "seen":
        return 1.0, 1.0
    numbers = [_number(part) for part in text.replace("..", ",").split(",")]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or numbers[0] >= numbers[1]:
        raise InvalidInputError(f"--scale {text!r} is not LOWEST,HIGHEST.", "Write e.g. --scale 1,10.")
    return numbers[0], numbers[1]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None


def scale_of_table(
    frame: pl.DataFrame,
    catalog: tuple[float, float],
    stated: tuple[float, float] | None,
    words: dict[str, float],
    unrated: Sequence[float],
) -> tuple[float, float]:
    """The scale of a whole table of ratings, which is stored as a whole or not at all.

    Raises:
        InvalidInputError: it cannot be told, or a part of the ratings is off it.
    """
    from matinee.data.stars import Values, understand

    low, high = catalog
    if low >= high or "rating" not in frame.columns:
        return catalog
    values = Values.of(frame["rating"], words)
    scale = stated or understand(values, catalog, unrated=unrated or None).scale
    given = values.finite
    rows = dict(zip(given["number"].to_list(), given["rows"].to_list(), strict=True))
    ratings = {value: count for value, count in rows.items() if value not in unrated}
    off = sum(count for value, count in ratings.items() if not scale[0] <= value <= scale[1])
    if scale[0] >= scale[1] or (off > 2 and off >= 0.05 * sum(ratings.values())):
        raise InvalidInputError(
            f"The scale of these ratings, {min(ratings):g} to {max(ratings):g}, is not that of the data, {low:g} to "
            f"{high:g}; nothing was stored.",
            "State it, e.g. --scale 1-10.",
        )
    return scale


def to_scale(
    clean: pl.DataFrame, report: TableReport, scale: tuple[float, float], catalog: tuple[float, float]
) -> tuple[pl.DataFrame, TableReport]:
    """Ratings on the catalog's scale, and the report that counts those converted."""
    import polars as pl

    if scale == catalog or (scale[1] == catalog[1] and scale[0] >= catalog[0]):
        return clean, report
    share = (pl.col("rating") - scale[0]) / (scale[1] - scale[0])
    changed = {**report.changed, f"converted from the scale {scale[0]:g}-{scale[1]:g}": clean.height}
    converted = (catalog[0] + share * (catalog[1] - catalog[0])).round(4).cast(pl.Float32)
    return clean.with_columns(rating=converted), report.model_copy(update={"changed": changed})
