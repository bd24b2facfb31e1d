"""The page Runs: evaluations that were kept, one of them in detail, or two of them against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import core, grids, metrics, pickers, run_pair, run_report

RUN, OTHER, VIEW = "runs-run", "runs-other", "runs-view"
ONE, TWO = "One run", "Two runs"
VIEWS = {"one": ONE, "two": TWO}
KINDS = {"evaluate": "evaluation", "compare": "comparison", "tune": "search"}


def show() -> None:
    """Show the page; `?page=runs&view=two&run=&other=&metric=` holds its state."""
    st.title("Runs")
    pickers.follow()
    items = core.ask(calls.runs())["items"]
    if not items:
        pickers.address()
        core.info(
            "No evaluation was kept. `matinee evaluate`, `matinee compare` and `matinee tune` make runs; the "
            "core shows those of its data folder."
        )
        return
    with st.expander(f"All {len(items):,} runs" if len(items) > 1 else "The one run"):
        grids.grid(overview(items), key="runs-all", alt="All runs", config=grids.numbers(("Value",), 4))
    pickers.init_widget(VIEW, VIEWS.get(pickers.param("view") or "", ONE))
    view = st.radio("View", list(VIEWS.values()), key=VIEW, horizontal=True, label_visibility="collapsed")
    names = {item["id"]: line(item) for item in items}
    if view == TWO:
        _two(names)
        return
    chosen = _pick("Run", RUN, "run", names, items[0]["id"])
    run = core.ask(calls.run(chosen))
    metric = run_report.choose_metric(run_report.metric_names(run["report"]))
    pickers.address(run=chosen, metric=metric)
    run_report.show(run, metric)


def _two(names: Mapping[str, str]) -> None:
    ids = list(names)
    left, right = st.columns(2)
    with left:
        first = _pick("First run", RUN, "run", names, ids[-1] if len(ids) == 1 else ids[1])
    with right:
        second = _pick("Second run", OTHER, "other", names, ids[0])
    runs = [core.ask(calls.run(one)) for one in (first, second)]
    common = [name for name in run_report.metric_names(runs[0]["report"]) if name in _metrics_of(runs[1])]
    if not common:
        pickers.address(view="two", run=first, other=second)
        core.info("The two runs have no figure in common: choose others.")
        return
    metric = run_report.choose_metric(common)
    pickers.address(view="two", run=first, other=second, metric=metric)
    run_pair.show(runs[0], runs[1], metric)


def _metrics_of(run: Mapping[str, Any]) -> list[str]:
    return run_report.metric_names(run["report"])


def _pick(label: str, key: str, parameter: str, names: Mapping[str, str], default: str) -> str:
    requested = pickers.param(parameter)
    pickers.init_widget(key, requested if requested in names else default)
    if st.session_state[key] not in names:  # the run was deleted
        st.session_state[key] = default
    return str(st.selectbox(label, list(names), format_func=lambda one: names.get(one, one), key=key))


def line(item: Mapping[str, Any]) -> str:
    """A run in one line."""
    part = ", validation" if item["validation"] else ""
    return f"{_when(item)}: {item['protocol']} on {item['dataset']}{part} ({KINDS.get(item['kind'], item['kind'])})"


def overview(items: Sequence[Mapping[str, Any]]) -> grids.Columns:
    """Runs as a table."""
    return {
        "When": [_when(item) for item in items],
        "Kind": [KINDS.get(item["kind"], item["kind"]) for item in items],
        "Protocol": [item["protocol"] for item in items],
        "Data set": [item["dataset"] for item in items],
        "Part": ["validation" if item["validation"] else "test" for item in items],
        "Models": [len(item["models"]) for item in items],
        "Reference": [item["reference"] for item in items],
        "Figure": [metrics.title(item["metric"]) for item in items],
        "Value": [item["value"] for item in items],
        "Run": [item["id"] for item in items],
    }


def _when(item: Mapping[str, Any]) -> str:
    return f"{item['created'][:16].replace('T', ' ')} UTC"
