"""The parts of the page Data: statistics of the ratings of filtered movies, and how the data were cleaned.

Each chart has its data as a table and as a download.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from matinee.studio import charts, core, grids
from matinee.studio.style import plain, with_year
from matinee.studio.tables import Columns, to_csv

MAX_BARS = 20
"""Maximum number of bars; the table has all rows."""
SHARE = 0.2
"""Share of the movies in the caption of the long tail."""
NO_TIMES = "When these ratings were given is not known: the data have no times."
Sheets = Mapping[str, Columns]


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
    if _any(statistics):
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
            "The filters do not apply to this part: it is about the whole data set."
        )
    )
    st.header("Rows by table")
    _table("cleaning", sheets["cleaning"], "Rows read and kept, by table")
    st.header("Reasons")
    if sheets["cleaning_reasons"]["Count"]:
        _table("cleaning_reasons", sheets["cleaning_reasons"], "Rows dropped and changed, by reason")
    else:
        core.info("Nothing had to be dropped or changed.")
    if sheets["joins"]["Source"]:
        st.header("What sources know")
        _table("joins", sheets["joins"], "Share of the films for which a source had something")
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
        core.info("No year of release is known.")
        return
    if measure == "Mean stars":
        figure = charts.lines(table[heading], {measure: table[measure]}, x=heading, y=measure, dots=True)
    else:
        figure = charts.bars(table[heading], table[measure], x=heading, y=measure)
    _chart(figure, name, table, f"{measure} by {heading.lower()}")


def _groups(table: Columns, name: str, heading: str, measure: str) -> None:
    if not table[heading]:
        core.info(f"Nothing is known of {name}.")
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
    """Whether there are ratings. Shows a notice if not."""
    if not statistics["totals"]["ratings"]:
        core.info("Nobody has rated these films.")
        return False
    return True


def _chart(figure: go.Figure, name: str, table: Columns, alt: str, caption: str = "") -> None:
    charts.draw(figure, key=f"data-{name}-chart", alt=alt, caption=caption)
    with st.container(horizontal=True, vertical_alignment="center"):
        figures = st.toggle("Show as a table", key=f"data-{name}-table")
        _download(name, table)
    if figures:
        grids.grid(table, alt=alt, key=f"data-{name}-rows")


def _table(name: str, table: Columns, alt: str) -> None:
    grids.grid(table, alt=alt, key=f"data-{name}-rows")
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
