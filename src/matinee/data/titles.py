"""Normalization of titles: year and other names split off, article moved to the front; and keys for comparing them."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    return _article_first(name) or title, year if _OLDEST <= year <= _NEWEST else None


_ALSO = re.compile(r"^\s*a\.?\s?k\.?\s?a\.?:?\s+", re.IGNORECASE)
_PARENTHESES = re.compile(r"\(([^()]*)\)")
_ALSO_WITHIN = re.compile(r",\s*a\.?\s?k\.?\s?a\.?:?\s+", re.IGNORECASE)
_ROMAN = "x{0,3}(?:ix|iv|v?i{0,3})"
_ORDINAL = "first|second|third|fourth|fifth|full|final|last"
_PART = "part|pt|parts|vol|volume|volumes|chapter|chapters|episode|episodes|season|series|disc|no|book|act|sequence"
_LABEL = (
    "tv|v|vg|tv movie|tv film|tv series|tv special|mini-?series|short|short film|documentary|film|movie|feature|pilot|"
    "video|live|concert|3-?d|imax|imax 3-?d|4k|hd|epix|hbo|netflix|colou?r|b ?& ?w|black and white|silent|sound|"
    "dubbed|subbed|subtitled|uncut|unrated|uncensored|restored|remastered|remake|reboot|sequel|prequel|animated|"
    "anime|musical|opera|ballet|short version|original version|english version|"
    r".*\b(?:cut|edition|version|release|re-release|remaster|restoration|reissue|trailer)"
)
_NO_NAME = re.compile(
    # numbers and numerals of a series or a list ("Rocky (II)"), years, parts, and what says which version it is
    rf"\W*|#?\d+|{_ROMAN}|{_LABEL}|(?:the )?(?:{_ORDINAL}|\d+(?:st|nd|rd|th)) (?:{_PART})\b.*|"
    rf"(?:{_PART})\b\.? ?(?:\d+|{_ROMAN}|one|two|three|four|five)\b.*",
    re.IGNORECASE,
)
"""What stands in parentheses and is no name of the movie."""
_GOES_ON_BEFORE = re.compile(r"(?:\b(?:or|and|of|to|with|for)|[:,&+–-])$", re.IGNORECASE)
"""Ends of a title that needs its parentheses: "Birdman: Or (The Unexpected Virtue of Ignorance)"."""
_GOES_ON_WITHIN = re.compile(r"(?:and|or|but|with|et|ou|und|oder|y|e|ed) |\W*\.\.\W*[Oo]r\b")
"""Beginnings of parentheses that go on with the title: "Hommage à Zgougou (et salut à Sabine Mamou)"."""


def split_names(title: str) -> tuple[str, tuple[str, ...]]:
    """A title without its year, and the other names that stand in parentheses at its end, without "a.k.a.".

    Parentheses within a title ("(500) Days of Summer"), at a word ("Frontière(s)"), before a trailing article ("Human
    Centipede II (Full Sequence), The"), and those that go on with the title or say which part or version it is, belong
    to the title.

    >>> split_names("City of Lost Children, The (Cité des enfants perdus, La)")
    ('The City of Lost Children', ('La Cité des enfants perdus',))
    """
    name, groups = title.strip(), list[str]()
    while (start := _last_parenthesis(name)) is not None:
        before, within = name[:start], name[start + 1 : -1].strip()
        goes_on = _GOES_ON_BEFORE.search(before.rstrip()) or (_GOES_ON_WITHIN.match(within))
        if not before.strip() or not before[-1].isspace() or goes_on or _NO_NAME.fullmatch(within):
            break
        name = before.rstrip()
        groups.insert(0, within)
    others = [
        _article_first(part.strip())
        for group in groups
        for part in (_ALSO_WITHIN.split(_ALSO.sub("", group)) if _ALSO.match(group) else [group])
    ]
    name = _article_first(name)
    return name, tuple(other for other in dict.fromkeys(others) if other and other != name)


def without_parentheses(title: str) -> tuple[str, list[str]]:
    """A title without anything in parentheses, and the names in them without "a.k.a.", for comparison.

    Other than `split_names` it takes all of them for names: texts are compared with these, and none is shown.

    >>> without_parentheses("Seven (a.k.a. Se7en)")
    ('Seven', ['Se7en'])
    """
    if "(" not in title:
        return title, []
    others = [_ALSO.sub("", part).strip() for part in _PARENTHESES.findall(title)]
    main = " ".join(_PARENTHESES.sub(" ", title).split())
    return main or title, [other for other in others if other]


def other_titles(title: str, original: str | None, alternates: Iterable[str]) -> tuple[str, ...]:
    """The distinct names besides the title, the original one first."""
    names = dict.fromkeys((*([original] if original else []), *alternates))
    return tuple(name for name in names if name != title)


def _last_parenthesis(text: str) -> int | None:
    """Where the parentheses begin that end a text."""
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == ")") - (text[place] == "(")
        if depth == 0:
            return place if text[place] == "(" else None
    return None


def _article_first(name: str) -> str:
    for pattern, becomes in _MOVED_OF:
        name = pattern.sub(becomes, name)
    return name


def title_key(title: pl.Expr) -> pl.Expr:
    """A normalized title for comparison: without accents, case, punctuation and leading "the"; "&" becomes "and"."""
    key = title.str.replace_all("&", " and ", literal=True).str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    key = key.str.to_lowercase().str.replace_all(r"['’`´.]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ")
    return key.str.strip_chars().str.replace(r"^(the|an|a) ", "")


def title_keys(title: pl.Expr) -> pl.Expr:
    """All keys of a title: that of the text outside parentheses, and those of the alternative titles within.

    Old tables have them there; names in columns of their own have a `title_key` each.
    """
    import polars as pl

    main = title.str.replace_all(r"\s*\([^()]*\)", "")
    others = title.str.extract_all(r"\([^()]+\)").list.eval(
        title_key(pl.element().str.strip_chars("()").str.replace(r"^a\.?k\.?a\.? ", ""))
    )
    return pl.concat_list(title_key(main), others).list.unique(maintain_order=True)
