"""Cleaning of tables. Every dropped or changed row is counted with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from matinee.data.dataset import TableReport
from matinee.data.frames import SCHEMA
from matinee.data.ids import ID_LENGTH, MOVIE_ID, USER_ID
from matinee.data.packed import LIST_COLUMNS
from matinee.data.readers.remarks import remark
from matinee.data.stars import NULL_WORDS, Values, understand
from matinee.data.times import LAST_SECOND, as_seconds, to_seconds
from matinee.data.titles import article_first, split_names, valid_year, without_year, year_in_title
from matinee.data.wording import list_style, plain_column, words_of

_NOT_GENRES = ["(no genres listed)", "no genres listed", "unknown", "n/a", "none", "null", "\\n"]
SLICE = 1 << 18
"""Rows that are cleaned at a time, so that only compact columns are held for all of them."""
_MAX_WORD, _MAX_WORDS = 200, 2000  # as in catalog.Movie


class Counter:
    """Builds a `TableReport`: applies filters to a frame and counts the rows they drop."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self.rows_in = frame.height
        self.dropped: dict[str, int] = {}
        self.changed: dict[str, int] = {}
        self.noticed: dict[str, int] = {}

    def drop(self, reason: str, where: pl.Expr | pl.Series) -> None:
        """Drop the rows where a condition is true (null counts as false)."""
        remaining = self.frame.filter(~where.fill_null(False))
        if remaining.height < self.frame.height:
            self.dropped[reason] = self.dropped.get(reason, 0) + self.frame.height - remaining.height
            self.frame = remaining

    def count(self, kind: dict[str, int], reason: str, where: pl.Expr) -> int:
        """Count the rows where a condition is true in `changed` or `noticed`."""
        number = int(self.frame.select(where.fill_null(False).sum()).item() or 0)
        if number:
            kind[reason] = kind.get(reason, 0) + number
        return number

    def report(self) -> TableReport:
        """The report of the current frame."""
        return TableReport(
            rows_in=self.rows_in,
            rows_out=self.frame.height,
            dropped=self.dropped,
            changed=self.changed,
            noticed=self.noticed,
        )


