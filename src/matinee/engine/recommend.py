"""Ranking: a history and a request → an ordered list with predicted stars and reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee._util.topk import top_n
from matinee.data.ids import Id
from matinee.engine.allowed import Allowed, Ranked
from matinee.engine.charts import newcomer_scores
from matinee.engine.diversity import diversify
from matinee.engine.filters import Filter, parse
from matinee.engine.movie_lookup import known_id
from matinee.engine.reasons import ListReasons, list_reasons
from matinee.engine.runtime import RequestView
from matinee.engine.treatment import Drawn, Treatment, now
from matinee.engine.types import Answer, Item, Request
from matinee.errors import InvalidInputError
from matinee.models.base import Model, Query, Shortlisted
from matinee.models.calibration import ADVENTUROUS
from matinee.stores.base import Exposure

NO_ROWS: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
POOL = 5
"""With diversity the list is chosen among the best POOL·n movies, at least 100."""
PLAIN_N = 100
"""Longest list that is chosen from a shortlist."""


def check_n(n: int, limit: int, name: str = "n") -> None:
    """Raise unless 1 ≤ n ≤ limit."""
    if not 1 <= n <= limit:
        raise InvalidInputError(f"{name} is {n}, outside 1..{limit}.", f"Ask for 1 to {limit} items.")


def check_share(value: float, name: str) -> None:
    """Raise unless 0 ≤ value ≤ 1."""
    if not 0.0 <= value <= 1.0:
        raise InvalidInputError(f"{name} is {value}, outside 0..1.", "Give a number from 0 to 1.")


def check_request(view: RequestView, request: Request) -> None:
    """Raise InvalidInputError where numbers of a request are out of range."""
    check_n(request.n, view.settings.max_n)
    check_share(request.diversity, "diversity")
    if request.adventurous is not None:
        check_share(request.adventurous, "adventurous")


def recommend_stored(
    view: RequestView,
    user_id: str,
    request: Request,
    treatment: Treatment | None = None,
    stored: StoredHistory | None = None,
) -> Answer:
    """Rank movies for a stored user, see `Engine.recommend`.

    Args:
        treatment: the arm of an experiment that it is done under.
        stored: what `StoredHistory.of` says, where it was read already.
    """
    version, query, hidden = stored or StoredHistory.of(view, user_id)
    return recommend(view, query, request, hidden, user_id=user_id, version=version, treatment=treatment)


class Hidden(NamedTuple):
    """Rows of movies that are left out of somebody's lists, besides those of the history."""

    seen: NDArray[np.int64] = NO_ROWS
    not_interested: NDArray[np.int64] = NO_ROWS

    @classmethod
    def of_ids(cls, view: RequestView, seen: Iterable[Id], not_interested: Iterable[Id]) -> Self:
        """Given by ids; unknown ones are ignored."""
        rows = [
            view.catalog.rows(known_id(view.catalog, movie_id) for movie_id in ids) for ids in (seen, not_interested)
        ]
        return cls(*(some[some >= 0] for some in rows))


class StoredHistory(NamedTuple):
    """What a list of a stored user is made of, and the version of it."""

    version: int
    query: Query
    hidden: Hidden

    @classmethod
    def of(cls, view: RequestView, user_id: str) -> Self:
        """As the store has it now."""
        # Before the history: a write in between makes the answer outdated, never wrong.
        version = view.user_version(user_id)
        return cls(version, *history_of(view, user_id))


def history_of(view: RequestView, user_id: str) -> tuple[Query, Hidden]:
    """Of a stored user."""
    held = view.held_user(user_id)
    hidden = Hidden(held.rows(view.catalog, "seen"), held.rows(view.catalog, "not_interested"))
    return view.history(user_id, held), hidden


