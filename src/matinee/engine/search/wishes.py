"""Wishes: what a text asks for besides words, read into the filter language.

"90s action with bruce willis" is `decade = 1990 and genre = "Action" and person = "Bruce Willis"`; "korean horror after
2010" is a country, a genre and years; "movies like Heat" names a movie. What is left are words to search for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from matinee.engine.filters import fold, value_text
from matinee.engine.search.answers import Part, Understood
from matinee.models.content.words import words as proper_words

MOST_WORDS = 14
"""Longer texts tell a plot."""
MOST_LEFT = 3
"""Words, common ones not counted, that may be left beside what was understood; more of them tell a plot."""

GENRES = {
    "action": "Action", "adventure": "Adventure", "adventures": "Adventure", "animated": "Animation",
    "animation": "Animation", "anime": "Animation", "cartoon": "Animation", "cartoons": "Animation",
    "children": "Children", "childrens": "Children", "kids": "Children", "family": "Children", "comedy": "Comedy",
    "comedies": "Comedy", "funny": "Comedy", "crime": "Crime", "gangster": "Crime", "documentary": "Documentary",
    "documentaries": "Documentary", "doc": "Documentary", "docs": "Documentary", "drama": "Drama", "dramas": "Drama",
    "fantasy": "Fantasy", "noir": "Film-Noir", "film noir": "Film-Noir", "film noirs": "Film-Noir",
    "horror": "Horror", "horrors": "Horror", "scary": "Horror", "imax": "IMAX", "musical": "Musical",
    "musicals": "Musical", "mystery": "Mystery", "mysteries": "Mystery", "whodunit": "Mystery", "romance": "Romance",
    "romances": "Romance", "romantic": "Romance", "sci fi": "Sci-Fi", "scifi": "Sci-Fi", "science fiction": "Sci-Fi",
    "thriller": "Thriller", "thrillers": "Thriller", "war": "War", "western": "Western", "westerns": "Western",
    "rom com": "Romance and Comedy", "romcom": "Romance and Comedy", "romcoms": "Romance and Comedy",
    "rom coms": "Romance and Comedy",
}  # fmt: skip
"""Words for genres, and their names in MovieLens; a catalog's own names are read as well."""
NATIONS = {
    "american": (("United States", "USA"), ()), "argentinian": (("Argentina",), ()), "australian": (("Australia",), ()),
    "austrian": (("Austria",), ()), "belgian": (("Belgium",), ()), "bollywood": (("India",), ()),
    "brazilian": (("Brazil",), ()), "british": (("United Kingdom", "UK"), ()), "canadian": (("Canada",), ()),
    "chinese": (("China", "People's Republic of China", "Hong Kong", "Taiwan"), ("Chinese", "Mandarin", "Cantonese")),
    "czech": (("Czech Republic", "Czechoslovakia"), ("Czech",)), "danish": (("Denmark",), ("Danish",)),
    "dutch": (("Netherlands",), ("Dutch",)), "english": (("United Kingdom", "UK"), ()),
    "finnish": (("Finland",), ("Finnish",)), "french": (("France",), ("French",)),
    "german": (("Germany", "West Germany"), ("German",)), "greek": (("Greece",), ("Greek",)),
    "hungarian": (("Hungary",), ("Hungarian",)), "icelandic": (("Iceland",), ("Icelandic",)),
    "indian": (("India",), ("Hindi",)), "iranian": (("Iran",), ("Persian",)), "irish": (("Ireland",), ("Irish",)),
    "israeli": (("Israel",), ("Hebrew",)), "italian": (("Italy",), ("Italian",)),
    "japanese": (("Japan",), ("Japanese",)), "korean": (("South Korea", "Korea"), ("Korean",)),
    "mexican": (("Mexico",), ()), "norwegian": (("Norway",), ("Norwegian",)), "polish": (("Poland",), ("Polish",)),
    "portuguese": (("Portugal",), ("Portuguese",)), "romanian": (("Romania",), ("Romanian",)),
    "russian": (("Russia", "Soviet Union"), ("Russian",)), "scottish": (("Scotland",), ()),
    "south korean": (("South Korea", "Korea"), ("Korean",)), "soviet": (("Soviet Union",), ()),
    "spanish": (("Spain",), ("Spanish",)), "swedish": (("Sweden",), ("Swedish",)), "swiss": (("Switzerland",), ()),
    "taiwanese": (("Taiwan",), ()), "thai": (("Thailand",), ("Thai",)), "turkish": (("Turkey",), ("Turkish",)),
}  # fmt: skip
"""Words for where a movie is from: countries and languages, as catalogs name them."""
DECADES = {
    "twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960, "seventies": 1970,
    "eighties": 1980, "nineties": 1990, "noughties": 2000,
}  # fmt: skip

