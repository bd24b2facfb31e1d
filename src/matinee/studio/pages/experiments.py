"""The page Experiments: what the arms of an experiment on users have shown up to now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from matinee.client import RefusedError, calls
from matinee.studio import core, grids, pickers
from matinee.studio.style import plain

EXPERIMENT = "experiments-experiment"
COLUMNS = ("Mean", "Difference", "From", "To", "p, any time", "p, once")
MEANINGS = """- Outcome: films of an arm's lists that its users rated, put on the watchlist or saw within the window.
- Mean: outcome of a user.
- Difference from the first arm, with its 95 % interval; interval and *p, any time* may be read as often as you like.
- *p, once* is right only if it is read once, at a number of users that was set before."""
MISMATCH = 0.001
"""p-value of the shares below which something is wrong."""


def show() -> None:
    """Show the page; `?page=experiments&experiment=` holds its state."""
    st.title("Experiments")
    pickers.follow()
    try:
        items = core.ask(calls.experiments())["items"]
    except RefusedError as error:
        if error.status != 403:
            raise
        pickers.address()
        core.info("Experiments are for administrators: give the studio a key of the role admin (MATINEE_API_KEY).")
        return
    if not items:
        pickers.address()
        core.info(
            "There was no experiment yet. `matinee experiment start NAME --arm control:share=0.5 --arm "
            "ease:share=0.5,model=ease` starts one; services follow at once."
        )
        return
    names = {item["name"]: line(item) for item in items}
    requested = pickers.param("experiment")
    pickers.init_widget(EXPERIMENT, requested if requested in names else items[0]["name"])
    chosen = str(st.selectbox("Experiment", list(names), format_func=lambda one: names.get(one, one), key=EXPERIMENT))
    pickers.address(experiment=chosen)
    _result(core.ask(calls.experiment(chosen)))


def _result(found: Mapping[str, Any]) -> None:
    about = found["experiment"]
    drawn = f" {about['exploration']:.0%} of the places are drawn at random." if about["exploration"] else ""
    st.caption(plain(f"Use within {about['window_days']:g} days after a list counts.{drawn}"))
    if found["p_shares"] is not None and found["p_shares"] < MISMATCH:
        st.warning("The users are not divided as stated: do not trust these figures.", icon=":material/warning:")
    grids.grid(arms(found), key="experiments-arms", alt="Arms with their outcomes", config=grids.numbers(COLUMNS, 4))
    with st.expander("What the figures mean", icon=":material/help:"):
        st.markdown(MEANINGS)
    for wins in found["interleaving"]:
        p = "" if wins["p"] is None else f" Sign test, read once: p {wins['p']:.4f}."
        st.markdown(
            plain(
                f"{wins['arm']}: users who took more films of {wins['first']}: {wins['first_wins']:,}, "
                f"of {wins['second']}: {wins['second_wins']:,}, of neither: {wins['ties']:,}.{p}"
            )
        )


def line(item: Mapping[str, Any]) -> str:
    """An experiment in one line."""
    state = "runs" if item["stopped"] is None else f"until {item['stopped'][:10]}"
    return f"{item['name']}: since {item['started'][:10]}, {state}"


def arms(found: Mapping[str, Any]) -> grids.Columns:
    """The arms of an experiment as a table."""
    rows, others = found["arms"], {one["arm"]: one for one in found["differences"]}
    told = [others.get(row["arm"], {}) for row in rows]
    return {
        "Arm": [row["arm"] for row in rows],
        "Share": [row["share"] for row in rows],
        "Users": [row["users"] for row in rows],
        "Lists": [row["lists"] for row in rows],
        "Outcome": [row["outcome"] for row in rows],
        "Mean": [row["mean"] for row in rows],
        "Difference": [one.get("difference") for one in told],
        "From": [one.get("low") for one in told],
        "To": [one.get("high") for one in told],
        "p, any time": [one.get("p_always") for one in told],
        "p, once": [one.get("p_fixed") for one in told],
    }
