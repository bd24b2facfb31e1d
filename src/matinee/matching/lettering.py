"""Which movies a poster's lettering means: titles that stand in it as lines, or as lines that follow each other."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matinee.matching.title_match import TitleMatcher

MAX_RUN = 5
"""Lines that a title is set in, at most."""
TALL = 0.5
"""Least height of a title's letters, as a share of the tallest line's: the names of actors and slogans are smaller."""
SHORT = 3
"""Letters up to which a text is a title only in the tallest lettering: "It" is in many slogans."""
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def movies_of_lettering(
    lines: Sequence[tuple[str, float]], matcher: TitleMatcher, active: NDArray[np.bool_]
) -> list[int]:
    """Rows of the movies that a poster's lettering may be the title of, likeliest first; [] where there is none.

    Titles are compared as those of imported films are (`TitleMatcher`): no similarity of spelling counts, only that
    blanks and line breaks may be missing. Longer titles come before shorter ones within them; where several movies
    have one title, a year that stands on the poster decides, and without one all of them are named.

    Args:
        lines: text and height of letters of each line, from top to bottom.
        matcher: names of the catalog's movies.
        active: (n_items,) movies that may be meant.
    """
    tallest = max((height for _, height in lines), default=0.0)
    years = {int(year) for text, _ in lines for year in _YEAR.findall(text)}
    year = years.pop() if len(years) == 1 else None
    found: list[tuple[float, int]] = []
    for start in range(len(lines)):
        for stop in range(start + 1, min(start + MAX_RUN, len(lines)) + 1):
            run = lines[start:stop]
            if min(height for _, height in run) < TALL * tallest:
                break
            text = " ".join(text.strip() for text, _ in run)
            letters = sum(character.isalnum() for character in text)
            if letters == 0 or (letters <= SHORT and max(height for _, height in run) < 0.95 * tallest):
                continue
            match = matcher.match(text, year, active=active)
            if match.how == "unknown" and year is not None:
                match = matcher.match(text, active=active)
            # What covers most of the large lettering is the title.
            weight = sum(height * len(text) for text, height in run)
            found += [(weight * (1.0 if match.how == "sure" else 0.99), row) for row in match.candidates]
    return list(dict.fromkeys(row for _, row in sorted(found, key=lambda one: -one[0])))