def recommend(
    view: RequestView,
    query: Query,
    request: Request,
    hidden: Hidden = Hidden(),  # noqa: B008 - immutable
    *,
    user_id: str | None = None,
    version: int = 0,
    treatment: Treatment | None = None,
) -> Answer:
    """Rank movies for a history.

    An empty history, or one that the model knows nothing of, gets what newcomers like (live) and
    `fallback="popular"`. Movies of the history and those seen are left out unless `include_seen`.
    """
    settings = view.settings
    if treatment is not None:
        request = treatment.options(request)
    check_request(view, request)
    name = request.model or view.default_model()
    model = view.model(name)
    parsed = parse(request.filter, settings.max_filter) if request.filter else None
    with stage("retrieve"):
        allowed = allowed_movies(view, parsed, query, request, hidden)
    fallback = model.fallback(query) if len(query) else "popular"
    popular = fallback == "popular"
    name = "popular" if popular else name
    plain = fallback is None and treatment is None and is_plain(view, request)
    with stage("score"):
        subset = None if parsed is None else view.subset(parsed)
        made = model.shortlist(query, settings.candidates, subset) if plain else None
        scores = None if made is not None else score(view, model, query, allowed.mask, request, popular=popular)
    listed = None if made is None else draw_shortlisted(view, query, made, allowed, request)
    if listed is not None:
        drawn, ranked = listed
    else:
        if scores is None:  # the candidates do not suffice
            with stage("score"):
                scores = score(view, model, query, allowed.mask, request, popular=popular)
        # The chart is everybody's; a list of it is nobody's taste, whoever asks.
        taste = query if not popular and model.chart is None else Query()
        drawn = draw_of_all(view, query, taste, scores, allowed.mask, request, treatment, popular=popular)
        ranked = Ranked(np.where(allowed.mask, scores, np.float32(np.nan)))
    rows = drawn.rows
    stars = predicted_stars(view, query, rows)
    reasons = list_reasons(view, model, query, rows, ranked, fallback) if request.explain else None
    answer = Answer(
        items=make_items(view, rows, ranked.of(rows), stars, reasons),
        model=name,
        snapshot=view.snapshot.id,
        fallback=fallback,
        user_id=user_id,
        version=version,
        volatile=popular or (parsed is not None and parsed.reads_ratings),
        less_of=None if reasons is None else reasons.less_of,
    )
    return answer if treatment is None else under(answer, treatment, drawn, view)


def under(answer: Answer, treatment: Treatment, drawn: Drawn, view: RequestView) -> Answer:
    """An answer with the arm that it was made under, and the list as it is logged."""
    experiment, arm = treatment.experiment.name, treatment.arm.name
    ids = view.catalog.columns("movie_id")[0]
    shown = Exposure(
        answer.user_id or "",
        now(),
        answer.snapshot,
        answer.model,
        tuple(item.movie_id for item in answer.items),
        experiment,
        arm,
        drawn.propensities,
        tuple(ids[row] for row in drawn.candidates),
        drawn.teams,
        view.sequence,
    )
    return replace(answer, experiment=experiment, arm=arm, shown=shown)


def allowed_movies(view: RequestView, parsed: Filter | None, query: Query, request: Request, hidden: Hidden) -> Allowed:
    """Movies that may be on the list."""
    left_out = [hidden.not_interested]
    if not request.include_seen:
        left_out += [query.rows, hidden.seen]
    if request.exclude:
        excluded = view.catalog.rows(known_id(view.catalog, movie_id) for movie_id in request.exclude)
        left_out.append(excluded[excluded >= 0])
    return Allowed(view.subset(parsed), np.concatenate(left_out))


def score(
    view: RequestView,
    model: Model[Any],
    query: Query,
    allowed: NDArray[np.bool_],
    request: Request,
    *,
    popular: bool,
) -> NDArray[np.float32]:
    """Scores of all movies, (n_items,): the model's, or those of a chart for newcomers."""
    if popular:
        return newcomer_scores(view, allowed, POOL * request.n)
    scores: NDArray[np.float32] = model.score([query])[0]
    return scores


def draw_of_all(
    view: RequestView,
    query: Query,
    taste: Query,
    scores: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    request: Request,
    treatment: Treatment | None,
    *,
    popular: bool,
) -> Drawn:
    """Choose the list from the scores of all movies; `taste` is what it is calibrated to."""

    def rank(n: int, other: str | None) -> NDArray[np.int64]:
        given = scores if other is None else view.model(other).score([query])[0]
        return pick(view, taste, given, allowed, replace(request, n=n))

    with stage("rerank"):
        return Drawn(rank(request.n, None)) if treatment is None else treatment.draw(rank, request.n, popular=popular)


