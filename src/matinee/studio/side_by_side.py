"""Comparison of two models for one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import core, pickers
from matinee.studio.movie_lists import Entry, movie_list
from matinee.studio.style import counted, plain
from matinee.studio.tables import day

MIN_N, MAX_N, DEFAULT_N = 5, 50, 10
MIN_COMMON = 3
"""Minimum number of common movies to compare their order."""
SECOND = ("content", "popular")
"""Default of the second model: the first of these that exists."""
FALLBACKS = {
    "popular": "Nothing is known of this user's taste: these are the most popular films.",
    "content": "This model knows none of this user's films, so these are films with similar content.",
}


def show(models: Sequence[Mapping[str, Any]]) -> None:
    """Show the view. The address has its state."""
    names, default = [model["name"] for model in models], pickers.default_model(models)
    other = next((name for name in (*SECOND, *names) if name in names and name != default), default)
    first, second = st.columns(2)
    with first:
        left = pickers.model("First model", "models-left", names, parameter="left", default=default)
    with second:
        right = pickers.model("Second model", "models-right", names, parameter="right", default=other)
    first, second, third = st.columns([2, 1, 2], vertical_alignment="bottom")
    with first:
        user_id = pickers.user("User", "models-user")
    with second:
        text = pickers.param("n") or ""
        initial = int(text) if text.isdecimal() and len(text) < 4 else DEFAULT_N
        pickers.init_widget("models-n", min(max(initial, MIN_N), MAX_N))
        n = int(st.number_input("Films in a list", MIN_N, MAX_N, key="models-n"))
    with third:
        condition = pickers.filter_input("models-filter")
    pickers.address(view="side-by-side", user=user_id, left=left, right=right, n=n, filter=condition)
    if user_id is None:
        core.info("Choose a user.")
        return
    try:
        answers = [
            core.get(calls.recommendations(user_id, model=name, n=n, filter=condition or None))
            for name in (left, right)
        ]
    except RefusedError as error:
        pickers.show_filter_error(condition, error)
        return
    _compare(left, right, answers)
    _history(user_id)


def _compare(left: str, right: str, answers: Sequence[Mapping[str, Any]]) -> None:
    ids = [[item["movie_id"] for item in answer["items"]] for answer in answers]
    st.subheader("What they have in common")
    if left == right:
        core.info("Both sides show the same model. Choose another for one of them.")
    st.markdown(plain(in_words(overlap(*ids))))
    for column, name, answer, others in zip(st.columns(2), (left, right), answers, reversed(ids), strict=True):
        with column:
            st.subheader(plain(name), anchor=False)
            fallback = answer.get("fallback")
            if fallback:
                st.caption(FALLBACKS.get(fallback, "This model knows too little of this user."))
            if not answer["items"]:
                core.info("No film passes the filter.")
            movie_list([_entry(item, others) for item in answer["items"]])


def _entry(item: Mapping[str, Any], others: Sequence[str]) -> Entry:
    stars = item.get("stars")
    note = ", ".join(item.get("genres") or ()) + (f" · {stars:.1f} stars" if stars is not None else "")
    badge = f"no. {others.index(item['movie_id']) + 1} in the other" if item["movie_id"] in others else ""
    return Entry(item["movie_id"], item["title"], item.get("year"), note.removeprefix(" · "), badge)


def _history(user_id: str) -> None:
    st.subheader("What this user has rated")
    rated = pickers.history(user_id)
    if not rated:
        pickers.show_unknown_user(user_id)
        return
    mean = sum(row["rating"] for row in rated) / len(rated)
    best = sorted(rated, key=lambda row: -row["rating"])
    liked = ", ".join(f"{row['title']} ({row['rating']:g})" for row in best[:5])
    st.markdown(plain(f"{counted(len(rated), 'film')}, {mean:.2f} stars on average. Liked most: {liked}."))
    table = {
        "Film": [row["title"] for row in best],
        "Stars": [row["rating"] for row in best],
        "Rated": [day(row.get("timestamp")) or "" for row in best],
    }
    config = {"Stars": st.column_config.NumberColumn(format="%.1f"), "Film": st.column_config.TextColumn(width="large")}
    st.dataframe(table, column_config=config, hide_index=True, height=280, alt="Films rated", key="models-history")


@dataclass(frozen=True)
class Overlap:
    """The overlap of two ranked lists.

    Attributes:
        both: movies of both, in the order of the first list.
        jaccard: size of intersection / size of union, 0..1; 0 if both are empty.
        spearman: rank correlation of the common movies, -1..1; None if they are fewer than `MIN_COMMON`.
        shorter: length of the shorter list.
    """

    both: tuple[str, ...]
    jaccard: float
    spearman: float | None
    shorter: int


def overlap(first: Sequence[str], second: Sequence[str]) -> Overlap:
    """The overlap of two lists of distinct movie ids, best first."""
    both = tuple(movie_id for movie_id in first if movie_id in set(second))
    either = len(set(first) | set(second))
    return Overlap(both, len(both) / either if either else 0.0, _spearman(both, second), min(len(first), len(second)))


def _spearman(both: Sequence[str], second: Sequence[str]) -> float | None:
    n = len(both)
    if n < MIN_COMMON:
        return None
    ranks = {movie_id: rank for rank, movie_id in enumerate(one for one in second if one in set(both))}
    squares = sum((rank - ranks[movie_id]) ** 2 for rank, movie_id in enumerate(both))
    return 1 - 6 * squares / (n * (n * n - 1))


def in_words(result: Overlap) -> str:
    """The overlap as sentences."""
    n = len(result.both)
    if not result.shorter:
        return "One of the lists is empty, so there is nothing to compare."
    if n == 0:
        return "No film is in both lists: the two models see this user quite differently (Jaccard 0)."
    count = f"{n} of {result.shorter} films {'is' if n == 1 else 'are'} in both lists (Jaccard {result.jaccard:.2f})"
    if result.jaccard == 1:
        how = "the same films"
    elif result.jaccard >= 0.5:
        how = "much the same taste"
    elif result.jaccard >= 0.2:
        how = "some taste in common"
    else:
        how = "little in common"
    if result.spearman is None:
        return f"{count}: {how}. Too few to compare their order."
    rho = f"(Spearman {result.spearman:+.2f})"
    if result.spearman >= 0.7:
        order = f"They are in much the same order {rho}."
    elif result.spearman >= 0.3:
        order = f"They are in a roughly similar order {rho}."
    elif result.spearman > -0.3:
        order = f"Their order has nothing in common {rho}."
    else:
        order = f"They are in rather the opposite order {rho}."
    return f"{count}: {how}. {order}"
