"""Words of movies: what the content model compares, field by field."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.titles import other_titles

FIELDS = ("genres", "decade", "tags", "directors", "writers", "cast", "countries", "languages", "title", "keywords")
"""Fields whose words are all kept; words of `overview` must occur in two movies."""

NAMES = ("title", "original_title", "alternate_titles")
COLUMNS = (*NAMES, "year", "genres", "tags", "directors", "writers", "cast", "countries", "languages", "keywords")

MAX_TAGS, MAX_CAST, MAX_WORDS = 30, 8, 200
"""Longest lists that are read: the most frequent tags, the top of the cast, the start of an overview."""

_AT_ONCE = 1 << 15
"""Movies that are read at a time."""
_FEW = 20
"""A movie alone is read as quickly as this many of all movies."""

_WORD = re.compile(r"[^\W_]+")

_COMMON = (
    "a about after again all also an and any are as at be been but by can did do does for from had has have he her "
    "him his how i if in into is it its itself more most must no not now of off on one or other our out over own s "
    "she so some than that the their them then there these they this those to too two under until up was we were "
    "what when where which while who whom why will with you your la le les el un une der die das de"
)
_STOP = frozenset(_COMMON.split())


def words(text: str | None) -> list[str]:
    """Lower-case words of a text, common words left out."""
    return [word for word in _WORD.findall((text or "").lower()) if word not in _STOP]


def movie_words(catalog: Catalog, rows: NDArray[np.int64]) -> Iterator[dict[str, list[str]]]:
    """The words of each movie by field; fields without words are left out.

    Args:
        rows: increasing.
    """
    if len(rows) * _FEW < len(catalog):
        for row in rows.tolist():
            yield _by_field(catalog.table.row(row))
        return
    names = (*COLUMNS, "overview")
    for start in range(0, len(catalog), _AT_ONCE):
        # In parts: a million movies as Python objects are gigabytes.
        columns = [catalog.table.part(name, start, start + _AT_ONCE) for name in names]
        for row in (rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + _AT_ONCE)] - start).tolist():
            yield _by_field({name: values[row] for name, values in zip(names, columns, strict=True)})


def _by_field(record: dict[str, Any]) -> dict[str, list[str]]:
    year = record["year"]
    result = {
        "genres": record["genres"],
        "decade": [] if year is None else [f"{year // 10}0s"],
        "tags": record["tags"][:MAX_TAGS],
        "directors": record["directors"],
        "writers": record["writers"],
        "cast": record["cast"][:MAX_CAST],
        "countries": record["countries"],
        "languages": record["languages"],
        "title": words(" ".join((record["title"], *other_titles(*(record[name] for name in NAMES))))),
        "keywords": record["keywords"][:MAX_TAGS],
        "overview": words(record["overview"])[:MAX_WORDS],
    }
    return {field: [word.lower() for word in values] for field, values in result.items() if values}


def vectorize(
    catalog: Catalog,
    rows: NDArray[np.int64],
    number: Mapping[str, int],
    idf: NDArray[np.float32],
    weights: Mapping[str, float],
    whole: float,
) -> sp.csr_matrix:
    """TF-IDF vectors of movies, (len(rows), n_words) float32: each field brought to its weight, the whole divided.

    Args:
        number: column of each word, "field:word".
        idf: (n_words,).
        weights: length of each field's part, by field; 0 leaves it out.
        whole: what everything is divided by.
    """
    rarity = idf.tolist()
    indices, values = array("i"), array("f")
    indptr = np.zeros(len(rows) + 1, dtype=np.int32)
    for row, movie in enumerate(movie_words(catalog, rows)):
        for field, result in movie.items():
            if not weights[field]:
                continue
            positions = Counter(position for word in result if (position := number.get(f"{field}:{word}")) is not None)
            own = {position: rarity[position] * (1 + np.log(count)) for position, count in sorted(positions.items())}
            if own:
                factor = weights[field] / sum(value * value for value in own.values()) ** 0.5
                indices.extend(own)
                values.extend(value * factor / whole for value in own.values())
        indptr[row + 1] = len(values)
    entries = np.array(values, dtype=np.float32), np.array(indices, dtype=np.int32)
    matrix = sp.csr_matrix((*entries, indptr), shape=(len(rows), len(idf)))
    matrix.sort_indices()
    return matrix


def changed_rows(old: Catalog, new: Catalog) -> NDArray[np.int64]:
    """Rows of `new` that are not in `old` or whose words may differ."""
    put = new.changed_since(old)
    if put is not None:
        return put
    shared = min(len(old), len(new))
    differs = np.zeros(len(new), dtype=np.bool_)
    differs[shared:] = True
    for column in (*COLUMNS, "overview"):
        pairs = zip(old.column(column)[:shared], new.column(column)[:shared], strict=True)
        differs[:shared] |= np.fromiter((one != other for one, other in pairs), dtype=np.bool_, count=shared)
    return np.flatnonzero(differs).astype(np.int64)


def pack(texts: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as one UTF-8 buffer and its cuts, (n + 1,): arrays without objects."""
    parts = [text.encode() for text in texts]
    cuts = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=cuts[1:])
    return np.frombuffer(b"".join(parts), dtype=np.uint8), cuts


def unpack(buffer: NDArray[np.uint8], cuts: NDArray[np.int64]) -> list[str]:
    """What `pack` packed. Raises ValueError where the arrays do not fit together."""
    ordered = len(cuts) and cuts[0] == 0 and cuts[-1] == len(buffer) and not (np.diff(cuts) < 0).any()
    if not ordered:
        raise ValueError("cuts do not fit the buffer")
    data = buffer.tobytes()
    ends = cuts.tolist()
    return [data[start:stop].decode() for start, stop in pairwise(ends)]
