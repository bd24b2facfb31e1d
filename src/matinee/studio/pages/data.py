"""The page Data: its filters, kept in the address, and the choice of a part (`data_parts`)."""

from __future__ import annotations

from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import core, data_parts, pickers
from matinee.studio.style import plain
from matinee.studio.tables import cleaning, day, tables, to_zip

PARTS = {
    "ratings": "Ratings",
    "users": "Users",
    "films": "Films",
    "content": "Genres and people",
    "cleaning": "Cleaning",
}
MEASURES = ("Ratings", "Films", "Mean stars")
MAX_FILTER = 1000
"""Maximum length of the filter text. The core allows 2000, including the conditions for genres and years."""
PART, MEASURE, GENRES, YEARS, TEXT = ("data-part", "data-measure", "data-genres", "data-years", "data-filter")
SPAN = "data: span"
"""Key of the first and the last year of the data."""


def show() -> None:
    """Show the page. The address has the part and the filters, and takes precedence after "back"."""
    st.title("Data")
    whole = core.get(calls.statistics())
    genres = sorted(row["name"] for row in whole["genres"])
    years = [row["year"] for row in whole["released"]]
    span = (min(years), max(years)) if years else None
    _follow(genres, span)
    with st.container(border=True):
        _filters(genres, span)
    condition, text = _filter(span), st.session_state[TEXT].strip()
    try:
        statistics = core.get(calls.statistics(filter=condition)) if condition else whole
    except RefusedError as error:
        _show_filter_error(text, condition, error)
        return
    _totals(statistics["totals"])
    sheets = tables(statistics) | cleaning(core.get(calls.report()))
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.segmented_control(
            "Part",
            list(PARTS),
            format_func=PARTS.__getitem__,
            key=PART,
            required=True,
            on_change=_update_address,
        )
        st.download_button(
            "Download all as CSV",
            lambda: to_zip(sheets),
            "matinee-data.zip",
            "application/zip",
            key="data-all",
            on_click="ignore",
            icon=":material/folder_zip:",
        )
    part, measure = str(st.session_state[PART]), st.session_state[MEASURE]
    if part == "cleaning":
        data_parts.show_cleaning(core.get(calls.report()), sheets)
    elif not statistics["totals"]["films"]:
        core.info("No film fits these filters.")
    elif part == "ratings":
        data_parts.show_ratings(statistics, sheets)
    elif part == "users":
        data_parts.show_users(statistics, sheets)
    elif part == "films":
        data_parts.show_movies(statistics, sheets, measure)
    else:
        data_parts.show_content(sheets, measure)


def _follow(genres: list[str], span: tuple[int, int] | None) -> None:
    """Set the widgets from the address."""
    query = st.query_params
    part, measure = query.get("part"), query.get("bars")
    st.session_state[PART] = part if part in PARTS else next(iter(PARTS))
    st.session_state[MEASURE] = next((name for name in MEASURES if name.lower() == measure), MEASURES[0])
    st.session_state[GENRES] = [name for name in query.get_all("genre") if name in genres]
    st.session_state[TEXT] = query.get("filter", "")[:MAX_FILTER]
    st.session_state[SPAN] = span
    if span:
        low, high = _year(query.get("from"), span[0], span), _year(query.get("to"), span[1], span)
        st.session_state[YEARS] = (min(low, high), max(low, high))


def _year(text: str | None, otherwise: int, span: tuple[int, int]) -> int:
    number = int(text) if text and text.isdecimal() and len(text) < 6 else otherwise
    return min(max(number, span[0]), span[1])


def _filters(genres: list[str], span: tuple[int, int] | None) -> None:
    left, right = st.columns(2)
    left.multiselect(
        "Genres", genres, key=GENRES, placeholder="All genres", on_change=_update_address, select_all=False
    )
    if span and span[0] < span[1]:
        right.slider(
            "Years of release",
            *span,
            key=YEARS,
            on_change=_update_address,
            help="Films without a year are left out as soon as years are chosen.",
        )
    left.text_input(
        "Filter",
        key=TEXT,
        max_chars=MAX_FILTER,
        placeholder='director = "Hayao Miyazaki" and ratings >= 20',
        help=f"The filter language of Matinee. Fields: {pickers.FIELDS} …",
        on_change=_update_address,
    )
    right.radio("Bars of groups show", MEASURES, key=MEASURE, horizontal=True, on_change=_update_address)


def _update_address() -> None:
    """Set the address from the widgets."""
    state = st.session_state
    params: dict[str, str | list[str]] = {"page": "data"}
    if state[PART] != next(iter(PARTS)):
        params["part"] = state[PART]
    if state[MEASURE] != MEASURES[0]:
        params["bars"] = state[MEASURE].lower()
    if state[GENRES]:
        params["genre"] = state[GENRES]
    if state[TEXT].strip():
        params["filter"] = state[TEXT].strip()
    if state[SPAN] and state.get(YEARS, state[SPAN]) != state[SPAN]:  # all years: no filter, whatever films are added
        params |= {"from": str(state[YEARS][0]), "to": str(state[YEARS][1])}
    st.query_params.from_dict(params)


def _filter(span: tuple[int, int] | None) -> str:
    """All filters as one expression."""
    parts = []
    if names := st.session_state[GENRES]:
        quoted = ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
        parts.append(f"genre in ({quoted})")
    if span and st.session_state[YEARS] != span:
        parts.append("year between {} and {}".format(*st.session_state[YEARS]))
    if text := st.session_state[TEXT].strip():
        parts.append(f"({text})" if parts else text)
    return " and ".join(parts)


def _show_filter_error(text: str, condition: str, error: RefusedError) -> None:
    if text and text != condition:  # the position must refer to the typed text
        try:
            core.ask(calls.statistics(filter=text))
        except RefusedError as own:
            error = own
        else:
            text = condition
    pickers.show_filter_error(text, error)


def _totals(totals: dict[str, Any]) -> None:
    figures = {
        "Users": f"{totals['users']:,}",
        "Films": f"{totals['films']:,}",
        "Films with ratings": f"{totals['rated_films']:,}",
        "Ratings": f"{totals['ratings']:,}",
        "Mean stars": "–" if totals["mean"] is None else f"{totals['mean']:.2f}",
        "Density": f"{totals['density']:.2%}",
    }
    with st.container(horizontal=True, gap="medium"):
        for name, value in figures.items():
            st.metric(name, value, width="content")
    first, last = day(totals["first"]), day(totals["last"])
    times = f"Ratings from {first} to {last}. " if first and last else ""
    st.caption(plain(f"{times}The latest ratings count too, after a minute at most."))
