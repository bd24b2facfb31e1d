"""The studio's entry, run by Streamlit at every visit and click: navigation, and the page asked for.

All pages have one path, and the address names them in its query (`/?page=data&filter=…`): below a path of its own a
page asks the server for its base first and writes errors to the browser's console.
"""

from __future__ import annotations

from importlib import import_module

import streamlit as st

from matinee.studio import core
from matinee.studio.style import DARK_STYLE

PAGES = {
    "recommender": "Recommender System",
    "overview": "Solution Overview",
    "data": "Data",
    "models": "Models",
    "explain": "Explain",
    "map": "Map",
}
FIRST = "recommender"
CHOICE = "choose-option"
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="6" fill="#b91c1c"/><path d="M12 9v14l11-7z" fill="#fff"/></svg>"""


def main() -> None:
    """Run the page that the address names; the first where it names none."""
    asked = st.query_params.get("page", FIRST)
    name = asked if asked in PAGES else FIRST
    st.set_page_config(page_title=f"{PAGES[name]} · Matinee studio", page_icon=ICON, layout="wide")
    if st.context.theme.type == "dark":
        st.html(DARK_STYLE)
    st.session_state[CHOICE] = name  # the address counts, also after a step back
    st.sidebar.radio("Choose Option", list(PAGES), format_func=PAGES.__getitem__, key=CHOICE, on_change=_go)
    core.whole(import_module(f"matinee.studio.pages.{name}").show)
    if name != FIRST and st.query_params.get("page") != name:  # a page that set all parameters at once
        st.query_params["page"] = name


def _go() -> None:
    """Another page: its name in the address, and nothing of the page before."""
    name = st.session_state[CHOICE]
    st.query_params.from_dict({"page": name} if name != FIRST else {})


if __name__ == "__main__":  # as Streamlit runs it
    main()
