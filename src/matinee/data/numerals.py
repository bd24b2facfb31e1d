"""Numerals as titles write them: English words and Roman numbers."""

from __future__ import annotations

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"

UNIT_WORDS = {word: number for number, word in enumerate((_UNITS + "seventeen eighteen nineteen").split())}
"""Zero to nineteen."""
TEN_WORDS = {word: 10 * number for number, word in enumerate(_TENS.split(), 2)}
"""Twenty to ninety."""
ROMAN = {
    tens + units: 10 * ten + unit
    for ten, tens in enumerate(("", "x", "xx", "xxx"))
    for unit, units in enumerate(("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"))
    if ten or unit
}
"""i to xxxix."""
