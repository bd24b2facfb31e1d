"""Comparison of two models for one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import core, pickers
from matinee.studio.comparison import in_words, overlap
from matinee.studio.movie_lists import Entry, film_list
from matinee.studio.style import plain
from matinee.studio.tables import day

MIN_N, MAX_N, DEFAULT_N = 5, 50, 10
SECOND = ("content", "popular")
"""Default of the second model: the first of these that exists."""
FALLBACKS = {
    "popular": "Nothing is known of this user's taste: these are the most popular films.",
    "content": "Only the contents of this user's films are known: these are films with like contents.",
}


def show(names: Sequence[str], default: str) -> None:
    """Show the view. The address has its state."""
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
        given = pickers.given("n") or ""
        start = int(given) if given.isdecimal() and len(given) < 4 else DEFAULT_N
        pickers.start("models-n", min(max(start, MIN_N), MAX_N))
        n = int(st.number_input("Films in a list", MIN_N, MAX_N, key="models-n"))
    with third:
        condition = pickers.film_filter("models-filter")
    pickers.address(view="side-by-side", user=user_id, left=left, right=right, n=n, filter=condition)
    if user_id is None:
        st.info("Choose a user.", icon=":material/info:")
        return
    try:
        answers = [
            core.get(calls.recommendations(user_id, model=name, n=n, filter=condition or None))
            for name in (left, right)
        ]
    except RefusedError as error:
        pickers.say_filter_fault(condition, error)
        return
    _compare(left, right, answers)
    _history(user_id)


def _compare(left: str, right: str, answers: Sequence[Mapping[str, Any]]) -> None:
    ids = [[item["movie_id"] for item in answer["items"]] for answer in answers]
    st.subheader("What they have in common")
    if left == right:
        st.info("Both sides show the same model. Choose another for one of them.", icon=":material/info:")
    st.markdown(plain(in_words(overlap(*ids))))
    for column, name, answer, others in zip(st.columns(2), (left, right), answers, reversed(ids), strict=True):
        with column:
            st.subheader(plain(name), anchor=False)
            fallback = answer.get("fallback")
            if fallback:
                st.caption(FALLBACKS.get(fallback, "This model knows too little of this user."))
            if not answer["items"]:
                st.info("No film passes the filter.", icon=":material/info:")
            film_list([_entry(item, others) for item in answer["items"]])


def _entry(item: Mapping[str, Any], others: Sequence[str]) -> Entry:
    stars = item.get("stars")
    note = ", ".join(item.get("genres") or ()) + (f" · {stars:.1f} stars" if stars is not None else "")
    badge = f"no. {others.index(item['movie_id']) + 1} in the other" if item["movie_id"] in others else ""
    return Entry(item["movie_id"], item["title"], item.get("year"), note.removeprefix(" · "), badge)


def _history(user_id: str) -> None:
    st.subheader("What this user has rated")
    rated = pickers.history(user_id)
    if not rated:
        pickers.say_unknown(user_id)
        return
    mean = sum(row["rating"] for row in rated) / len(rated)
    best = sorted(rated, key=lambda row: -row["rating"])
    liked = ", ".join(f"{row['title']} ({row['rating']:g})" for row in best[:5])
    count = f"{len(rated):,} film{'' if len(rated) == 1 else 's'}, {mean:.2f} stars on average"
    st.markdown(plain(f"{count}. Liked most: {liked}."))
    table = {
        "Film": [row["title"] for row in best],
        "Stars": [row["rating"] for row in best],
        "Rated": [day(row.get("timestamp")) or "" for row in best],
    }
    shown = {"Stars": st.column_config.NumberColumn(format="%.1f"), "Film": st.column_config.TextColumn(width="large")}
    st.dataframe(table, column_config=shown, hide_index=True, height=280, alt="Films rated", key="models-history")
