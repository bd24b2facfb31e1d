"""A parsed filter and its evaluation as vectorised masks."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from matinee.data.catalog import Catalog
from matinee.engine.filters.columns import Columns, FilterStats, Mask, columns_of, fold
from matinee.engine.filters.syntax import Comparison, Every, Node, Not, Operator, render
from matinee.errors import FilterError, InvalidInputError

_OPPOSITE: dict[Operator, Operator] = {
    "=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in",
}  # fmt: skip


SPELLED = frozenset({"genre", "country", "language", "director", "writer", "cast", "person"})
"""Fields whose values are checked: names that come from the data, not words that anybody makes up, as tags are."""
MISTYPED, SHORTEST_CHECKED = 80.0, 4
"""Likeness (0..100, RapidFuzz's ratio) of a value that is surely meant, and letters of the shortest that is checked."""


class Filter:
    """A parsed filter; equal and hashed by its canonical text, `str(filter)`, which parses to the same filter."""

    def __init__(self, node: Node | None) -> None:
        self._node = node
        self._text = "" if node is None else render(node)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Filter({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        """False for the filter that allows every movie."""
        return self._node is not None

    @cached_property
    def reads_ratings(self) -> bool:
        """Whether it asks for `ratings` or `mean`, so that any rating may change what it allows."""
        waiting = [] if self._node is None else [self._node]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Comparison):
                if not node.field.columns:
                    return True
            else:
                waiting.extend([node.part] if isinstance(node, Not) else node.parts)
        return False

    def mask(self, catalog: Catalog, stats: FilterStats | None = None) -> Mask:
        """Which movies match, (n_items,) bool, writable; removed movies are not looked at apart.

        Args:
            catalog: the movies.
            stats: what `ratings` and `mean` read; movies beyond its length count as not rated.

        Raises:
            FilterError: the filter asks for `ratings` or `mean` and no stats are given.
            InvalidInputError: stats of more movies than the catalog has.
        """
        if self._node is None:
            return np.ones(len(catalog), dtype=np.bool_)
        if stats is not None and len(stats.counts) > len(catalog):
            raise InvalidInputError(
                "The rating statistics are of a larger catalog.", "Give the statistics of this catalog."
            )
        return _Evaluation(len(catalog), columns_of(catalog), stats).where(self._node, True)


class _Evaluation:
    """One evaluation.

    `where(node, value)` is the mask of movies whose truth value of the node is known and equals `value`. Pushing
    negation down to the comparisons is Kleene's three-valued logic, the one of SQL, at the price of two-valued masks.
    """

    def __init__(self, n_items: int, columns: Columns, stats: FilterStats | None) -> None:
        self.n_items, self.columns, self.stats = n_items, columns, stats

    def where(self, node: Node, value: bool) -> Mask:
        if isinstance(node, Comparison):
            return self.comparison(node, value)
        if isinstance(node, Not):
            return self.where(node.part, not value)
        both = isinstance(node, Every) == value
        mask = self.where(node.parts[0], value)
        for part in node.parts[1:]:
            if both:
                mask &= self.where(part, value)
            else:
                mask |= self.where(part, value)
        return mask

    def comparison(self, node: Comparison, value: bool) -> Mask:
        if node.field.kind == "number":
            return self.number(node, value)
        if node.field.kind == "flag":
            present = self.columns.present(node.field.columns[0])
            same = (node.values[0] is True) == ((node.operator == "=") == value)
            return present.copy() if same else ~present
        mask = np.zeros(self.n_items, dtype=np.bool_)
        if node.field.name in SPELLED and node.operator in ("=", "in"):
            self.check_spelling(node)
        for name in node.field.columns:
            for operand in node.values:
                text = fold(str(operand))
                if node.operator == "~":
                    mask |= self.columns.contains(name, text)
                else:
                    self.columns.text(name).equal(_id(text) if name == "imdb_id" else text, mask)
        if (node.operator in ("!=", "not in")) == value:
            np.logical_not(mask, out=mask)
            known = self.columns.text(node.field.columns[0]).known
            if known is not None:
                mask &= known
        return mask

    def check_spelling(self, node: Comparison) -> None:
        """Refuse a value that no movie has and that is spelled nearly as one that some have.

        Raises:
            FilterError: with the nearest value.
        """
        columns = [self.columns.text(name) for name in node.field.columns]
        for operand in node.values:
            text = fold(str(operand))
            if len(text) < SHORTEST_CHECKED or any(column.has(text) for column in columns):
                continue
            nearest = max(
                (
                    (found[1], name, found[2])
                    for name, column in zip(node.field.columns, columns, strict=True)
                    if (found := process.extractOne(text, column.values, scorer=fuzz.ratio, score_cutoff=MISTYPED))
                ),
                default=None,
            )
            if nearest:
                value = self.columns.spellings(nearest[1])[nearest[2]]
                raise FilterError(
                    f'No film has the {node.field.name} "{operand}".', node.position, f'Did you mean "{value}"?'
                )

    def number(self, node: Comparison, value: bool) -> Mask:
        numbers = self.numbers(node)
        values = [float(operand) for operand in node.values]
        if node.operator == "between":
            low, high = values
            return (numbers >= low) & (numbers <= high) if value else (numbers < low) | (numbers > high)
        operator = node.operator if value else _OPPOSITE[node.operator]
        if operator in ("=", "in"):
            return np.isin(numbers, values) if len(values) > 1 else numbers == values[0]
        if operator in ("!=", "not in"):
            return ~np.isin(numbers, values) & ~np.isnan(numbers)
        if operator == "<":
            return numbers < values[0]
        if operator == "<=":
            return numbers <= values[0]
        return numbers > values[0] if operator == ">" else numbers >= values[0]

    def numbers(self, node: Comparison) -> NDArray[np.float64]:
        name = node.field.name
        if name == "year":
            return self.columns.year()
        if name == "decade":
            return np.floor(self.columns.year() / 10) * 10
        if self.stats is None:
            raise FilterError(f"{name} is not known here.", node.position, f"Leave the comparison of {name} out.")
        known, fill = (self.stats.counts, 0.0) if name == "ratings" else (self.stats.means, np.nan)
        numbers = np.full(self.n_items, fill)
        numbers[: len(known)] = known
        return numbers


def _id(text: str) -> str:
    """IMDb ids may be given as numbers."""
    return f"tt{text.zfill(7)}" if text.isascii() and text.isdigit() else text
