"""The studio's entry point, run by Streamlit on every visit and interaction: navigation and the current page.

All pages share one path and are selected by the query (`/?page=data&filter=…`). With a path of its own, Streamlit would
request its base from the server first and log errors to the browser's console.
"""

from __future__ import annotations

from importlib import import_module

import streamlit as st

from matinee.studio import core
from matinee.studio.sign_in import is_signed_in
from matinee.studio.style import DARK_STYLE

PAGES = {
    "recommender": "Recommender System",
    "overview": "Solution Overview",
    "data": "Data",
    "models": "Models",
    "runs": "Runs",
    "explain": "Explain",
    "map": "Map",
}
FIRST = "recommender"
CHOICE = "choose-option"
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="6" fill="#b91c1c"/><path d="M12 9v14l11-7z" fill="#fff"/></svg>"""


def main() -> None:
    """Run the page of the address; the default is the first."""
    requested = st.query_params.get("page", FIRST)
    name = requested if requested in PAGES else FIRST
    st.set_page_config(page_title=f"{PAGES[name]} · Matinee studio", page_icon=ICON, layout="wide")
    if st.context.theme.type == "dark":
        st.html(DARK_STYLE)
    if not is_signed_in():
        return
    st.session_state[CHOICE] = name  # the address takes precedence, also after "back"
    st.sidebar.radio("Choose Option", list(PAGES), format_func=PAGES.__getitem__, key=CHOICE, on_change=_go)
    core.whole(import_module(f"matinee.studio.pages.{name}").show)
    if name != FIRST and st.query_params.get("page") != name:  # the page has replaced all parameters
        st.query_params["page"] = name


def _go() -> None:
    """Switch to another page and drop the parameters of the previous one."""
    name = st.session_state[CHOICE]
    st.query_params.from_dict({"page": name} if name != FIRST else {})


if __name__ == "__main__":  # run by Streamlit
    main()