def as_id(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A column of ids as text, stripped, in NFC; "12.0" → "12" (as spreadsheets write it), "" → null."""
    column = pl.col(name)
    kind = frame.schema[name]
    if kind.is_integer():
        return column.cast(pl.String)
    text = column.cast(pl.String).str.strip_chars()
    if frame.select((text.str.len_bytes() != text.str.len_chars()).any()).item():
        text = text.str.normalize("NFC")
    if kind.is_float() or frame.select(column.cast(pl.String).str.ends_with(".0").any()).item():
        text = text.str.replace(r"^(-?\d+)\.0+$", "${1}")
    return pl.when(text != "").then(text).alias(name)


_NO_VALUE = [word for word in NULL_WORDS if word not in ("nan", "")]
_NOBODY = [word for word in NULL_WORDS if word not in ("-", "--", "?")]
SPREADSHEET_NUMBER = r"^\d(?:[.,]\d+)?[eE]\+?\d{1,3}$"
"""A long number as spreadsheets write it: 1E+14."""


def is_null_word(ids: pl.Series) -> pl.Series:
    """Mask of ids that are words for "nothing": NULL, NaN, N/A."""
    return (ids.str.len_bytes() <= 9) & ids.str.to_lowercase().is_in(_NOBODY)


def out_of_range(ids: pl.Series, pattern: str) -> pl.Series:
    """Mask of ids that are not valid: not matching the pattern, too long, or negative numbers."""
    return ~ids.str.contains(pattern) | (ids.str.len_chars() > ID_LENGTH) | ids.str.contains(r"^-\d+$")


def detect_scale(frame: pl.DataFrame, hint: tuple[float, float] | None = None) -> tuple[float, float]:
    """Lowest and highest stars of a table of ratings; `SEEN` for implicit feedback (see `stars.understand`).

    Args:
        hint: the layout's scale; used if at least half of the ratings are in its range.
    """
    return understand(Values.of(frame["rating"]) if "rating" in frame.columns else None, hint).scale


def clean_ratings(
    frame: pl.DataFrame,
    movie_ids: Sequence[str] | pl.Series,
    scale: tuple[float, float],
    *,
    words: Mapping[str, float] | None = None,
    unrated: Sequence[float] = (),
) -> tuple[pl.DataFrame, TableReport]:
    """Keep valid ratings: a user, a movie of the catalog, stars on the scale, and the latest row per (user, movie).

    Args:
        frame: `user_id`, `movie_id`, and optionally `rating` and `timestamp`, as text or numbers.
        movie_ids: the catalog's movies.
        scale: lowest and highest stars. If they are equal (`SEEN`), feedback is implicit and every row gets this value.
            Otherwise rows without stars are dropped.
        words: ratings as written → stars, for texts such as "like".
        unrated: numbers that mean "not rated".

    Returns:
        `user_id`, `movie_id` (String), `rating` (Float32), `timestamp` (Int64, null if unknown) and the report.
    """
    values = Values.of(frame["rating"], words) if "rating" in frame.columns else None
    compact, report = compact_ratings(frame, movie_ids, scale, values=values, unrated=unrated)
    return compact.with_columns(pl.col("user_id", "movie_id").cast(pl.String)), report


def compact_ratings(
    frame: pl.DataFrame,
    movie_ids: Sequence[str] | pl.Series,
    scale: tuple[float, float],
    *,
    values: Values | None = None,
    unrated: Sequence[float] = (),
    counts_as_seen: bool = False,
) -> tuple[pl.DataFrame, TableReport]:
    """As `clean_ratings`, with ids as categories: 20 bytes a row.

    Args:
        values: what was read of the column of ratings.
        counts_as_seen: the ratings are counts of how often a movie was seen; 0 is never.
    """
    catalog = pl.Series("movie_id", movie_ids, dtype=pl.String)
    films = pl.DataFrame([catalog]).with_row_index("film")
    counts = Counter(frame)
    read = readable(values, scale)
    for what, rows in (values.what if values is not None and read else {}).items():
        counts.changed[f"rating read from: {what}"] = rows
    reading = Reading(films, scale, read, tuple(unrated), counts_as_seen)
    parts = [clean_part(part, reading, counts) for part in frame.iter_slices(SLICE)]
    counts.frame = pl.concat(parts) if parts else clean_part(frame, reading, counts)
    _drop_repeated(counts, len(films), "seen again (counted once)" if scale[0] == scale[1] else "")
    names = catalog.cast(pl.Categorical)
    clean = counts.frame.select("user_id", names.gather(counts.frame["film"]).alias("movie_id"), "rating", "timestamp")
    counts.frame = clean
    return clean, counts.report()


def readable(values: Values | None, scale: tuple[float, float]) -> Mapping[str, float]:
    """Ratings as written → stars on a scale. Thumbs are none where the scale has more than two values."""
    if values is None or scale[0] == scale[1]:
        return {}
    if values.thumbs and scale != (0.0, 1.0):
        return {}
    if values.top is not None and values.top != scale[1] and "fraction" in values.what:
        return {text: number * scale[1] / values.top for text, number in values.numbers.items()}
    return values.numbers


@dataclass(frozen=True)
class Reading:
    """How the rows of a table of ratings are read.

    Attributes:
        films: `movie_id` and `film`, its row in the catalog.
        scale: lowest and highest stars.
        read: ratings as written → stars, see `readable`.
        unrated: numbers that mean "not rated".
        counts_as_seen: the ratings are counts of how often a movie was seen; 0 is never.
    """

    films: pl.DataFrame
    scale: tuple[float, float]
    read: Mapping[str, float]
    unrated: tuple[float, ...]
    counts_as_seen: bool


def _number_of(frame: pl.DataFrame, reading: Reading) -> pl.Expr:
    """The column of ratings as Float64."""
    if "rating" not in frame.columns:
        return pl.lit(reading.scale[1] if reading.scale[0] == reading.scale[1] else None, dtype=pl.Float64)
    rating = pl.col("rating")
    if frame.schema["rating"] != pl.String:
        number = rating.cast(pl.Float64, strict=False)
        rating = rating.cast(pl.String) if reading.read else rating
    else:
        number = rating.str.strip_chars().cast(pl.Float64, strict=False)
    if not reading.read:
        return number
    stated = rating.replace_strict(
        list(reading.read), list(reading.read.values()), default=None, return_dtype=pl.Float64
    )
    return pl.coalesce(stated, number)


def stars_column(frame: pl.DataFrame) -> pl.Expr:
    """The column `rating` as numbers, however they are written; words and what cannot be read are null."""
    values = Values.of(frame["rating"])
    read = {} if values.thumbs else values.numbers
    return _number_of(frame, Reading(frame.clear(), (0.0, 1.0), read, (), False)).alias("rating")


def clean_part(frame: pl.DataFrame, reading: Reading, counts: Counter) -> pl.DataFrame:
    """Valid rows of a part of a table: `user_id` (Categorical), `film`, `rating`, `timestamp`; repeated ones too."""
    scale = reading.scale
    seen = scale[0] == scale[1]
    time = as_seconds(frame, "timestamp") if "timestamp" in frame.columns else pl.lit(None, dtype=pl.Float64)
    present = _is_given(frame, "timestamp") if "timestamp" in frame.columns else pl.lit(False)
    table = Counter(
        frame.select(
            as_id(frame, "user_id"),
            as_id(frame, "movie_id"),
            _number_of(frame, reading).alias("rating"),
            time.cast(pl.Float64).alias("time"),
            present.alias("given"),
        )
    )
    table.dropped, table.changed, table.noticed = counts.dropped, counts.changed, counts.noticed
    users = table.frame.select(pl.col("user_id").unique(maintain_order=True)).to_series()
    missing = users.filter(is_null_word(users))
    bad = users.filter(out_of_range(users, USER_ID) & ~is_null_word(users))
    table.drop(
        "user missing",
        pl.col("user_id").is_null() | pl.col("user_id").is_in(missing.implode())
        if len(missing)
        else pl.col("user_id").is_null(),
    )
    table.drop("film missing", pl.col("movie_id").is_null())
    if len(bad):
        remark(f"User ids such as {bad[0]!r} are not taken: {fault_of_id(bad[0], for_user=True)}.")
        table.drop("user id out of range", pl.col("user_id").is_in(bad.implode()))
    odd = users.filter(users.str.contains(SPREADSHEET_NUMBER))
    if len(odd):
        what = f"user id such as {odd[0]}, as spreadsheets write long numbers: several users may be one"
        table.count(table.noticed, what, pl.col("user_id").is_in(odd.implode()))
    for number in reading.unrated:
        if not seen:
            table.drop(f"not rated ({number:g})", pl.col("rating") == number)
    if reading.counts_as_seen:
        table.drop("never seen (0)", pl.col("rating") <= 0)
    if seen:
        other = pl.col("rating").is_not_null() & (pl.col("rating") != scale[1])
        told = "count or amount, read as seen" if reading.counts_as_seen else "stars left out, as these data hold none"
        table.count(table.changed, told, other)
        table.frame = table.frame.with_columns(rating=pl.lit(scale[1], dtype=pl.Float64))
    table.drop("rating is not a number", ~pl.col("rating").is_finite().fill_null(False))
    table.drop("rating off the scale", ~pl.col("rating").is_between(*scale))

    table.frame = table.frame.join(reading.films, on="movie_id", how="left", maintain_order="left")
    unknown = table.frame.filter(pl.col("film").is_null())["movie_id"]
    if len(unknown):
        words = unknown.filter(is_null_word(unknown)).unique()
        if len(words):
            table.drop("film missing", pl.col("film").is_null() & pl.col("movie_id").is_in(words.implode()))
        table.drop("film not in the catalog", pl.col("film").is_null())

    table.frame = to_seconds(table.frame, "time", table.changed)
    is_time = pl.col("time").is_between(0, LAST_SECOND).fill_null(False)
    if table.count(table.changed, "time is not a time (left unknown)", pl.col("given") & ~is_time):
        table.frame = table.frame.with_columns(time=pl.when(is_time).then("time"))
    return table.frame.select(
        pl.col("user_id").cast(pl.Categorical),
        "film",
        pl.col("rating").cast(pl.Float32),
        pl.col("time").cast(pl.Int64).alias("timestamp"),
    )


def _is_given(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Mask of cells that are not empty and do not say "nothing"."""
    given = pl.col(name).is_not_null()
    if frame.schema[name] != pl.String or frame[name].cast(pl.Int64, strict=False).null_count() == 0:
        return given
    return given & ~pl.col(name).str.strip_chars().str.to_lowercase().is_in(_NO_VALUE)


def _drop_repeated(table: Counter, n_films: int, reason: str) -> None:
    """Keep the newest row of each user and film; of equally new ones the last."""
    pair = table.frame["user_id"].to_physical().to_numpy().astype(np.int64)
    pair *= n_films
    pair += table.frame["film"].to_numpy()
    ordered = np.sort(pair)
    if not (ordered[1:] == ordered[:-1]).any():
        return
    del ordered
    order = np.lexsort((table.frame["timestamp"].fill_null(-1).to_numpy(), pair))  # stable
    pair = pair[order]
    newest = np.ones(len(pair), dtype=np.bool_)
    newest[:-1] = pair[1:] != pair[:-1]
    keep = np.zeros(len(pair), dtype=np.bool_)
    keep[order[newest]] = True
    del pair, order, newest
    table.drop(reason or "rated again later (the latest is kept)", ~pl.Series(keep))


def fault_of_id(text: str, *, for_user: bool = False) -> str:
    """Why an id is not valid: "it has '/'"."""
    if len(text) > ID_LENGTH:
        return f"it has more than {ID_LENGTH} characters"
    if text.startswith("-") and text[1:].isdigit():
        return "it is a negative number"
    if text in (".", ".."):
        return "it is a folder's name"
    pattern = re.compile(USER_ID if for_user else MOVIE_ID)
    sign = next((sign for sign in text if not pattern.match(f"a{sign}a")), "")
    return f"it has the character {sign!r}" if sign else "it is not of the form that ids have"


def as_words(frame: pl.DataFrame, name: str, separator: str = "|", style: str | None = None) -> pl.Expr:
    """A column of lists, from lists or separated text. Empty, repeated and long words are dropped.

    Args:
        style: how text writes the lists, of `list_style`, where that is known.
    """
    kind = frame.schema[name]
    column = pl.col(name)
    if not isinstance(kind, pl.List):
        column = words_of(name, style or list_style(frame, name, separator), separator)
    word = pl.element().cast(pl.String).str.strip_chars()
    words = column.list.eval(word.filter((word != "") & (word.str.len_chars() <= _MAX_WORD)))
    cap = (
        50
        if name in ("genres", "countries", "languages", "alternate_titles")
        else 200
        if name in ("directors", "writers")
        else _MAX_WORDS
    )
    return words.list.unique(maintain_order=True).list.head(cap).fill_null([]).alias(name)


def as_text(name: str, longest: int) -> pl.Expr:
    """A column of text, stripped and truncated; "" → null."""
    text = pl.col(name).cast(pl.String).str.strip_chars().str.slice(0, longest)
    return pl.when(text != "").then(text).alias(name)


def as_imdb_id(frame: pl.DataFrame, name: str = "imdb_id") -> pl.Expr:
    """ "114709", "0114709", "tt0114709" → "tt0114709"; others → null."""
    digits = as_id(frame, name).str.extract(r"^(?:tt)?0*([1-9]\d{0,9})$", 1)
    return (pl.lit("tt") + digits.str.zfill(7)).alias(name)


def as_tmdb_id(frame: pl.DataFrame, name: str = "tmdb_id") -> pl.Expr:
    """ "862", "862.0" → "862"; others → null."""
    return as_id(frame, name).str.extract(r"^0*([1-9]\d{0,9})$", 1).alias(name)


_LIST_STYLES = {"objects": "list of objects", "quoted": "list in brackets", ",": "list with commas"}
_MARKUP = "markup or line break taken out of a text"


def _typed_movies(frame: pl.DataFrame, genre_separator: str) -> Counter:
    """Movies with the types of the catalog, texts without markup, and `given`, the year as written."""
    columns = [as_id(frame, "movie_id")]
    changed: dict[str, int] = {}
    for name in frame.columns:
        if name in LIST_COLUMNS:
            separator = genre_separator if name == "genres" else "|"
            style = separator if isinstance(frame.schema[name], pl.List) else list_style(frame, name, separator)
            columns.append(as_words(frame, name, separator, style))
            if style != separator:
                told = _LIST_STYLES.get(style, f"list with {style!r}")
                changed[f"{name}: {told}"] = int(frame[name].is_not_null().sum())
        elif name in ("title", "original_title", "overview", "poster"):
            columns.append(as_text(name, 20_000 if name == "overview" else 1000))
        elif name in ("imdb_id", "tmdb_id"):
            columns.append(as_imdb_id(frame) if name == "imdb_id" else as_tmdb_id(frame))
    year = pl.col("year").cast(pl.String).str.strip_chars() if "year" in frame.columns else pl.lit(None, pl.String)
    year = year.str.replace(r"^(\d{4})[-/.]\d\d?[-/.]\d\d?(?:[T ].*)?$", "${1}")
    year = year.str.replace(r"^\d\d?[-/.](?:\d\d?|[A-Za-z]{3})[-/.](\d{4})$", "${1}")
    year = pl.when(~year.str.to_lowercase().is_in(_NO_VALUE)).then(year)
    table = Counter(frame.select(*columns, year.alias("given"), valid_year(year).alias("year")))
    for name in [
        name for name in table.frame.columns if name in ("title", "original_title", "overview", *LIST_COLUMNS)
    ]:
        table.frame, count = plain_column(table.frame, name)
        if count:
            changed[_MARKUP] = changed.get(_MARKUP, 0) + count
    table.changed.update(changed)
    return table


def clean_movies(frame: pl.DataFrame, genre_separator: str = "|") -> tuple[pl.DataFrame, TableReport]:
    """Movies as the catalog wants them.

    Args:
        frame: `movie_id`, `title` and other columns of `frames.SCHEMA`, as text or lists.
        genre_separator: what stands between genres in text.

    Returns:
        The same columns (and `year`), typed as in `SCHEMA`, and the report.
    """
    table = _typed_movies(frame, genre_separator)
    table.drop("film id missing", pl.col("movie_id").is_null() | is_null_word(table.frame["movie_id"]))
    bad = out_of_range(table.frame["movie_id"], MOVIE_ID)
    if first := table.frame["movie_id"].filter(bad).head(1).to_list():
        remark(f"Film ids such as {first[0]!r} are not taken: {fault_of_id(first[0])}.")
    table.drop("film id out of range", bad)
    blank = pl.col("title").is_null() | pl.col("title").is_in(["", "\\N", "NULL", "NaN", "#N/A"])
    table.drop("title missing", blank)
    table.drop("film id used again (the first is kept)", ~pl.col("movie_id").is_first_distinct())
    odd = table.frame["movie_id"].str.contains(SPREADSHEET_NUMBER)
    table.count(table.noticed, "film id as spreadsheets write long numbers (1E+14)", pl.lit(odd))

    table.count(table.changed, "year is not a year (left unknown)", (pl.col("given") != "") & pl.col("year").is_null())
    year = year_in_title(pl.col("title"))
    split = year.is_not_null() & (pl.col("year").is_null() | (pl.col("year") == year))
    table.count(table.changed, "year split from the title", split)
    # A title that is only "(1999)" is kept.
    bare = pl.when(split & (without_year(pl.col("title")) != "")).then(without_year(pl.col("title"))).otherwise("title")
    table.frame = table.frame.with_columns(title=bare, year=pl.coalesce("year", year))
    _split_names(table)
    if "genres" in table.frame.columns:
        remaining = pl.col("genres").list.filter(~pl.element().str.to_lowercase().is_in(_NOT_GENRES))
        table.frame = table.frame.with_columns(genres=remaining)
        table.count(table.noticed, "no genres", pl.col("genres").list.len() == 0)
    table.count(table.noticed, "no year", pl.col("year").is_null())
    table.count(table.noticed, "title used by several films (kept apart)", pl.col("title").is_duplicated())
    twice = pl.col("year").is_not_null() & pl.struct("title", "year").is_duplicated()
    table.count(table.noticed, "title and year of several films (kept apart)", twice)
    names = [name for name in SCHEMA if name in table.frame.columns]
    table.frame = table.frame.select(pl.col(name).cast(SCHEMA[name]) for name in names)
    return table.frame, table.report()


def _split_names(table: Counter) -> None:
    """Other names in parentheses become `alternate_titles`, and articles move to the front of all names."""
    moved = article_first(pl.col("title"))
    table.count(table.changed, "article moved to the front", moved != pl.col("title"))
    split = [split_names(title) if "(" in title else (title, ()) for title in table.frame["title"]]
    table.frame = table.frame.with_columns(
        pl.Series("title", [name for name, _ in split], dtype=pl.String),
        pl.Series("others", [others for _, others in split], dtype=pl.List(pl.String)),
    ).with_columns(title=article_first(pl.col("title")).str.slice(0, 500))
    if table.count(table.changed, "other titles split from the title", pl.col("others").list.len() > 0):
        given = [pl.col("alternate_titles")] if "alternate_titles" in table.frame.columns else []
        others = pl.concat_list(*given, "others").list.eval(pl.element().str.slice(0, 500))
        table.frame = table.frame.with_columns(alternate_titles=others.list.unique(maintain_order=True).list.head(50))
    if "original_title" in table.frame.columns:
        original = article_first(pl.col("original_title")).str.slice(0, 500)
        table.frame = table.frame.with_columns(original_title=pl.when(original != pl.col("title")).then(original))


def clean_tags(frame: pl.DataFrame, movie_ids: pl.Series) -> tuple[pl.DataFrame, TableReport]:
    """Tags per movie, lower case, distinct, most frequent first (then by name).

    Args:
        frame: `movie_id`, `tag` and optionally `user_id`.
        movie_ids: the catalog's movies.

    Returns:
        `movie_id`, `tags` (one row per movie with tags) and the report.
    """
    user = as_id(frame, "user_id") if "user_id" in frame.columns else pl.lit(None, pl.String).alias("user_id")
    label = pl.col("tag").cast(pl.String).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    table = Counter(frame.select(user, as_id(frame, "movie_id"), label.alias("tag")))
    table.drop("film missing", pl.col("movie_id").is_null())
    table.drop("film not in the catalog", ~pl.col("movie_id").is_in(movie_ids.implode()))
    table.drop("tag empty", pl.col("tag").is_null() | (pl.col("tag") == ""))
    table.drop("tag too long", pl.col("tag").str.len_chars() > _MAX_WORD)
    if "user_id" in frame.columns:
        again = ~pl.struct("user_id", "movie_id", "tag").is_first_distinct()
        table.drop("given twice by one user", again & pl.col("user_id").is_not_null())
    counted = table.frame.group_by("movie_id", "tag").len().sort("len", "tag", descending=[True, False])
    tags = counted.group_by("movie_id", maintain_order=True).agg(pl.col("tag").head(_MAX_WORDS).alias("tags"))
    return tags, table.report()