_LIKE = re.compile(
    r"^(?:(?:some|more|any|good) )?(?:(?:movies?|films?|something|anything|stuff|titles?) )?"
    r"(?:(?:that (?:are|is)|which are) )?(?:like|similar to|in the style of) (.+)$"
)
_YEAR = r"((?:18[7-9]|19\d|20\d)\d)"
_YEARS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(rf"\b(?:between|from) {_YEAR} (?:and|to|till|until) {_YEAR}\b"),
        "year between {0} and {1}",
        "{0} to {1}",
    ),
    (re.compile(rf"\b(?:after|newer than|later than) {_YEAR}\b"), "year > {0}", "after {0}"),
    (re.compile(rf"\b(?:since|from {_YEAR} on(?:wards)?)\b(?: {_YEAR})?"), "year >= {0}", "since {0}"),
    (re.compile(rf"\b(?:before|older than|earlier than) (?:the )?{_YEAR}\b(?!s)"), "year < {0}", "before {0}"),
    (re.compile(rf"\b(?:until|till|up to) {_YEAR}\b"), "year <= {0}", "until {0}"),
    (re.compile(rf"\b(?:in|from|of) {_YEAR}\b"), "year = {0}", "{0}"),
)
_DECADE = re.compile(
    r"\b(?:(?:from|in|of) )?(?:the )?(?:(?P<full>(?:18|19|20)\d)0s|(?P<short>\d)0s|(?P<word>"
    + "|".join(DECADES)
    + r"))\b"
)
_PERSON = re.compile(r"\b(?P<by>directed by|written by|starring|featuring|with|by|from|of)\b")
_ROLE = {"directed by": "director", "by": "director", "written by": "writer", "starring": "cast", "featuring": "cast"}
_SHORT = re.compile(r"\b(?:short|long|under (?:\d+ minutes|an hour|two hours|\d+ hours?))\b")
_FILLER = re.compile(
    r"\b(?:an?|the|some|good|best|great|top|classic|new|any|me|show|find|give|please|movies?|films?|flicks?|pictures?|"
    r"titles?|from|in|with|and|of|by|that|are|is)\b"
)
NO_RUNTIME = "The lengths of films are not known here, so they were not looked at."


@dataclass
class _Reading:
    """A text while it is read; what was understood is cut out of it."""

    text: str
    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def cut(self, start: int, end: int, part: Part | None) -> None:
        self.text = " ".join(f"{self.text[:start]} {self.text[end:]}".split())
        if part is not None:
            self.parts.append(part)


def liked(text: str) -> str | None:
    """The title in "movies like X"; None: the text asks for nothing of the kind."""
    found = _LIKE.match(_plain(text))
    return found[1] if found else None


def read_wish(
    text: str, person: Callable[[str], str | None], values: Callable[[str], Iterable[str]]
) -> Understood | None:
    """What a text asks for; None: nothing was understood, or it tells a plot.

    Args:
        person: the full name of whom a text names, if it is nothing but a name.
        values: the catalog's values of a field of the filter language ("genre", "country", "language").
    """
    reading = _Reading(_plain(text))
    if len(reading.text.split()) > MOST_WORDS:
        return None
    _read_years(reading)
    _read_people(reading, person)
    _read_genres(reading, values)
    _read_nations(reading, values)
    short = _SHORT.search(reading.text)
    if short and reading.parts:
        reading.cut(short.start(), short.end(), None)
        reading.notes.append(NO_RUNTIME)
    if not reading.parts:
        return None
    rest = proper_words(_FILLER.sub(" ", reading.text))
    if len(rest) > MOST_LEFT or (rest and len(reading.parts) < 2 and not _is_weighty(reading.parts[0])):
        return None
    left = " ".join(_FILLER.sub(" ", reading.text).split()) if rest else ""
    return Understood(left, tuple(reading.parts), tuple(reading.notes))


