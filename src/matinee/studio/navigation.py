"""The pages of the studio by section, and their choice in the sidebar.

A page is one module of `pages`, with `show() -> None`, and one line of `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import streamlit as st


@dataclass(frozen=True)
class Entry:
    """A page.

    Attributes:
        name: in the address, `?page=name`; the module has "_" in place of "-".
        title: in the sidebar and on the browser's tab.
    """

    name: str
    title: str

    def load(self) -> Callable[[], None]:
        """The function that shows the page."""
        show: Callable[[], None] = import_module(f"matinee.studio.pages.{self.name.replace('-', '_')}").show
        return show


SECTIONS = {
    "Choose Option": (Entry("recommender", "Recommender System"), Entry("overview", "Solution Overview")),
    "Explore": (Entry("data", "Data"), Entry("map", "Map")),
    "Lists": (Entry("before-after", "Before and after"), Entry("explain", "Explain")),
    "Evaluation": (Entry("models", "Models"), Entry("runs", "Runs"), Entry("experiments", "Experiments")),
}
PAGES = {entry.name: entry for entries in SECTIONS.values() for entry in entries}
FIRST = next(iter(PAGES))


def choose(current: str) -> None:
    """Show all pages in the sidebar, with the current one marked.

    One group of radio buttons for each section: Streamlit's own navigation gives pages a path, below which it requests
    its base from the server first and logs errors to the console, and its sections are no valid list.
    """
    with st.sidebar.container(key="navigation", gap="small"):
        for section, entries in SECTIONS.items():
            names = [entry.name for entry in entries]
            # The address takes precedence, also after "back".
            st.session_state[_key(section)] = current if current in names else None
            st.radio(
                section,
                names,
                format_func=lambda name: PAGES[name].title,
                key=_key(section),
                on_change=_go,
                args=(section,),
                width="stretch",
            )


def _key(section: str) -> str:
    return f"section: {section}"


def _go(section: str) -> None:
    """Switch to another page and drop the parameters of the previous one."""
    name = st.session_state[_key(section)]
    st.query_params.from_dict({"page": name} if name != FIRST else {})
