"""Blend: a weighted sum of other models, with a fallback per film and per user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.data.vectors import FilmVectors
from matinee.errors import MatineeError, SnapshotError
from matinee.models.base import Fallback, Model, ModelConfig, Progress, Query, Scores, State


class BlendConfig(ModelConfig):
    """Settings of `Blend`."""

    weights: dict[str, float] = Field(
        default_factory=lambda: {"ease": 1.0}, min_length=1, description="Weight of each collaborative part, by name."
    )
    content: str | None = Field("content", description="Part that ranks films and users unknown to the others.")
    popular: str | None = Field("popular", description="Part that answers users about whom nothing is known.")


class Blend(Model[BlendConfig]):
    """Weighted mean of the parts' scores, each brought to mean 0 and deviation 1 per query (late fusion).

    Per film: one that some part does not know is scored by the others; one that none knows gets the least
    squares guess of the blend's score from its content score, β·(c − mean(c)) + mean(blend), with β ≥ 0
    fitted on the films that have both (per query): new films join the ranking where their content puts them,
    pulled towards the middle as far as content does not tell. Per user: where no collaborative part knows
    the history the content part alone answers; where that does not either, the popular part, whose scores
    are passed on unchanged. Films without an opinion then come last, below the least popular.

    Parts are bound after fitting or loading: `bind({"ease": ease, …})`; nothing is fitted or stored twice.
    """

    name = "blend"
    Config = BlendConfig

    _parts: dict[str, Model[Any]] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the models it is made of."""
        others = (name for name in (self.config.content, self.config.popular) if name is not None)
        return tuple(dict.fromkeys([*self.config.weights, *others]))

    def without(self, parts: Sequence[str]) -> Self | None:
        """The blend of the other parts; None where no weighted part is left."""
        weights = {name: weight for name, weight in self.config.weights.items() if name not in parts}
        if not weights:
            return None
        content, popular = (None if name in parts else name for name in (self.config.content, self.config.popular))
        return type(self)(BlendConfig(weights=weights, content=content, popular=popular))

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This blend over fitted models.

        Raises:
            SnapshotError: a part is missing.
        """
        missing = [name for name in self.parts if name not in models]
        if missing:
            raise SnapshotError(f"The blend's parts {', '.join(missing)} are missing.", "Train these models as well.")
        bound = self._copy()
        bound._parts = {name: models[name] for name in self.parts}
        return bound

    def _part(self, name: str) -> Model[Any]:
        if self._parts is None:
            raise MatineeError("The blend has no parts yet.", "Call bind(models) with the fitted models first.")
        return self._parts[name]

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        del dataset
        progress("blend", 1.0)

    def fallback(self, query: Query) -> Fallback | None:
        """Who answers instead of the blend: "popular", "content", or None where the blend itself can."""
        if any(self._part(name).knows(query) for name in self.config.weights):
            return None
        content = self.config.content
        if content is not None and self._part(content).knows(query):
            return "content"
        return "popular"

    def knows(self, query: Query) -> bool:
        """Whether any part knows the history; the popular part knows everybody."""
        return any(self._part(name).knows(query) for name in self.parts)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Blended scores; comparable within one query only."""
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        answers = [self.fallback(query) for query in queries]
        blended = [number for number, answer in enumerate(answers) if answer is None]
        if blended:
            chosen = [queries[number] for number in blended]
            parts = {name: self._part(name).score(chosen) for name in self.config.weights}
            content = self.config.content
            guess = self._part(content).score(chosen) if content is not None else None
            scores[blended] = self._mix(parts, guess)
        for answer, part in (("content", self.config.content), ("popular", self.config.popular)):
            numbers = [number for number, found in enumerate(answers) if found == answer]
            if numbers and part is not None:
                scores[numbers] = _fill(self._part(part).score([queries[number] for number in numbers]))
        return scores

    def _mix(self, parts: Mapping[str, Scores], guess: Scores | None) -> Scores:
        """The weighted mean of standardised parts; films of no part from the content guess."""
        total = np.zeros((len(next(iter(parts.values()))), self.n_items), dtype=np.float32)
        weight = np.zeros_like(total)
        for name, found in parts.items():
            known = ~np.isnan(found)
            mean, deviation = _moments(found, known)
            share = np.float32(self.config.weights[name])
            total += np.where(known, (found - mean) / deviation * share, np.float32(0))
            weight += known * abs(share)
        blended = np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.float32(np.nan))
        if guess is not None:
            slope, offset = _guess(blended, guess)
            return np.where(np.isnan(blended), slope * guess + offset, blended).astype(np.float32, copy=False)
        return blended

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32]:
        """The parts' shares, scaled as their scores are; additive up to a constant per film."""
        total = np.zeros((len(rows), len(query)), dtype=np.float32)
        if not len(rows):
            return total
        asked = np.asarray(rows, dtype=np.int64)
        answer = self.fallback(query)
        content = self.config.content
        if answer == "content" and content is not None:
            return _shares(self._part(content), query, rows, total)
        if answer is not None:
            return total
        parts = {name: self._part(name).score([query]) for name in self.config.weights}
        weight = np.zeros((len(rows), 1), dtype=np.float32)
        for name, found in parts.items():
            known = ~np.isnan(found)
            _, deviation = _moments(found, known)
            here = known[0, asked][:, None]
            share = np.float32(self.config.weights[name])
            total += _shares(self._part(name), query, rows, total) * (share / deviation) * here
            weight += here * abs(share)
        total /= np.where(weight > 0, weight, 1)
        cold = weight[:, 0] == 0
        if content is not None and cold.any():
            model = self._part(content)
            slope, _ = _guess(self._mix(parts, None), model.score([query]))
            total[cold] = _shares(model, query, asked[cold].tolist(), total[cold]) * slope
        return total

    def similar(self, rows: Sequence[int]) -> Scores:
        """Half the collaborative parts, half content, each standardised; whichever knows the film."""
        parts: dict[str, Scores] = {}
        for name in self.config.weights:
            found = self._part(name).similar(rows)
            if found is not None:
                parts[name] = found
        content = self.config.content
        own = self._part(content).similar(rows) if content is not None else None
        empty = np.full((len(rows), self.n_items), np.nan, dtype=np.float32)
        taste = self._mix({name: _without(found, rows) for name, found in parts.items()}, None) if parts else empty
        words = empty if own is None else _without(own, rows)
        known = ~np.isnan(words)
        mean, deviation = _moments(words, known)
        return _mean_known(taste, np.where(known, (words - mean) / deviation, words))

    def with_catalog(self, catalog: Catalog, vectors: Mapping[str, FilmVectors] | None = None) -> Self:
        """The blend over a grown catalogue; bind it to the grown parts."""
        grown = super().with_catalog(catalog, vectors)
        if self._parts is not None:
            grown._parts = {
                name: part if part.n_items == len(catalog) else part.with_catalog(catalog, vectors)
                for name, part in self._parts.items()
            }
        return grown

    def state(self) -> State:
        """Nothing but its settings."""
        return {}

    @classmethod
    def from_state(cls, config: ModelConfig, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        """Rebuild; `bind` it before use."""
        del state
        model = cls(cls.Config.model_validate(config.model_dump()))
        model.n_items = len(catalog)
        return model


def _moments(scores: Scores, known: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of the known scores of each row, (n, 1); deviation 1 where all are equal."""
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, scores, 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
    rest = np.where(known, scores - mean, 0)
    deviation = np.sqrt((rest * rest).sum(axis=1, keepdims=True) / count)
    flat = deviation <= 1e-9 + 1e-6 * np.abs(mean)
    return mean.astype(np.float32), np.where(flat, 1.0, deviation).astype(np.float32)


def _guess(blended: Scores, content: Scores) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slope (≥ 0) and offset of the regression of the blend on content, per row, (n, 1)."""
    both = ~np.isnan(blended) & ~np.isnan(content)
    mean_b, _ = _moments(blended, both)
    mean_c, deviation = _moments(content, both)
    count = np.maximum(both.sum(axis=1, keepdims=True), 1)
    product = np.where(both, (blended - mean_b) * (content - mean_c), 0).sum(axis=1, keepdims=True) / count
    slope = np.maximum(product / deviation**2, 0).astype(np.float32)
    return slope, (mean_b - slope * mean_c).astype(np.float32)


def _fill(scores: Scores) -> Scores:
    """Films without an opinion put a little below the lowest score of their row."""
    known = ~np.isnan(scores)
    lowest = np.where(known, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    lowest[np.isinf(lowest)] = np.nan  # nobody has an opinion: none is made up
    return np.where(known, scores, lowest - (0.01 + 0.001 * np.abs(lowest))).astype(np.float32)


def _shares(model: Model[Any], query: Query, rows: Sequence[int], like: NDArray[np.float32]) -> NDArray[np.float32]:
    found = model.contributions(query, rows)
    return np.zeros_like(like) if found is None else found


def _without(scores: Scores, rows: Sequence[int]) -> Scores:
    """A copy in which no film has an opinion on itself (it would stretch the deviation)."""
    scores = scores.copy()
    scores[np.arange(len(rows)), np.asarray(rows, dtype=np.int64)] = np.nan
    return scores


def _mean_known(first: Scores, second: Scores) -> Scores:
    """Mean of two scores, or the one that is known."""
    mean = (first + second) / 2
    mean = np.where(np.isnan(first), second, mean)
    return np.where(np.isnan(second), first, mean).astype(np.float32)
