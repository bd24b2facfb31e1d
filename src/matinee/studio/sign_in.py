"""Signing in to the studio: before any page is run, and for as long as the browser's tab is connected."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from matinee.access.sign_in import SharedPassword
from matinee.settings import Settings

SIGNED_IN = "studio: signed in"
_ENTERED = "studio: password"


def is_signed_in() -> bool:
    """Whether the visitor may see the pages; otherwise the form is shown."""
    password = Settings().web_password
    if not password:
        return True
    if st.session_state.get(SIGNED_IN) is True:
        st.sidebar.button("Sign out", on_click=st.session_state.clear)
        return True
    st.title("Matinee studio")
    with st.form("sign-in", border=False, width=360):
        given = st.text_input("Password", type="password", key=_ENTERED, autocomplete="current-password")
        sent = st.form_submit_button("Sign in", type="primary")
    if not sent:
        return False
    fault = _fault(_shared(password), given)
    if fault:
        st.error(fault)
        return False
    st.session_state[SIGNED_IN] = True
    st.rerun()
    return True


def _fault(password: SharedPassword, given: str) -> str:
    wait = password.too_many(st.context.ip_address or "")
    if wait is not None:
        return f"There were too many attempts. Try again in {wait.retry_after} seconds."
    return "" if password.matches(given) else "This is not the password."


@lru_cache(maxsize=1)
def _shared(password: str) -> SharedPassword:
    """One for all visitors, so that guesses are counted across their sessions."""
    return SharedPassword(password)
