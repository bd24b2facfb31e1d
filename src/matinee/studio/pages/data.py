"""The page Data: statistics of the ratings of filtered movies, and how the data were cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import charts, core, pickers
from matinee.studio.style import plain, with_year
from matinee.studio.tables import Columns, cleaning, day, tables, to_csv, to_zip

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
MAX_BARS = 20
"""Maximum number of bars; the table has all rows."""
SHARE = 0.2
"""Share of the movies in the caption of the long tail."""
NO_TIMES = "When these ratings were given is not known: the data have no times."
Sheets = Mapping[str, Columns]


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
        show_cleaning(core.get(calls.report()), sheets)
    elif not statistics["totals"]["films"]:
        st.info("No film fits these filters.", icon=":material/info:")
    elif part == "ratings":
        show_ratings(statistics, sheets)
    elif part == "users":
        show_users(statistics, sheets)
    elif part == "films":
        show_movies(statistics, sheets, measure)
    else:
        show_content(sheets, measure)


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


def show_ratings(statistics: Mapping[str, Any], sheets: Sheets) -> None:
    """Stars, and ratings over time."""
    if not _any(statistics):
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Stars")
        stars = sheets["stars"]
        figure = charts.bars(stars["Stars"], stars["Ratings"], x="Stars", y="Ratings")
        figure.update_xaxes(tickvals=stars["Stars"])
        best = max(zip(stars["Ratings"], stars["Stars"], strict=True))
        _chart(figure, "stars", stars, f"Ratings by number of stars; {best[1]:g} stars were given most often")
    years = sheets["years"]
    with right:
        st.header("Mean stars over time")
        if not years["Year"]:
            st.info(NO_TIMES, icon=":material/schedule:")
        else:
            figure = charts.lines(
                years["Year"], {"Mean stars": years["Mean stars"]}, x="Year", y="Mean stars", dots=True
            )
            figure.update_xaxes(tickformat="d")
            _chart(figure, "years", years, f"Mean stars by year, {years['Year'][0]} to {years['Year'][-1]}")
    st.header("Ratings over time")
    name, unit = ("months", "Month") if statistics["months"] else ("years", "Year")
    table = sheets[name]
    if not table[unit]:
        st.info(NO_TIMES, icon=":material/schedule:")
        return
    if len(table[unit]) == 1:
        figure = charts.bars([str(when) for when in table[unit]], table["Ratings"], x=unit, y="Ratings")
    else:
        figure = charts.lines(
            table[unit], {"Ratings": table["Ratings"]}, x=unit, y=f"Ratings a {unit.lower()}", fill=True
        )
    _chart(figure, f"over-{name}", table, f"Ratings by {unit.lower()}, {table[unit][0]} to {table[unit][-1]}")


def show_users(statistics: Mapping[str, Any], sheets: Sheets) -> None:
    """Ratings per user, and the most active users."""
    if not _any(statistics):
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Ratings per user")
        _spread(statistics["per_user"], sheets["per_user"], "per_user", "Users")
    with right:
        st.header("Most active users")
        table = sheets["top_users"]
        _ranked(table, "top_users", table["User"], "user")


def show_movies(statistics: Mapping[str, Any], sheets: Sheets, measure: str) -> None:
    """Ratings per film, the long tail, most rated films, years of release."""
    if statistics["totals"]["ratings"]:
        left, right = st.columns(2, gap="large")
        with left:
            st.header("Ratings per film")
            _spread(statistics["per_film"], sheets["per_film"], "per_film", "Films")
        with right:
            st.header("Long tail")
            _long_tail(sheets["long_tail"])
        st.header("Most rated films")
        table = sheets["top_films"]
        names = [with_year(title, year) for title, year in zip(table["Title"], table["Year"], strict=True)]
        _ranked(table, "top_films", names, "film")
    else:
        _any(statistics)
    st.header("Years of release")
    _numbers(sheets["released"], "released", "Year of release", measure)
    st.header("Decades")
    _numbers(sheets["decades"], "decades", "Decade", measure)


def show_content(sheets: Sheets, measure: str) -> None:
    """Genres, directors, countries, tags."""
    left, right = st.columns(2, gap="large")
    for column, title, name, heading in (
        (left, "Genres", "genres", "Genre"),
        (right, "Directors", "directors", "Director"),
        (left, "Countries", "countries", "Country"),
        (right, "Tags", "tags", "Tag"),
    ):
        with column:
            st.header(title)
            _groups(sheets[name], name, heading, measure)
    st.caption("A film of several genres, directors, countries or tags counts for each of them.")


def show_cleaning(report: Mapping[str, Any], sheets: Sheets) -> None:
    """Rows dropped and changed by cleaning."""
    dropped = sum(sheets["cleaning"]["Dropped"])
    st.markdown(
        plain(
            f"Cleaning {report['dataset']} dropped {dropped:,} of {sum(sheets['cleaning']['Rows in']):,} rows. "
            "Filters do not touch this part: it tells of the whole data."
        )
    )
    st.header("Rows by table")
    _table("cleaning", sheets["cleaning"], "Rows read and kept, by table")
    st.header("Reasons")
    if sheets["cleaning_reasons"]["Count"]:
        _table("cleaning_reasons", sheets["cleaning_reasons"], "Rows dropped and changed, by reason")
    else:
        st.info("Nothing had to be dropped or changed.", icon=":material/info:")
    if sheets["joins"]["Source"]:
        st.header("What sources know")
        _table(
            "joins", sheets["joins"], "Share of the films for which a source had something", percent="Share of films"
        )
    for note in report["notes"]:
        st.caption(plain(note))


# --- kinds of charts -------------------------------------------------------------------------------------------
def _spread(counts: Mapping[str, Any], table: Columns, name: str, what: str) -> None:
    figure = charts.bars(table["Ratings"], table[what], x="Ratings", y=what)
    caption = f"Median {counts['median']:g}, mean {counts['mean']:.1f}, most {counts['most']:,}. Bins widen."
    _chart(figure, name, table, f"{what} by their number of ratings. {caption}", caption)


def _long_tail(table: Columns) -> None:
    shares = list(zip(table["Share of films"], table["Share of ratings"], strict=True))
    head = next((ratings for part, ratings in shares if part >= SHARE), 1.0)
    caption = f"The most rated {SHARE:.0%} of the films have {head:.0%} of the ratings."
    figure = charts.lines(
        [0.0, *table["Share of films"]],
        {"Ratings": [0.0, *table["Share of ratings"]]},
        x="Share of films, most rated first",
        y="Share of ratings",
        fill=True,
        percent=True,
    )
    _chart(figure, "long_tail", table, caption, caption)


def _numbers(table: Columns, name: str, heading: str, measure: str) -> None:
    if not table[heading]:
        st.info("No year of release is known.", icon=":material/info:")
        return
    if measure == "Mean stars":
        figure = charts.lines(table[heading], {measure: table[measure]}, x=heading, y=measure, dots=True)
    else:
        figure = charts.bars(table[heading], table[measure], x=heading, y=measure)
    _chart(figure, name, table, f"{measure} by {heading.lower()}")


def _groups(table: Columns, name: str, heading: str, measure: str) -> None:
    if not table[heading]:
        st.info(f"Nothing is known of {name}.", icon=":material/info:")
        return
    hover = [
        f"{films:,} films, {count:,} ratings, mean {'unknown' if mean is None else f'{mean:.2f}'}"
        for films, count, mean in zip(table["Films"], table["Ratings"], table["Mean stars"], strict=True)
    ]
    figure = charts.bars(
        table[heading][:MAX_BARS], table[measure][:MAX_BARS], x=measure, horizontal=True, hover=hover[:MAX_BARS]
    )
    more = len(table[heading]) - MAX_BARS
    order = "films" if name == "tags" else "ratings"
    caption = f"The {MAX_BARS} with most {order}; table and download have {len(table[heading])}." if more > 0 else ""
    _chart(figure, name, table, f"{measure} by {heading.lower()}: {', '.join(table[heading][:3])} come first", caption)


def _ranked(table: Columns, name: str, names: list[str], what: str) -> None:
    means = ["" if mean is None else f", mean {mean:.2f}" for mean in table["Mean stars"]]
    hover = [f"{count:,} ratings{mean}" for count, mean in zip(table["Ratings"], means, strict=True)]
    figure = charts.bars(
        names[:MAX_BARS], table["Ratings"][:MAX_BARS], x="Ratings", horizontal=True, hover=hover[:MAX_BARS]
    )
    caption = f"The first {MAX_BARS}; table and download have {len(names)}." if len(names) > MAX_BARS else ""
    _chart(figure, name, table, f"Ratings by {what}; {names[0]} has most, {table['Ratings'][0]:,}", caption)


def _any(statistics: Mapping[str, Any]) -> bool:
    if not statistics["totals"]["ratings"]:
        st.info("Nobody has rated these films.", icon=":material/info:")
        return False
    return True


def _chart(figure: go.Figure, name: str, table: Columns, alt: str, caption: str = "") -> None:
    charts.draw(figure, key=f"data-{name}-chart", alt=alt, caption=caption)
    with st.container(horizontal=True, vertical_alignment="center"):
        figures = st.toggle("Show as a table", key=f"data-{name}-table")
        _download(name, table)
    if figures:
        st.dataframe(table, hide_index=True, alt=alt, key=f"data-{name}-rows")


def _table(name: str, table: Columns, alt: str, percent: str = "") -> None:
    form = {percent: st.column_config.NumberColumn(format="percent")} if percent else None
    st.dataframe(table, hide_index=True, alt=alt, key=f"data-{name}-rows", column_config=form)
    _download(name, table)


def _download(name: str, table: Columns) -> None:
    st.download_button(
        "Download CSV",
        to_csv(table),
        f"matinee-{name.replace('_', '-')}.csv",
        "text/csv",
        key=f"data-{name}-csv",
        on_click="ignore",
        icon=":material/download:",
        help=f"What is shown here, as {name}.csv",
    )
