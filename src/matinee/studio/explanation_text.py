"""An explanation as sentences addressed to the user.

All functions take the answer of `calls.explanation` and ignore missing parts. Sentences are Markdown with escaped
titles and names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matinee.studio.style import plain

Answer = Mapping[str, Any]

NEAR = 20
FIELDS = {
    "genres": ("genre", "genres"),
    "directors": ("director", "directors"),
    "writers": ("writer", "writers"),
    "cast": ("actor", "actors"),
    "tags": ("tag", "tags"),
    "keywords": ("keyword", "keywords"),
    "countries": ("country", "countries"),
    "languages": ("language", "languages"),
}


def sentences(answer: Answer) -> list[str]:
    """All sentences, the most important first."""
    parts = [_stars(answer), because(answer), *_content(answer), _neighbors(answer), _models(answer)]
    return [sentence for sentence in parts if sentence]


def _stars(answer: Answer) -> str:
    stars, own = answer.get("stars"), answer.get("rating")
    if own is not None:
        text = f"You gave it {_count(own)}; that rating is left out of what follows."
        return text if stars is None else f"{text} From the others, {_of(stars)} would be expected."
    return "" if stars is None else f"You would probably give it {_of(stars)}."


def because(answer: Answer) -> str:
    """The movies of the history that the score comes from, from the core's reason."""
    model = f"**{plain(answer.get('model') or 'this model')}**"
    fallback = answer.get("fallback")
    if fallback == "popular":
        return f"Nothing is known of your taste, so {model} goes by what is popular."
    prefix = f"{model} knows none of your films, so content answers in its place. " if fallback == "content" else ""
    reasons: Sequence[Answer] = answer.get("because") or ()
    if not reasons or not answer.get("reason"):
        return f"{prefix}{model} does not tell which of your films its score comes from."
    text = str(answer["reason"])
    return f"{prefix}{plain(text[:1].upper() + text[1:])}."


def _content(answer: Answer) -> Iterator[str]:
    parts = []
    for row in answer.get("content") or ():
        one, many = FIELDS.get(row["field"], (row["field"], row["field"]))
        words = [plain(word) for word in row["shared"][:3]]
        more = len(row["shared"]) - len(words)
        rest = [f"{more} more"] if more > 0 else []
        parts.append(f"{one if len(row['shared']) == 1 else many} {_and(words + rest)}")
    if parts:
        yield f"It shares with films that you like: {'; '.join(parts)}."


def _neighbors(answer: Answer) -> str:
    if "neighbors" not in answer:
        return ""
    raters = answer["neighbors"]
    if not raters:
        return "Nobody of similar taste has rated it."
    mean = answer.get("neighbors_mean")
    count = f"{len(raters)} user{'s' if len(raters) > 1 else ''} of similar taste"
    text = f"{count} {'have' if len(raters) > 1 else 'has'} rated it"
    return f"{text}." if mean is None else f"{text}: {_of(mean)}{' on average' if len(raters) > 1 else ''}."


def _models(answer: Answer) -> str:
    ranked = [row for row in answer.get("models") or () if row.get("rank") is not None]
    if not ranked:
        return ""
    best = min(ranked, key=lambda row: row["rank"])
    worst = max(ranked, key=lambda row: row["rank"] / max(row["of"], 1))
    near = sum(row["rank"] <= NEAR for row in ranked)
    text = f"{near} of {len(ranked)} models have it among their first {NEAR} films for you"
    if best is worst:
        return f"{text}."
    return f"{text}: it stands highest with {_place(best)}, lowest with {_place(worst)}."


def _place(row: Answer) -> str:
    return f"**{plain(row['name'])}** ({row['rank']:,} of {row['of']:,})"


def factor(row: Answer) -> str:
    """The contribution of one factor."""
    high, low = (_and([f"*{plain(movie['title'])}*" for movie in row.get(end) or ()]) for end in ("high", "low"))
    product, user, movie = (float(row.get(name) or 0) for name in ("product", "user", "film"))
    if product >= 0:
        way = "You and the film lean the same way, which speaks **for** it"
    else:
        way = "You and the film lean opposite ways, which speaks **against** it"
    ends = []
    if high:
        ends.append(f"on the one end stand {high}{_who(user > 0, movie > 0)}")
    if low:
        ends.append(f"on the other {low}{_who(user < 0, movie < 0)}")
    return f"**Factor {row['factor']}**: {way} ({product:+.3f})." + _sentence("; ".join(ends))


def _who(user: bool, movie: bool) -> str:
    if user and movie:
        return " (you and the film are on this side)"
    if user:
        return " (you are on this side)"
    return " (the film is on this side)" if movie else ""


def _sentence(text: str) -> str:
    return f" {text[:1].upper()}{text[1:]}." if text else ""


def _count(stars: float) -> str:
    return f"{stars:g} star{'' if stars == 1 else 's'}"


def _of(stars: float) -> str:
    return f"{stars:.1f} stars"


def _and(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
