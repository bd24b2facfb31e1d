"""The work behind a list: what a thread does for one request, and what several requests that wait can share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from matinee.api.joint_threads import JointWork
from matinee.api.render import answer_json
from matinee.api.response_cache import Made
from matinee.engine import Engine
from matinee.engine.recommend import StoredHistory, is_plain, recommend_stored
from matinee.engine.runtime import RequestView
from matinee.engine.treatment import Treatment
from matinee.engine.types import Request as Options
from matinee.errors import MatineeError
from matinee.experiments.definition import Experiment

Work = Callable[[], Made] | JointWork[Made]


class ListWork(JointWork[Made]):
    """Computes a recommendation's bytes, under the experiment that runs."""

    def __init__(
        self,
        engine: Engine,
        view: RequestView,
        user_id: str,
        options: Options,
        metadata: bool = False,
        experiment: Experiment | None = None,
    ) -> None:
        self._engine, self._view, self._user_id, self._options = engine, view, user_id, options
        self._metadata = metadata
        self._treatment = Treatment.of(experiment, user_id, options, view.models)
        self._stored: StoredHistory | None = None

    def __call__(self) -> Made:
        """Make the list."""
        options, treatment = self._options, self._treatment
        answer = recommend_stored(self._view, self._user_id, options, treatment, self._stored)
        # Not cached: what depends on all ratings, as popular films do, since a user's version does not cover them;
        # metadata, since no version covers posters; and what is drawn anew each time.
        keep = not answer.volatile and not self._metadata and (treatment is None or not treatment.is_random)
        arm = None if options.model is not None else "" if treatment is None else treatment.key
        return Made(answer_json(self._engine, answer, self._metadata), keep, arm, answer.shown)

    @property
    def _joins(self) -> bool:
        return self._treatment is None and is_plain(self._view, self._options)

    def together(self, works: Sequence[JointWork[Any]]) -> None:
        """Score several lists of one model, in one state of the films, at once."""
        groups: dict[tuple[int, str], list[ListWork]] = {}
        for work in works:
            if isinstance(work, ListWork) and work._joins:
                name = work._options.model or work._view.default_model()
                groups.setdefault((id(work._view), name), []).append(work)
        for (_, name), group in groups.items():
            if len(group) > 1 and name in group[0]._view.models:
                _score(name, group)


def _score(name: str, works: Sequence[ListWork]) -> None:
    """Read the histories of these works, which see one state of one model, and have them scored together."""
    view, queries = works[0]._view, []
    for work in works:
        with suppress(MatineeError):  # of the store: the work itself meets it again
            stored = work._stored = StoredHistory.of(view, work._user_id)
            if len(stored.query):
                queries.append(stored.query)
    if len(queries) > 1:
        view.model(name).score_together(queries, view.settings.candidates)
