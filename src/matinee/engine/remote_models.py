"""The models of a snapshot where a recommender service scores: what comes of a history is asked there.

What does not depend on a history (likeness, factors and content of films) is of the fitted model, whose arrays are
memory-mapped and are not read where nobody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.catalog import Catalog
from matinee.data.dataset import Dataset
from matinee.errors import MatineeError, ServiceError
from matinee.models.base import Fallback, Model, Progress, Query, Scores, State
from matinee.models.plot_words import PlotWords
from matinee.remote.recommender import History, RemoteRecommender, Scored
from matinee.remote.recommender import State as Served


class RemoteModel(Model[Any]):
    """A `Model` that a recommender service scores with.

    Args:
        fitted: the same model here, over this catalog.
        name: its name in the snapshot.
        recommender: the service.
        served: snapshot and store that the scores must be of.
        catalog: of the view; its first films are the snapshot's.
        n_base: how many these are.

    Raises:
        ServiceError: from every method that needs the service: it does not answer, or has another snapshot or store.
    """

    def __init__(
        self,
        fitted: Model[Any],
        name: str,
        recommender: RemoteRecommender,
        served: Served,
        catalog: Catalog,
        n_base: int,
    ) -> None:
        super().__init__(fitted.config)
        # Facts of the fitted model's class, which are the same for all its objects there.
        vars(self).update(
            name=fitted.name, predicts_stars=fitted.predicts_stars, learns_from_ratings=fitted.learns_from_ratings
        )
        self.n_items = len(catalog)
        self._fitted, self._asked_as, self._recommender, self._served = fitted, name, recommender, served
        self._catalog, self._n_base = catalog, n_base

    def __repr__(self) -> str:
        return f"<{self._asked_as} of {self._recommender!r}>"

    # --- of a history: asked -----------------------------------------------------------------------------------
    def score(self, queries: Sequence[Query]) -> Scores:
        """See `Model.score`."""
        if len(queries) == 1:
            scores: Scores = self._once(queries[0])[0].copy()
            return scores
        return self._over_catalog(self._ask(queries))

    def score_rows(self, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Model.score_rows`."""
        if not len(rows):
            return np.zeros(0, dtype=np.float32)
        films = self._catalog.ids(rows.tolist())
        scored = self._recommender.scores(self._served, self._asked_as, [self._history(query)], films)
        scores: NDArray[np.float32] = scored.scores[0].copy()
        return scores

    def fallback(self, query: Query) -> Fallback | None:
        """See `Model.fallback`."""
        return self._once(query)[1]

    def contributions(self, query: Query, rows: Sequence[int]) -> NDArray[np.float32] | None:
        """See `Model.contributions`."""
        if not len(rows) or not len(query):
            return np.zeros((len(rows), len(query)), dtype=np.float32)
        films = self._catalog.ids(rows)
        found = self._recommender.contributions(self._served, self._asked_as, self._history(query), films)
        return None if found is None else found.copy()

    def user_factors(self, queries: Sequence[Query]) -> NDArray[np.float32] | None:
        """See `Model.user_factors`."""
        histories = [self._history(query) for query in queries]
        return self._recommender.user_factors(self._served, self._asked_as, histories) if histories else None

    def _once(self, query: Query) -> tuple[Scores, Fallback | None]:
        """Scores and fallback of one history, asked for once."""

        def ask() -> tuple[Scores, Fallback | None]:
            scored = self._ask([query])
            fallback: Any = scored.fallbacks[0]
            return self._over_catalog(scored), fallback

        return query.once((self, "asked"), ask)

    def _ask(self, queries: Sequence[Query]) -> Scored:
        histories = [self._history(query) for query in queries]
        return self._recommender.scores(self._served, self._asked_as, histories)

    def _history(self, query: Query) -> History:
        return History(self._catalog.ids(query.rows.tolist()), query.ratings, query.times)

    def _over_catalog(self, scored: Scored) -> Scores:
        """Scores by the rows of this catalog: films added since training may have other rows at the service."""
        if scored.scores.shape[1] != self._n_base + len(scored.added):
            raise ServiceError(f"{self!r} gave {scored.scores.shape[1]} scores for {self._n_base} films.")
        scores = np.full((len(scored.scores), self.n_items), np.nan, dtype=np.float32)
        scores[:, : self._n_base] = scored.scores[:, : self._n_base]
        for place, movie_id in enumerate(scored.added, self._n_base):
            row = self._catalog.find_any(movie_id)
            if row is not None:
                scores[:, row] = scored.scores[:, place]
        return scores

    # --- of films: here ----------------------------------------------------------------------------------------
    @property
    def parts(self) -> tuple[str, ...]:
        """See `Model.parts`."""
        return self._fitted.parts

    @property
    def chart(self) -> str | None:
        """See `Model.chart`."""
        return self._fitted.chart

    @property
    def item_vectors(self) -> sp.csr_matrix | None:
        """See `Model.item_vectors`."""
        return self._fitted.item_vectors

    @property
    def plot_words(self) -> PlotWords | None:
        """See `Model.plot_words`."""
        return self._fitted.plot_words

    def similar(self, rows: Sequence[int]) -> Scores | None:
        """See `Model.similar`."""
        return self._fitted.similar(rows)

    def factors(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """See `Model.factors`."""
        return self._fitted.factors(rows)

    def state(self) -> State:
        """See `Model.state`."""
        return self._fitted.state()

    @classmethod
    def from_state(cls, config: Any, state: Mapping[str, NDArray[Any]], catalog: Catalog) -> Self:
        """It is not stored: the fitted model is."""
        del config, state, catalog
        _refuse()

    def fit(self, dataset: Dataset, *, memory_limit: int | None = None, progress: Progress | None = None) -> Self:
        """It is not fitted: the fitted model is."""
        del dataset, memory_limit, progress
        _refuse()

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        del dataset, progress
        _refuse()


def _refuse() -> NoReturn:
    raise MatineeError("A model behind a recommender service is not fitted or stored.", "Fit the model itself.")


def served_models(
    fitted: Mapping[str, Model[Any]],
    recommender: RemoteRecommender | None,
    served: Served,
    catalog: Catalog,
    n_base: int,
) -> dict[str, Model[Any]]:
    """The models that answer: the fitted ones, or the same behind a recommender service."""
    if recommender is None:
        return dict(fitted)
    return {name: RemoteModel(model, name, recommender, served, catalog, n_base) for name, model in fitted.items()}
