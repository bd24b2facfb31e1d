"""The studio's entry point, run by Streamlit on every visit and interaction: navigation and the current page.

All pages share one path and are selected by the query (`/?page=data&filter=…`).
"""

from __future__ import annotations

import streamlit as st

from matinee.studio import core, navigation
from matinee.studio.sign_in import is_signed_in
from matinee.studio.style import DARK_STYLE, NAVIGATION_STYLE

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="6" fill="#b91c1c"/><path d="M12 9v14l11-7z" fill="#fff"/></svg>"""


def main() -> None:
    """Run the page of the address; the default is the first."""
    requested = st.query_params.get("page", navigation.FIRST)
    entry = navigation.PAGES.get(requested) or navigation.PAGES[navigation.FIRST]
    st.set_page_config(page_title=f"{entry.title} · Matinee studio", page_icon=ICON, layout="wide")
    st.html(NAVIGATION_STYLE)
    if st.context.theme.type == "dark":
        st.html(DARK_STYLE)
    if not is_signed_in():
        return
    navigation.choose(entry.name)
    core.whole(entry.load())
    if entry.name != navigation.FIRST and st.query_params.get("page") != entry.name:
        st.query_params["page"] = entry.name  # the page has replaced all parameters


if __name__ == "__main__":  # run by Streamlit
    main()
