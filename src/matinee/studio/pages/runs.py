"""The page Runs: evaluations that were kept, their figures with intervals, comparisons and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import charts, core, pickers
from matinee.studio.style import plain

RUN = "runs-run"
KINDS = {"evaluate": "evaluation", "compare": "comparison", "tune": "search"}
DIMENSIONS = {
    "history": "Users by the size of their history",
    "popularity": "Movies by popularity, 1 least and 10 most rated",
    "gender": "Users by gender",
    "age": "Users by age",
}
MEANING = (
    "In brackets: the interval that resampling users gives, so what other users would change; models and splits stay. "
    "p is that of Wilcoxon's signed-rank test over users, corrected by Holm for the number of models."
)


def show() -> None:
    """Show the page; `?page=runs&run=` holds the run."""
    st.title("Runs")
    pickers.follow()
    items = core.ask(calls.runs())["items"]
    if not items:
        pickers.address()
        st.info(
            "No evaluation was kept. `matinee evaluate`, `matinee compare` and `matinee tune` make runs; the "
            "core shows those of its data folder.",
            icon=":material/info:",
        )
        return
    names = {item["id"]: line(item) for item in items}
    asked = pickers.param("run")
    pickers.init_widget(RUN, asked if asked in names else items[0]["id"])
    chosen = st.selectbox("Run", list(names), format_func=names.__getitem__, key=RUN)
    pickers.address(run=chosen)
    run = core.ask(calls.run(chosen))
    report = run["report"]
    _facts(run, report)
    _figures(report)
    _comparisons(report)
    _groups(report)
    _calibration(report)
    _trials(run)


def line(item: Mapping[str, Any]) -> str:
    """A run in one line."""
    part = ", validation" if item["validation"] else ""
    when = item["created"][:16].replace("T", " ")
    return f"{when} UTC: {item['protocol']} on {item['dataset']}{part} ({KINDS.get(item['kind'], item['kind'])})"


def cell(result: Mapping[str, Any], metric: str) -> str:
    """A figure with its interval: "0.3120 [0.3050, 0.3190]"."""
    if metric not in result["metrics"]:
        return ""
    ends = result["intervals"].get(metric)
    return f"{result['metrics'][metric]:.4f}" + (f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else "")


def _facts(run: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    st.markdown(plain(report["description"]))
    environment = report["environment"] or {"versions": report["versions"]}
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    st.caption(
        plain(
            f"Run {run['id']}; data {report['fingerprint'][:12]}: {report['users']:,} users, {report['films']:,} "
            f"films, {report['ratings']:,} ratings. {versions}. matinee rerun {run['id']} repeats it."
        )
    )
    for note in report["notes"]:
        st.caption(plain(note))


def metric_names(report: Mapping[str, Any]) -> list[str]:
    """Names of all figures, the main one first."""
    return list(dict.fromkeys(name for result in report["results"] for name in result["metrics"]))


def _figures(report: Mapping[str, Any]) -> None:
    results, metrics = report["results"], metric_names(report)
    columns: dict[str, Sequence[Any]] = {
        "Model": [result["name"] for result in results],
        **{metric: [cell(result, metric) for result in results] for metric in metrics},
        "Fitting (s)": [result["fit_seconds"] for result in results],
        "Answering (s)": [result["score_seconds"] for result in results],
    }
    config: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.2f") for name in ("Fitting (s)", "Answering (s)")
    }
    config["Model"] = st.column_config.TextColumn(pinned=True)
    alt = "Models with their figures and intervals"
    st.dataframe(columns, column_config=config, hide_index=True, placeholder="–", alt=alt, key="runs-figures")
    st.caption(MEANING)
    having = [result for result in results if metrics[0] in result["metrics"]]
    seconds = [result["fit_seconds"] + result["score_seconds"] for result in having]
    values = [result["metrics"][metrics[0]] for result in having]
    names = [result["name"] for result in having]
    charts.draw(
        charts.dots(seconds, values, names, x="Seconds to fit and to answer (logarithmic)", y=metrics[0], log_x=True),
        key="runs-cost",
        alt=f"{metrics[0]} of every model against its cost",
        caption=f"{metrics[0]} against the seconds that fitting and answering all users took.",
        table={"Model": names, "Seconds": seconds, metrics[0]: values},
    )


def _comparisons(report: Mapping[str, Any]) -> None:
    rows = [
        (result["name"], metric, entry)
        for result in report["results"]
        for metric, entry in result["comparisons"].items()
    ]
    if not rows:
        return
    st.subheader("Paired comparisons")
    columns: dict[str, Sequence[Any]] = {
        "Model": [name for name, _, _ in rows],
        "Figure": [metric for _, metric, _ in rows],
        "Compared with": [entry["reference"] for _, _, entry in rows],
        "Difference": [entry["difference"] for _, _, entry in rows],
        "From": [entry["interval"][0] if entry["interval"] else None for _, _, entry in rows],
        "To": [entry["interval"][1] if entry["interval"] else None for _, _, entry in rows],
        "p (Holm)": [entry["p_holm"] for _, _, entry in rows],
        "Users better": [entry["better"] for _, _, entry in rows],
        "Users worse": [entry["worse"] for _, _, entry in rows],
    }
    config = {name: st.column_config.NumberColumn(format="%+.4f") for name in ("Difference", "From", "To")}
    config["p (Holm)"] = st.column_config.NumberColumn(format="%.4f")
    alt = "Differences between models, with intervals and tests"
    st.dataframe(columns, column_config=config, hide_index=True, placeholder="–", alt=alt, key="runs-comparisons")


def _groups(report: Mapping[str, Any]) -> None:
    found = dict.fromkeys((g["dimension"], g["metric"]) for result in report["results"] for g in result["groups"])
    if not found:
        return
    st.subheader("By group")
    labels = {kind: f"{DIMENSIONS.get(kind[0], kind[0])}: {kind[1]}" for kind in found}
    pickers.init_widget("runs-group", next(iter(labels)))
    kind = st.selectbox("Groups", list(labels), format_func=labels.__getitem__, key="runs-group")
    by_model = {
        result["name"]: {g["group"]: g for g in result["groups"] if (g["dimension"], g["metric"]) == kind}
        for result in report["results"]
    }
    by_model = {name: groups for name, groups in by_model.items() if groups}
    groups = list(dict.fromkeys(group for entries in by_model.values() for group in entries))
    users = [max(entries[group]["users"] for entries in by_model.values() if group in entries) for group in groups]
    columns: dict[str, Sequence[Any]] = {"Group": groups, "Users": users}
    for name, entries in by_model.items():
        columns[name] = [_group_cell(entries.get(group)) for group in groups]
    st.dataframe(columns, hide_index=True, placeholder="–", alt=labels[kind], key="runs-groups")
    for note in report["group_notes"]:
        st.caption(plain(note))


def _group_cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return ""
    ends = entry["interval"]
    return f"{entry['value']:.4f}" + (f" [{ends[0]:.4f}, {ends[1]:.4f}]" if ends else "")


def _calibration(report: Mapping[str, Any]) -> None:
    having = [result for result in report["results"] if result["calibration"]]
    if not having:
        return
    st.subheader("Calibration of stars")
    columns: dict[str, Sequence[Any]] = {
        "Model": [result["name"] for result in having],
        "Slope": [result["calibration"]["slope"] for result in having],
        "Intercept": [result["calibration"]["intercept"] for result in having],
    }
    for tenth in range(max(len(result["calibration"]["bins"]) for result in having)):
        columns[f"Tenth {tenth + 1}"] = [
            f"{bins[tenth]['predicted']:.2f} → {bins[tenth]['actual']:.2f}" if tenth < len(bins) else ""
            for bins in (result["calibration"]["bins"] for result in having)
        ]
    config = {name: st.column_config.NumberColumn(format="%.3f") for name in ("Slope", "Intercept")}
    alt = "Predicted and actual stars in tenths of the predictions"
    st.dataframe(columns, column_config=config, hide_index=True, alt=alt, key="runs-calibration")
    st.caption("Predicted → actual stars in tenths of the predictions. Ideal are a slope of 1 and an intercept of 0.")


def _trials(run: Mapping[str, Any]) -> None:
    trials = run["trials"]
    if not trials:
        return
    st.subheader("What was tried")
    names = list(dict.fromkeys(name for trial in trials for name in trial["settings"]))
    columns: dict[str, Sequence[Any]] = {"Trial": [trial["number"] for trial in trials]}
    for name in names:
        columns[name] = [str(trial["settings"].get(name, "")) for trial in trials]
    columns["Value"] = [trial["value"] for trial in trials]
    columns["State"] = [trial["problem"] or trial["state"] for trial in trials]
    config = {"Value": st.column_config.NumberColumn(format="%.4f")}
    st.dataframe(columns, column_config=config, hide_index=True, placeholder="–", alt="Trials", key="runs-trials")
