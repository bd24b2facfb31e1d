"""The page Explain: why a movie is recommended to a user or not, in sentences and charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import charts, core, explanation_text, grids, pickers
from matinee.studio.movie_lists import portrait
from matinee.studio.pickers import catalog
from matinee.studio.style import counted, plain, with_year

RECOMMENDED, RATED, ANY = "Recommended", "Rated", "Any film"
SOURCES = (RECOMMENDED, RATED, ANY)
SOURCE = "explain-source"
SHOWN_USER = "explain: user"
N, FACTORS = 20, 3
Answer = Mapping[str, Any]


def show() -> None:
    """Show the page; `?page=explain&user=42&film=318&model=blend` holds its state."""
    st.title("Explain")
    pickers.follow()
    models = pickers.models()
    if not models:
        return
    names = [model["name"] for model in models]
    left, right = st.columns([2, 1])
    with left:
        user_id = pickers.user("User", "explain-user")
    with right:
        name = pickers.model("Model", "explain-model", names, default=pickers.default_model(models))
    if user_id is None:
        core.info("Choose a user.")
        return
    rated = pickers.history(user_id)
    if not rated:
        pickers.address(user=user_id, model=name)
        pickers.show_unknown_user(user_id)
        return
    recommended = core.get(calls.recommendations(user_id, model=name, n=N))
    movie_id = _movie(user_id, recommended["items"], rated)
    pickers.address(user=user_id, film=movie_id, model=name)
    if movie_id is None:
        core.info("Choose a film.")
        return
    try:
        answer = core.get(calls.explanation(user_id, movie_id, model=name))
    except RefusedError as error:
        if error.status != 404:
            raise
        core.info(plain(error.message))
        return
    _explain(answer, rated)


def _movie(user_id: str, recommended: Sequence[Answer], rated: Sequence[Answer]) -> str | None:
    movies = catalog()
    requested = pickers.param("film")
    best = sorted(rated, key=lambda row: -row["rating"])
    lists = {
        RECOMMENDED: {
            row["movie_id"]: f"{rank}. {with_year(row['title'], row['year'])}"
            for rank, row in enumerate(recommended, start=1)
        },
        RATED: {row["movie_id"]: f"{row['rating']:g} stars: {row['title']}" for row in best},
    }
    initial = next((n for n in lists if requested in lists[n]), ANY if requested in movies.by_id else RECOMMENDED)
    pickers.init_widget(SOURCE, initial if lists[RECOMMENDED] or initial != RECOMMENDED else RATED)
    source = st.radio("Choose the film from", SOURCES, key=SOURCE, horizontal=True)
    if source == ANY:
        return pickers.movie("Film", "explain-any")
    labels = lists[str(source)]
    if not labels:
        core.info("There is none.")
        return None
    key = f"explain-{source}"
    pickers.init_widget(key, requested)
    selected = st.session_state[key]
    if selected not in labels and selected in movies.by_id and st.session_state.get(SHOWN_USER) == user_id:
        labels[selected] = f"{movies.by_id[selected]} – not on this list"  # keep the movie when the model changes
    elif selected not in labels:
        st.session_state[key] = next(iter(labels))
    st.session_state[SHOWN_USER] = user_id
    return str(st.selectbox("Film", list(labels), format_func=lambda one: labels.get(one, one), key=key))


# --- the answer ------------------------------------------------------------------------------------------------
def _explain(answer: Answer, rated: Sequence[Answer]) -> None:
    movie_id = answer["movie_id"]
    movie = core.get(calls.movie(movie_id))
    picture = core.poster(movie_id)
    left, right = st.columns([1, 4])
    with left:
        if picture:
            portrait(picture)
    with right:
        st.subheader(plain(with_year(movie["title"], movie.get("year"))), anchor=False)
        st.caption(plain(", ".join(movie.get("genres") or ())))
        st.markdown("\n".join(f"- {sentence}" for sentence in explanation_text.sentences(answer)))
        st.caption(plain(f"For user {answer['user_id']}, who has rated {counted(len(rated), 'film')}."))
    _shares(answer)
    _models(answer)
    _neighbors(answer)
    _content(answer)
    _factors(answer)


def _shares(answer: Answer) -> None:
    reasons = answer.get("because") or []
    st.subheader("Where the score comes from")
    if not reasons:
        st.markdown(explanation_text.because(answer))
        return
    rest = answer.get("rest") or 0.0
    names = [row["title"] for row in reasons] + (["All other films"] if rest > 0 else [])
    shares = [row["share"] for row in reasons] + ([rest] if rest > 0 else [])
    stars = [row.get("rating") for row in reasons] + ([None] if rest > 0 else [])
    hover = [
        f"{share:.1%}" + (f", {one:g} stars" if one is not None else "")
        for share, one in zip(shares, stars, strict=True)
    ]
    charts.draw(
        charts.bars(
            names,
            shares,
            x="share of the score",
            horizontal=True,
            percent=True,
            strong=[True] * len(reasons) + [False] * (len(names) - len(reasons)),
            hover=hover,
        ),
        key="explain-shares",
        alt="Films of the history with their share of the score",
        caption=f"The films that speak for it most, with their part of what speaks for it in {answer['model']}.",
        table={"Film": names, "Share": shares, "Stars": stars},
    )


def _models(answer: Answer) -> None:
    rows = answer.get("models") or []
    if not rows:
        return
    st.subheader("What every model says")
    ranked = sorted(
        (row for row in rows if row.get("rank") is not None), key=lambda row: row["rank"] / max(row["of"], 1)
    )
    silent = [row["name"] for row in rows if row.get("rank") is None]
    note = f" Without an opinion: {', '.join(silent)}." if silent else ""
    places = [f"{row['rank']:,} of {row['of']:,}" for row in ranked]
    charts.draw(
        charts.ranks(
            [row["name"] for row in ranked],
            [row["rank"] for row in ranked],
            x="rank (logarithmic), the best on the left",
            strong=[row["name"] == answer["model"] for row in ranked],
            hover=[f"rank {place}" for place in places],
        ),
        key="explain-models",
        alt="Rank of the film with every model",
        caption=f"Among the films that the user has not rated. Scores of two models cannot be compared.{note}",
        table={
            "Model": [row["name"] for row in ranked] + silent,
            "Rank": [*places, *[None for _ in silent]],
            "Score": [row.get("score") for row in ranked] + [None for _ in silent],
        },
    )


def _neighbors(answer: Answer) -> None:
    raters = answer.get("neighbors") or []
    if not raters:
        return
    st.subheader("Users of similar taste who have rated it")
    stars = Counter(row["stars"] for row in raters)
    steps = sorted({*stars, *(float(step) for step in range(1, 6))})
    left, right = st.columns(2)
    with left:
        charts.draw(
            charts.bars([f"{step:g}" for step in steps], [stars[step] for step in steps], x="stars", y="users"),
            key="explain-neighbors",
            alt="How many users of similar taste gave how many stars",
            caption="How many of them gave how many stars.",
        )
    with right:
        table = {
            "User": [row["user_id"] for row in raters],
            "Stars": [row["stars"] for row in raters],
            "Similarity": [row["similarity"] for row in raters],
            "Films in common": [row["common"] for row in raters],
        }
        config = grids.numbers(("Stars",), 1)
        config |= grids.numbers(("Similarity",), 3, help="Cosine of the two tastes, 1 for the same.")
        grids.grid(table, key="explain-users", alt="Users of similar taste", config=config)
        st.caption("The most similar first.")


def _content(answer: Answer) -> None:
    rows = answer.get("content") or []
    if not rows:
        return
    st.subheader("What it has in common with films the user likes")
    columns = {
        "Field": [row["field"] for row in rows],
        "In common": [", ".join(row["shared"]) for row in rows],
        "For example with": [", ".join(movie["title"] for movie in row["films"]) for row in rows],
    }
    grids.text_table(columns, alt="Words in common by field")


def _factors(answer: Answer) -> None:
    rows = answer.get("factors") or []
    if not rows:
        return
    st.subheader("Factors of taste")
    names = [f"factor {row['factor']}" for row in rows]
    products = [row["product"] for row in rows]
    hover = [f"{row['product']:+.3f} = {row['user']:+.2f} (user) × {row['film']:+.2f} (film)" for row in rows]
    charts.draw(
        charts.bars(names, products, x="part of iALS's score", horizontal=True, hover=hover),
        key="explain-factors",
        alt="The factors that matter most, with what each adds to the score",
        caption="iALS learns the factors from ratings alone; only the films at their ends say what they are.",
        table={
            "Factor": names,
            "User": [row["user"] for row in rows],
            "Film": [row["film"] for row in rows],
            "Adds": products,
        },
    )
    lines = [f"- {explanation_text.factor(row)}" for row in rows]
    st.markdown("\n".join(lines[:FACTORS]))
    if lines[FACTORS:]:
        with st.expander("The other factors"):
            st.markdown("\n".join(lines[FACTORS:]))