def without_nations(wish: Understood) -> Understood | None:
    """The same with the words for nations as words to search for; None: nothing else was understood, or it had none."""
    nations = [part for part in wish.parts if (part.filter or "").startswith(("country", "language"))]
    rest = tuple(part for part in wish.parts if part not in nations)
    if not nations or not rest:
        return None
    return Understood(" ".join([*(part.words for part in nations), wish.text]).strip(), rest, wish.notes)


def _is_weighty(part: Part) -> bool:
    """Whether a part is no word that plots have too: a person, years."""
    return part.filter is not None and not part.filter.startswith(("genre", "country", "language"))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s']+", " ", fold(text)).replace("'", "").split())


def _read_years(reading: _Reading) -> None:
    for pattern, expression, label in _YEARS:
        found = pattern.search(reading.text)
        if found and (years := [year for year in found.groups() if year]):
            part = Part(label.format(*years), expression.format(*years), found[0])
            reading.cut(found.start(), found.end(), part)
            return
    found = _DECADE.search(reading.text)
    if found:
        if found["full"]:
            decade = int(found["full"]) * 10
        elif found["word"]:
            decade = DECADES[found["word"]]
        else:
            decade = (1900 if int(found["short"]) >= 2 else 2000) + 10 * int(found["short"])
        reading.cut(found.start(), found.end(), Part(f"{decade}s", f"decade = {decade}", found[0]))


def _read_people(reading: _Reading, person: Callable[[str], str | None]) -> None:
    """Names after "with", "by", "starring" …: the most words in a row that are nothing but a name."""
    place = 0
    while found := _PERSON.search(reading.text, place):
        words = reading.text[found.end() :].split()
        for size in range(min(4, len(words)), 0, -1):
            said = " ".join(words[:size])
            name = person(said)
            if name:
                field = _ROLE.get(found["by"], "person")
                end = (
                    found.end()
                    + len(reading.text[found.end() :])
                    - len(reading.text[found.end() :].lstrip())
                    + len(said)
                )
                label = f"{found['by']} {name}"
                reading.cut(found.start(), end, Part(label, f"{field} = {value_text(name)}", f"{found['by']} {said}"))
                place = found.start()
                break
        else:
            place = found.end()


def _read_genres(reading: _Reading, values: Callable[[str], Iterable[str]]) -> None:
    names = _genre_words(tuple(values("genre")))
    for found in _phrases(reading, names):
        genres = names[found]
        expression = " and ".join(f"genre = {value_text(name)}" for name in genres)
        start = _at(reading.text, found)
        reading.cut(start, start + len(found), Part(" and ".join(genres), expression, found))


@lru_cache(maxsize=8)
def _genre_words(values: tuple[str, ...]) -> dict[str, list[str]]:
    """Words for genres that a catalog has, and the genres' names there."""
    known = {fold(value): value for value in values}
    wanted = {word: [fold(part) for part in name.split(" and ")] for word, name in GENRES.items()}
    names = {
        word: [known[part] for part in parts] for word, parts in wanted.items() if all(part in known for part in parts)
    }
    return {_plain(value): [value] for value in values} | names


def _read_nations(reading: _Reading, values: Callable[[str], Iterable[str]]) -> None:
    phrases = _phrases(reading, NATIONS)
    known = {name: {fold(value): value for value in values(name)} for name in ("country", "language") if phrases}
    for found in phrases:
        for name, wanted in zip(("country", "language"), NATIONS[found], strict=True):
            held = [known[name][fold(value)] for value in wanted if fold(value) in known[name]]
            if held:
                operands = ", ".join(value_text(value) for value in held)
                expression = f"{name} = {operands}" if len(held) == 1 else f"{name} in ({operands})"
                start = _at(reading.text, found)
                reading.cut(start, start + len(found), Part(found.capitalize(), expression, found))
                break


def _phrases(reading: _Reading, names: Iterable[str]) -> list[str]:
    """The phrases that a text has, longest first, none within another."""
    text, found = f" {reading.text} ", []
    for phrase in sorted((name for name in names if f" {name} " in text), key=lambda name: (-len(name), name)):
        if f" {phrase} " in text:
            found.append(phrase)
            text = text.replace(f" {phrase} ", "  ", 1)
    return found


def _at(text: str, phrase: str) -> int:
    return f" {text} ".index(f" {phrase} ")
