"""Normalization of titles: year split off, article moved to the front; and keys for comparing titles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ARTICLES = (
    "The|An|A|Les|Las|La|Los|Lo|Le|El|Gli|Il|I|Der|Die|Das|Den|Det|De|Dem|Een|Eine|Ein|En|Ett|Et|Het|"
    "Une|Una|Uno|Un|Os|As|O|Az|Da"
)
"""Articles that MovieLens moves to the end of titles, by language."""

_ELIDED = "L'|L’|Dell'|Gl'"
_YEAR = r"\s*\((\d{4})(?:\s*[–-]\s*(?:\d{4})?)?\)(?:\s*\((?:V|TV|VG)\))?\s*$"
_OLDEST, _NEWEST = 1870, 2200


_MOVED = (
    (rf"^(.*?\S), ({ARTICLES})(\s+\(.*)?$", "${2} ${1}${3}"),
    (rf"^(.*?\S), ({_ELIDED})(\s+\(.*)?$", "${2}${1}${3}"),
    (rf"\((a\.k\.a\. )?([^()]*[^()\s]), ({ARTICLES})\)", "(${1}${3} ${2})"),
    (rf"\((a\.k\.a\. )?([^()]*[^()\s]), ({_ELIDED})\)", "(${1}${3}${2})"),
)
"""Trailing articles, of titles and of names in parentheses, and what becomes of them, in Polars' notation."""

_YEAR_OF = re.compile(_YEAR)
_MOVED_OF = [(re.compile(pattern), re.sub(r"\$\{(\d)\}", r"\\g<\1>", becomes)) for pattern, becomes in _MOVED]
"""The same for Python's regular expressions."""


def with_year(title: str, year: int | None) -> str:
    """A title with its year, where it is known: "Toy Story (1995)"."""
    return title if year is None else f"{title} ({year})"


def year_in_title(title: pl.Expr) -> pl.Expr:
    """The year at the end of a title as Int32, or null: "Toy Story (1995)" → 1995, "(2006–2007)" → 2006."""
    return valid_year(title.str.extract(_YEAR, 1))


def valid_year(year: pl.Expr) -> pl.Expr:
    """A year as Int32; null if it is not a number or not a plausible year."""
    import polars as pl

    number = year.cast(pl.Float64, strict=False)
    return pl.when(number.is_between(_OLDEST, _NEWEST)).then(number).cast(pl.Int32, strict=False)


def without_year(title: pl.Expr) -> pl.Expr:
    """A title without the year at its end."""
    return title.str.replace(_YEAR, "").str.strip_chars()


def article_first(title: pl.Expr) -> pl.Expr:
    """ "Boot, Das (Boat, The)" → "Das Boot (The Boat)"; titles without a trailing article are unchanged."""
    for pattern, becomes in _MOVED:
        title = title.str.replace_all(pattern, becomes)
    return title


def split_title(title: str) -> tuple[str, int | None]:
    """`"Matrix, The (1999)"` → `("The Matrix", 1999)`, as the readers do, but without data frames."""
    match = _YEAR_OF.search(title)
    year = int(match[1]) if match else 0
    name = _YEAR_OF.sub("", title, count=1).strip()
    for pattern, becomes in _MOVED_OF:
        name = pattern.sub(becomes, name)
    return name or title, year if _OLDEST <= year <= _NEWEST else None


def title_key(title: pl.Expr) -> pl.Expr:
    """A normalized title for comparison: without accents, case, punctuation and leading "the"; "&" becomes "and"."""
    key = title.str.replace_all("&", " and ", literal=True).str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    key = key.str.to_lowercase().str.replace_all(r"['’`´.]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ")
    return key.str.strip_chars().str.replace(r"^(the|an|a) ", "")


def title_keys(title: pl.Expr) -> pl.Expr:
    """All keys of a title: that of the text outside parentheses, and those of the alternative titles within."""
    import polars as pl

    main = title.str.replace_all(r"\s*\([^()]*\)", "")
    others = title.str.extract_all(r"\([^()]+\)").list.eval(
        title_key(pl.element().str.strip_chars("()").str.replace(r"^a\.?k\.?a\.? ", ""))
    )
    return pl.concat_list(title_key(main), others).list.unique(maintain_order=True)