def is_plain(view: RequestView, request: Request) -> bool:
    """Whether a list may be chosen from a shortlist, see `models.blend.shortlist`."""
    return not request.diversity and request.n <= PLAIN_N and _adventurous(view, request) <= ADVENTUROUS


def _adventurous(view: RequestView, request: Request) -> float:
    return view.settings.adventurous if request.adventurous is None else request.adventurous


def draw_shortlisted(
    view: RequestView, query: Query, made: Shortlisted, allowed: Allowed, request: Request
) -> tuple[Drawn, Ranked] | None:
    """Choose the list from a shortlist, and return the scores that it was chosen by.

    None where others may belong on it: there are fewer than were asked for, or a movie of the sample would be listed.
    """
    may = allowed.among(made.rows, made.order)
    with stage("rerank"):
        places = view.rerankers.among(view.catalog, made.rows).pick(
            made.scores,
            query,
            request.n,
            allowed=may,
            adventurous=_adventurous(view, request),
            strength=view.settings.calibration,
            moments=(made.mean, made.deviation),
        )
    if (len(places) < request.n and not made.whole) or bool(made.sampled[places].any()):
        return None
    ranked = Ranked(np.where(may, made.scores, np.float32(np.nan)), (made.rows, made.order))
    return Drawn(made.rows[places]), ranked


def pick(
    view: RequestView,
    query: Query,
    scores: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    request: Request,
) -> NDArray[np.int64]:
    """Rows of the list: calibrated and as adventurous as asked for, then diversified where that is asked for."""
    settings = view.settings
    adventurous = _adventurous(view, request)
    n = request.n if request.diversity == 0.0 else max(POOL * request.n, 100)
    if not len(query) and request.adventurous is None:
        rows = top_n(np.where(allowed, scores, np.float32(np.nan)), n)
    else:
        rows = view.rerankers(view.catalog).pick(
            scores, query, n, allowed=allowed, adventurous=adventurous, strength=settings.calibration
        )
    if request.diversity == 0.0:
        return rows
    vectors = item_vectors_of(view, rows)
    if vectors is None:
        return rows[: request.n]
    # Relevance falls along this order as the scores fall along theirs.
    return diversify(rows, -np.sort(-scores[rows]), vectors, request.n, request.diversity)


def item_vectors_of(view: RequestView, rows: NDArray[np.int64]) -> sp.csr_matrix | None:
    """Unit-length content vectors of movies, or None where no model has any."""
    all_vectors = next((model.item_vectors for model in view.models.values() if model.item_vectors is not None), None)
    if all_vectors is None:
        return None
    vectors = all_vectors[rows]
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags_array(np.divide(1, length, out=np.zeros_like(length), where=length > 0)) @ vectors)


def predicted_stars(view: RequestView, query: Query, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Expected stars of these movies for this history, NaN where unknown; None without a star model or history."""
    model = next((m for m in view.models.values() if m.predicts_stars), None)
    if model is None or not len(query) or not len(rows):
        return None
    return model.score_rows(query, rows)


def make_items(
    view: RequestView,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    stars: NDArray[np.float32] | None = None,
    reasons: ListReasons | None = None,
) -> tuple[Item, ...]:
    """Items of ranked rows; `scores`, `stars` and `reasons` go with `rows`."""
    places = rows.tolist()
    ids, titles, years, genres = (view.catalog.some(name, places) for name in ("movie_id", "title", "year", "genres"))
    values = scores.tolist()
    expected = stars.tolist() if stars is not None else []
    return tuple(
        Item(
            row=row,
            movie_id=ids[i],
            title=titles[i],
            year=years[i],
            genres=tuple(genres[i]),
            score=values[i],
            rank=i + 1,
            stars=round(expected[i], 3) if expected and expected[i] == expected[i] else None,
            because=None if reasons is None else reasons.because[i],
            reason=None if reasons is None else reasons.texts[i],
        )
        for i, row in enumerate(places)
    )
