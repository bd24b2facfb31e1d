"""Page."""

from __future__ import annotations

import streamlit as st


def show() -> None:
    """Show the page."""
    st.title("data")
