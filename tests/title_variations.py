"""Titles with years as other sites write them, drawn from a catalog; and ones of films that a catalog does not have."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise

from matinee.data.catalog import Catalog

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII")
_ROMAN_AT_END = re.compile(r" (II|III|IV|V|VI|VII|VIII)$")
_DIGIT_AT_END = re.compile(r" ([2-9])$")


def bare(title: str) -> str:
    return re.sub(r"\s*\([^()]*\)", "", title).strip()


def article_moved(title: str) -> str | None:
    found = re.match(r"(The|A|An|Le|La|Les|Das|Der|Die|El|Il) (.+)$", bare(title))
    return f"{found[2]}, {found[1]}" if found else None


def article_missing(title: str) -> str | None:
    found = re.match(r"(The|A|An) (.{6,})$", bare(title))
    return found[2] if found else None


def article_added(title: str) -> str | None:
    return None if re.match(r"(The|A|An|Le|La|Les|Das|Der|Die|El|Il|Los|Un|Une) ", title) else "The " + bare(title)


def without_accents(title: str) -> str | None:
    plain = "".join(c for c in unicodedata.normalize("NFKD", bare(title)) if not unicodedata.combining(c))
    return plain if plain != bare(title) and "½" not in title else None


def ampersand(title: str) -> str | None:
    text = bare(title)
    if " & " in text:
        return text.replace(" & ", " and ")
    return text.replace(" and ", " & ") if " and " in text else None


def numeral(title: str, chance: random.Random) -> str | None:
    text = bare(title)
    found = _ROMAN_AT_END.search(text) or _DIGIT_AT_END.search(text)
    if found:
        number = _ROMAN.index(found[1]) if found[1] in _ROMAN else int(found[1]) - 1
    else:
        first = text.split(" ")[0]
        number = _WORDS.index(first.lower()) if first.lower() in _WORDS else -1
        if number < 0:
            return None
        return text.replace(first, str(number + 1), 1)
    return text[: found.start()] + " " + chance.choice((_ROMAN[number], str(number + 1), _WORDS[number].title()))


def dash_for_colon(title: str) -> str | None:
    return bare(title).replace(": ", " – ") if ": " in bare(title) else None


def without_subtitle(title: str) -> str | None:
    head, _, tail = bare(title).partition(": ")
    return head if len(tail.split()) > 2 and len(head) > 3 and not head.endswith(" or") else None


def original_title(title: str) -> str | None:
    found = re.search(r"\((?:a\.k\.a\. )?([^()]+)\)", title)
    return found[1] if found else None


def without_punctuation(title: str) -> str | None:
    plain = " ".join(re.sub(r"[^\w\s]|_", "" if "'" in title else " ", bare(title)).split())
    return plain if plain != bare(title) else None


def curly(title: str) -> str | None:
    return bare(title).replace("'", "’").replace("...", "…") if "'" in title or "..." in title else None


KINDS: dict[str, Callable[..., str | None]] = {
    f.__name__: f
    for f in (
        article_moved, article_missing, article_added, without_accents, ampersand, numeral, dash_for_colon,
        without_subtitle, original_title, without_punctuation, curly,
    )
}  # fmt: skip


def known(catalog: Catalog, seed: int, count: int) -> Iterator[tuple[str, str, int, int]]:
    """Kind of variation, title, year, and the row that is meant; kinds in turn, remakes and years ±1 among them."""
    chance = random.Random(seed)
    titles, years = catalog.column("title"), catalog.column("year")
    named: dict[str, list[int]] = {}
    for row, title in enumerate(titles):
        named.setdefault(bare(title).casefold(), []).append(row)
    unique = [row for row in range(len(catalog)) if years[row] and _apart(named[bare(titles[row]).casefold()], years)]
    remakes = [row for row in unique if len(named[bare(titles[row]).casefold()]) > 1]
    kinds = [*KINDS, "remake", "year"]
    made = 0
    while made < count:
        kind = kinds[made % len(kinds)]
        row = chance.choice(remakes if kind == "remake" else unique)
        title, year = titles[row], years[row]
        if kind in ("remake", "year"):
            text: str | None = bare(title)
            year += 0 if kind == "remake" else chance.choice((-1, 1))
        else:
            text = KINDS[kind](title, chance) if kind == "numeral" else KINDS[kind](title)
        if text and kind == "without_subtitle" and text.casefold() in named:
            continue  # then it is another film's name
        if (
            text
            and kind == "without_subtitle"
            and any(
                bare(other).casefold().startswith(text.casefold()) and (years[i] or 0) <= year
                for i, other in enumerate(titles)
                if i != row
            )
        ):
            continue  # a series: its bare name means the first film
        if text:
            made += 1
            yield kind, text, year, row


def _apart(rows: list[int], years: list[int | None]) -> bool:
    """Whether films of one name are years apart, so that the year tells which is meant."""
    known = sorted(years[row] or 0 for row in rows)
    return all(later - earlier > 3 for earlier, later in pairwise(known))


_FIRST = ("Silent", "Broken", "Golden", "Midnight", "Paper", "Crimson", "Hollow", "Distant", "Electric", "Borrowed")
_SECOND = ("Harbor", "Orchard", "Sparrow", "Letters", "Empire", "Station", "Garden", "Reckoning", "Mirror", "Protocol")


def absent(catalog: Catalog, seed: int, count: int) -> Iterator[tuple[str, str, int]]:
    """Kind, title and year of films that are not in the catalog: sequels, remakes of other years, invented ones."""
    chance = random.Random(seed)
    titles, years = catalog.column("title"), catalog.column("year")
    names = {re.sub(r"\W", "", name.casefold()) for title in titles for name in re.split(r"[():]|a\.k\.a\.", title)}
    near: dict[str, set[int]] = {}
    for title, year in zip(titles, years, strict=True):
        for name in re.split(r"[():]|a\.k\.a\.| - ", title):
            near.setdefault(re.sub(r"\W", "", name.casefold()).removeprefix("the"), set()).add(year or 0)
    made = 0
    while made < count:
        row = chance.randrange(len(catalog))
        title, year = bare(titles[row]), years[row]
        if not year:
            continue
        kind = ("sequel", "other year", "invented", "subtitle", "shorter", "longer")[made % 6]
        if kind == "sequel":
            text = f"{title} {chance.choice(('4', '5', 'III', 'Part Seven', '2'))}"
            year += chance.randint(0, 9)
            if any(
                other.startswith(title) and abs((when or 0) - year) < 2
                for other, when in zip(titles, years, strict=True)
            ):
                continue  # it may be the sequel that there is
        elif kind == "other year":
            text, year = title, year + chance.choice((-1, 1)) * chance.randint(3, 30)
        elif kind == "invented":
            text = f"{chance.choice(('', 'The '))}{chance.choice(_FIRST)} {chance.choice(_SECOND)}"
        elif kind == "subtitle":
            text = f"{title}: {chance.choice(_FIRST)} {chance.choice(_SECOND)}"
        elif kind == "shorter":  # a word of a title
            if len(title.split()) < 3:
                continue  # the rest may be an article
            text = chance.choice(title.split())
        else:
            text = f"{title} {chance.choice(_SECOND)}"
        key = re.sub(r"\W", "", text.casefold()).removeprefix("the")
        if kind == "other year" and any(abs(other - year) < 3 for other in near.get(key, ())):
            continue
        if kind != "other year" and (key in names or key in near):
            continue
        made += 1
        yield kind, text, year
