"""The filter language, the same in the API, the shell, Python and the web app.

    genre = "Comedy" and year >= 1990 and not tag in ("gore", "violence")

* `and`, `or`, `not` (any case; `not` binds tightest, then `and`), parentheses.
* `=`, `!=`, `<`, `<=`, `>`, `>=`, `between A and B`, `in (A, B)`, `not in (A, B)`, `~` (contains).
* Fields: see `FIELDS`. Text is compared without regard to case and accents; a list field (genre, tag, cast …)
  matches where **any** of its elements does, and `!=` and `not in` where none does.
* Values: "double" or 'single' quotes (backslash escapes the next character); one word needs no quotes.
* Unknown is not matched, as in SQL: a movie without a year satisfies neither `year = 1990` nor `year != 1990`
  nor `not year = 1990`. An empty list is known: a movie without tags satisfies `tag != "gore"`.
* The empty text allows every movie.
"""

from matinee.engine.filters.columns import FilterStats, fold
from matinee.engine.filters.evaluate import Filter
from matinee.engine.filters.parser import parse
from matinee.engine.filters.subsets import EVERYTHING, subsets_of
from matinee.engine.filters.syntax import FIELDS, value_text

__all__ = ["EVERYTHING", "FIELDS", "Filter", "FilterStats", "fold", "parse", "subsets_of", "value_text"]
