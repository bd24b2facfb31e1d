"""Two runs against each other: every model's figure in both, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.studio import charts, core, grids, metrics, run_report
from matinee.studio.style import plain

FACTS = {
    "protocol": "the protocol",
    "dataset": "the data set",
    "fingerprint": "the data",
    "validation": "the part (validation or test)",
    "splits": "the splits",
}
"""What makes figures comparable, by field of a report."""
Run = Mapping[str, Any]


def show(first: Run, second: Run, metric: str) -> None:
    """Show them, by a metric of both."""
    if first["id"] == second["id"]:
        core.info("Both sides are the same run. Choose another for one of them.")
        return
    reports = (first["report"], second["report"])
    apart = differences(*reports)
    if apart:
        st.warning(
            plain(f"The runs differ in {', '.join(apart)}: their figures were measured on different questions."),
            icon=":material/balance:",
        )
    title = metrics.title(metric)
    models = list(dict.fromkeys(result["name"] for report in reports for result in report["results"]))
    sides = [
        {result["name"]: run_report.measured(result, metric) for result in report["results"]} for report in reports
    ]
    models = [model for model in models if any(side.get(model) for side in sides)]
    series = {
        word: [side.get(model) for model in models] for word, side in zip(("First", "Second"), sides, strict=True)
    }
    values = [[one.value if (one := side.get(model)) else None for model in models] for side in sides]
    charts.draw(
        charts.intervals(models, series, x=title),
        key="runs-pair",
        alt=f"{title} of every model in both runs, with intervals",
        caption=f"{title} with the 95 % interval of each run.",
    )
    columns: grids.Columns = {
        "Model": models,
        "First": values[0],
        "Second": values[1],
        "Difference": [
            None if before is None or after is None else after - before for before, after in zip(*values, strict=True)
        ],
        "Settings": [_settings(model, reports) for model in models],
    }
    config = grids.numbers(("First", "Second"), 4) | grids.numbers(("Difference",), 4, sign=True)
    grids.grid(columns, key="runs-pair-figures", alt=f"{title} of every model in both runs", config=config)
    st.caption(
        "Difference: second minus first. It has no interval, as users of two runs are not paired; two models of one "
        "run are, see its paired comparisons."
    )


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What makes the figures of two reports incomparable, in words; [] if nothing does."""
    return [words for field, words in FACTS.items() if first[field] != second[field]]


def _settings(model: str, reports: Sequence[Mapping[str, Any]]) -> str:
    configs = [result["config"] for report in reports for result in report["results"] if result["name"] == model]
    if len(configs) < len(reports):
        return "in one run only"
    return "the same" if configs[0] == configs[1] else "changed"
