"""Gender and age of users, where a data set has them: to measure whom a model serves well. No model reads them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import polars as pl

from matinee.data.readers.delimited import read_text

AGES = (18, 25, 35, 45, 50, 56)
"""Lower ends of the age groups of MovieLens 1M, after "under 18"."""

Traits = dict[str, dict[str, str]]
"""Trait ("gender", "age") → user id → group."""


def read_user_traits(folder: Path) -> Traits:
    """Traits of the users of MovieLens 1M (`users.dat`) and 100K (`u.user`); empty for other data.

    Ages of 100K, which are in years, are put into the groups of 1M.

    Raises:
        DataError: the file is damaged.
    """
    if (folder / "users.dat").is_file():
        names = ["user_id", "gender", "age", "occupation", "zip"]
        users = read_text(folder / "users.dat", separator="::", names=names)
    elif (folder / "u.user").is_file():
        names = ["user_id", "age", "gender", "occupation", "zip"]
        users = read_text(folder / "u.user", separator="|", names=names, quote=None)
    else:
        return {}
    users = users.select(
        pl.col("user_id").cast(pl.String).str.strip_chars(),
        pl.col("gender").cast(pl.String).str.strip_chars(),
        pl.col("age").cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False),
    )
    genders = {"F": "women", "M": "men"}
    traits: Traits = {"gender": {}, "age": {}}
    for user_id, gender, age in users.iter_rows():
        if gender in genders:
            traits["gender"][user_id] = genders[gender]
        if age is not None:
            traits["age"][user_id] = age_group(age)
    return traits


def age_group(age: int) -> str:
    """The group of an age in years: "25–34"; the codes of MovieLens 1M are the lower ends.

    >>> age_group(1), age_group(24), age_group(56)
    ('under 18', '18–24', '56 and over')
    """
    if age < AGES[0]:
        return f"under {AGES[0]}"
    for low, high in pairwise(AGES):
        if age < high:
            return f"{low}–{high - 1}"
    return f"{AGES[-1]} and over"
