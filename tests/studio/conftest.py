"""A core process for the studio's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner

from apps_support import Service, behind_door, serving
from studio_support import train_odd


@pytest.fixture(scope="session")
def odd_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A core with odd films. A test that stops it starts it again: the door to it is shut and opened."""
    home = tmp_path_factory.mktemp("studio")
    with serving(["serve"], "/ready", home, train_odd(home)) as service, behind_door(service) as door:
        yield door


@pytest.fixture
def asked_core(odd_core: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The core that the app asks in this test, which begins with nothing kept."""
    monkeypatch.setenv("MATINEE_CORE_URL", odd_core.url)
    st.cache_data.clear()
    st.cache_resource.clear()
    return odd_core


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest puts its script in the place of `__main__`, which processes of later tests would then run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session", autouse=True)
def _installed_once() -> Iterator[None]:
    """Each AppTest is a server of its own to Streamlit, which reads the metadata of every installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield
