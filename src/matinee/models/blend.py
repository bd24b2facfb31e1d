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
from matinee.errors import InvalidInputError, MatineeError, SnapshotError
from matinee.models.base import Fallback, Model, ModelConfig, Progress, Query, Scores, State
from matinee.models.cold import Guess, by_likeness, by_mapping
from matinee.models.coldstart import ColdStart
from matinee.models.fusion import fill, mean_known, moments, without


class BlendConfig(ModelConfig):
    """Settings of `Blend`."""

    weights: dict[str, float] = Field(
        default_factory=lambda: {"ease": 1.0}, min_length=1, description="Weight of each collaborative part, by name."
    )
    content: str | None = Field("content", description="Part that ranks films and users unknown to the others.")
    popular: str | None = Field("popular", description="Part that answers users about whom nothing is known.")
    mapping: str | None = Field(None, description="Part (`ColdStart`) that foretells films unknown to the others.")
    mapping_share: float = Field(0.7, ge=0, le=1, description="Its share beside content in the guess about such films.")
    spread: float = Field(1.5, gt=0, description="How far such guesses stand from the middle; 1: the least squares.")


class Blend(Model[BlendConfig]):
    """Weighted mean of the parts' scores, each brought to mean 0 and deviation 1 per query (late fusion).

    Per film: one that some part does not know is scored by the others; one that none knows gets the least
    squares guess of the blend's score from its content score, β·(c − mean(c)) + mean(blend), with β ≥ 0
    fitted on the films that have both (per query): new films join the ranking where their content puts them,
    pulled towards the middle as far as content does not tell. With a `mapping` the guess is made from a mean of
    content and of the blend's own scores carried over by it (`cold.by_mapping`). Per user: where no collaborative
    part knows the history the content part alone answers; where that does not either, the popular part, whose
    scores are passed on unchanged. Films without an opinion then come last, below the least popular.

    Parts are bound after fitting or loading: `bind({"ease": ease, …})`; nothing is fitted or stored twice.
    """

    name = "blend"
    Config = BlendConfig

    _parts: dict[str, Model[Any]] | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the models it is made of."""
        config = self.config
        others = (name for name in (config.content, config.popular, config.mapping) if name is not None)
        return tuple(dict.fromkeys([*self.config.weights, *others]))

    def without(self, parts: Sequence[str]) -> Self | None:
        """The blend of the other parts; None where no weighted part is left."""
        weights = {name: weight for name, weight in self.config.weights.items() if name not in parts}
        if not weights:
            return None
        gone = {name: None for name in ("content", "popular", "mapping") if getattr(self.config, name) in parts}
        return type(self)(self.config.model_copy(update={"weights": weights, **gone}))

    def bind(self, models: Mapping[str, Model[Any]]) -> Self:
        """This blend over fitted models.

        Raises:
            SnapshotError: a part is missing.
            InvalidInputError: the mapping is no `ColdStart`.
        """
        missing = [name for name in self.parts if name not in models]
        if missing:
            raise SnapshotError(f"The blend's parts {', '.join(missing)} are missing.", "Train these models as well.")
        if self.config.mapping is not None and not isinstance(models[self.config.mapping], ColdStart):
            raise InvalidInputError(f"{self.config.mapping} is no coldstart model.", "Name one as the mapping.")
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
        names = [name for name in self.parts if name != self.config.mapping]
        return any(self._part(name).knows(query) for name in names)

    def score(self, queries: Sequence[Query]) -> Scores:
        """Blended scores; comparable within one query only."""
        scores = np.full((len(queries), self.n_items), np.nan, dtype=np.float32)
        answers = [self.fallback(query) for query in queries]
        warm = [number for number, answer in enumerate(answers) if answer is None]
        if warm:
            chosen = [queries[number] for number in warm]
            blended = self._mix({name: self._part(name).score(chosen) for name in self.config.weights})
            cold = np.flatnonzero(np.isnan(blended).any(axis=0))
            guess = self._guess(blended, chosen, cold) if len(cold) else None
            if guess is not None:
                blended[:, cold] = np.where(np.isnan(blended[:, cold]), guess.scores, blended[:, cold])
            scores[warm] = blended
        for answer, part in (("content", self.config.content), ("popular", self.config.popular)):
            numbers = [number for number, found in enumerate(answers) if found == answer]
            if numbers and part is not None:
                scores[numbers] = fill(self._part(part).score([queries[number] for number in numbers]))
        return scores

    def _guess(self, blended: Scores, queries: Sequence[Query], films: NDArray[np.int64]) -> Guess | None:
        """What stands in for films that no weighted part knows; None where there is nothing to guess from."""
        config, mapping = self.config, self._mapping
        content = None if config.content is None else self._part(config.content)
        if mapping is not None and len(mapping.rows):
            return by_mapping(blended, queries, films, mapping, content, config.mapping_share, config.spread)
        return None if content is None else by_likeness(blended, content.score(queries), films)

    @property
    def _mapping(self) -> ColdStart | None:
        model = None if self.config.mapping is None else self._part(self.config.mapping)
        return model if isinstance(model, ColdStart) else None  # `bind` lets no other pass

    def _mix(self, parts: Mapping[str, Scores]) -> Scores:
        """The weighted mean of standardised parts; NaN for films of no part."""
        total = np.zeros((len(next(iter(parts.values()))), self.n_items), dtype=np.float32)
        weight = np.zeros_like(total)
        for name, found in parts.items():
            known = ~np.isnan(found)
            mean, deviation = moments(found, known)
            share = np.float32(self.config.weights[name])
            total += np.where(known, (found - mean) / deviation * share, np.float32(0))
            weight += known * abs(share)
        return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.float32(np.nan))

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
        total, cold = self._warm_shares(query, parts, asked)
        films = asked[cold]
        guess = self._guess(self._mix(parts), [query], films) if len(films) else None
        if guess is not None:
            likeness = carried = None
            if guess.by_content is not None and content is not None:
                likeness = _shares(self._part(content), query, films.tolist(), total[cold])
            if guess.by_mapped is not None and (mapping := self._mapping) is not None:
                carried = mapping.carry_shares(self._warm_shares(query, parts, mapping.rows)[0], films)
            total[cold] = guess.shares(likeness, carried)
        return total

    def _warm_shares(
        self, query: Query, parts: Mapping[str, Scores], asked: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Shares in the blended scores of films, (len(asked), len(query)), and which films no part knows."""
        total = np.zeros((len(asked), len(query)), dtype=np.float32)
        weight = np.zeros((len(asked), 1), dtype=np.float32)
        for name, found in parts.items():
            known = ~np.isnan(found)
            _, deviation = moments(found, known)
            here = known[0, asked][:, None]
            share = np.float32(self.config.weights[name])
            total += _shares(self._part(name), query, asked.tolist(), total) * (share / deviation) * here
            weight += here * abs(share)
        total /= np.where(weight > 0, weight, 1)
        return total, weight[:, 0] == 0

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
        taste = self._mix({name: without(found, rows) for name, found in parts.items()}) if parts else empty
        words = empty if own is None else without(own, rows)
        known = ~np.isnan(words)
        mean, deviation = moments(words, known)
        return mean_known(taste, np.where(known, (words - mean) / deviation, words))

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


def _shares(model: Model[Any], query: Query, rows: Sequence[int], like: NDArray[np.float32]) -> NDArray[np.float32]:
    found = model.contributions(query, rows)
    return np.zeros_like(like) if found is None else found
