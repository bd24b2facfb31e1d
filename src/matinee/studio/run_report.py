"""One run in detail: figures with intervals, costs, paired comparisons, groups, calibration, trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.studio import charts, grids, metrics, pickers
from matinee.studio.charts import Measured
from matinee.studio.style import plain

METRIC, AGAINST = "runs-metric", "runs-against"
SECONDS = "seconds"
DIMENSIONS = {
    "history": "Users by the size of their history",
    "popularity": "Movies by popularity, 1 least and 10 most rated",
    "gender": "Users by gender",
    "age": "Users by age",
}
MEANING = (
    "Lines and brackets are 95 % intervals that resampling users gives, so what other users would change; models and "
    "splits stay. p is that of Wilcoxon's signed-rank test over users, corrected by Holm for the number of models."
)
Report = Mapping[str, Any]


def metric_names(report: Report) -> list[str]:
    """Names of all metrics, the main one first."""
    return list(dict.fromkeys(name for result in report["results"] for name in result["metrics"]))


def choose_metric(names: Sequence[str]) -> str:
    """Pick the metric of the charts; the default is that of the address (`?metric=`), then the first."""
    requested = pickers.param("metric")
    pickers.init_widget(METRIC, requested if requested in names else names[0])
    if st.session_state[METRIC] not in names:
        st.session_state[METRIC] = names[0]
    return str(st.selectbox("Figure in the charts", names, format_func=metrics.title, key=METRIC))


def measured(result: Mapping[str, Any], metric: str) -> Measured | None:
    """A model's metric with its interval; None if it has none."""
    if metric not in result["metrics"]:
        return None
    ends = result["intervals"].get(metric)
    return Measured(result["metrics"][metric], tuple(ends) if ends else None)


def cell(value: Measured | None) -> str | None:
    """A metric with its interval: "0.3120 [0.3050, 0.3190]"."""
    return None if value is None else str(value)


def show(run: Mapping[str, Any], metric: str) -> None:
    """Show a run of `calls.run`."""
    report = run["report"]
    _facts(run, report)
    _figures(report, metric)
    _against(report, metric)
    _comparisons(report, metric)
    _groups(report)
    _calibration(report)
    _trials(run)


def _facts(run: Mapping[str, Any], report: Report) -> None:
    description = report["description"]
    st.markdown(plain(f"{description[:1].upper()}{description[1:]}."))
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


def _figures(report: Report, metric: str) -> None:
    title = metrics.title(metric)
    having = [(result["name"], one) for result in report["results"] if (one := measured(result, metric))]
    having.sort(key=lambda row: row[1].value, reverse=not metrics.is_lower_better(metric))
    names = [name for name, _ in having]
    charts.draw(
        charts.intervals(names, {title: [one for _, one in having]}, x=title),
        key="runs-intervals",
        alt=f"{title} of every model with its interval, the best on top",
        caption=MEANING,
    )
    results = report["results"]
    columns: dict[str, Sequence[Any]] = {
        "Model": [result["name"] for result in results],
        **{metrics.title(name): [cell(measured(result, name)) for result in results] for name in metric_names(report)},
        "Fitting (s)": [result["fit_seconds"] for result in results],
        "Answering (s)": [result["score_seconds"] for result in results],
    }
    config = grids.numbers(("Fitting (s)", "Answering (s)"), 2) | {"Model": st.column_config.TextColumn(pinned=True)}
    grids.grid(columns, key="runs-figures", alt="Models with their figures and intervals", config=config)


def _against(report: Report, metric: str) -> None:
    st.subheader("At what cost")
    others = [SECONDS, *(name for name in metric_names(report) if name != metric)]
    pickers.init_widget(AGAINST, SECONDS)
    if st.session_state[AGAINST] not in others:
        st.session_state[AGAINST] = SECONDS
    against = st.selectbox(
        "Against",
        others,
        format_func=lambda name: "Seconds to fit and to answer" if name == SECONDS else metrics.title(name),
        key=AGAINST,
    )
    title = metrics.title(metric)
    is_time = against == SECONDS
    what = "Seconds" if is_time else metrics.title(against)
    having = [
        result
        for result in report["results"]
        if metric in result["metrics"] and (is_time or against in result["metrics"])
    ]
    amounts = [r["fit_seconds"] + r["score_seconds"] if is_time else r["metrics"][against] for r in having]
    values = [result["metrics"][metric] for result in having]
    names = [result["name"] for result in having]
    axis = "Seconds (logarithmic)" if is_time else what
    charts.draw(
        charts.dots(amounts, values, names, x=axis, y=title, log_x=is_time),
        key="runs-cost",
        alt=f"{title} of every model against {what.lower()}",
        caption=f"{title} against {'the seconds that fitting and answering all users took' if is_time else what}.",
        table={"Model": names, what: amounts, title: values},
    )


def _comparisons(report: Report, metric: str) -> None:
    rows = [
        (result["name"], name, entry) for result in report["results"] for name, entry in result["comparisons"].items()
    ]
    if not rows:
        return
    st.subheader("Paired comparisons")
    shown = [(model, entry) for model, name, entry in rows if name == metric]
    if shown:
        reference, title = shown[0][1]["reference"], metrics.title(metric)
        differences = [Measured(entry["difference"], _interval(entry)) for _, entry in shown]
        charts.draw(
            charts.intervals(
                [model for model, _ in shown], {title: differences}, x=f"Difference of {title}", zero=True
            ),
            key="runs-differences",
            alt=f"Difference of {title} between every model and {reference}, with intervals",
            caption=f"What a model has more or less than {reference}, user by user. An interval that leaves out 0 is "
            "more than chance among these users.",
        )
    columns: grids.Columns = {
        "Model": [name for name, _, _ in rows],
        "Figure": [metrics.title(name) for _, name, _ in rows],
        "Compared with": [entry["reference"] for _, _, entry in rows],
        "Difference": [entry["difference"] for _, _, entry in rows],
        "From": [entry["interval"][0] if entry["interval"] else None for _, _, entry in rows],
        "To": [entry["interval"][1] if entry["interval"] else None for _, _, entry in rows],
        "p (Holm)": [entry["p_holm"] for _, _, entry in rows],
        "Users better": [entry["better"] for _, _, entry in rows],
        "Users worse": [entry["worse"] for _, _, entry in rows],
    }
    config = grids.numbers(("Difference", "From", "To"), 4, sign=True) | grids.numbers(("p (Holm)",), 4)
    alt = "Differences between models, with intervals and tests"
    grids.grid(columns, key="runs-comparisons", alt=alt, config=config)


def _interval(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    ends = entry["interval"]
    return (ends[0], ends[1]) if ends else None


def _groups(report: Report) -> None:
    found = dict.fromkeys((g["dimension"], g["metric"]) for result in report["results"] for g in result["groups"])
    if not found:
        return
    st.subheader("By group")
    labels = {kind: f"{DIMENSIONS.get(kind[0], kind[0])}: {metrics.title(kind[1])}" for kind in found}
    pickers.init_widget("runs-group", next(iter(labels)))
    if st.session_state["runs-group"] not in labels:
        st.session_state["runs-group"] = next(iter(labels))
    kind = st.selectbox("Groups", list(labels), format_func=lambda one: labels.get(one, str(one)), key="runs-group")
    by_model = {
        result["name"]: {g["group"]: g for g in result["groups"] if (g["dimension"], g["metric"]) == kind}
        for result in report["results"]
    }
    by_model = {name: groups for name, groups in by_model.items() if groups}
    groups = list(dict.fromkeys(group for entries in by_model.values() for group in entries))
    users = [max(entries[group]["users"] for entries in by_model.values() if group in entries) for group in groups]
    series = {
        name: [Measured(entries[g]["value"], _interval(entries[g])) if g in entries else None for g in groups]
        for name, entries in by_model.items()
    }
    charts.draw(
        charts.intervals(groups, series, x=metrics.title(kind[1])),
        key="runs-group-intervals",
        alt=f"{labels[kind]}, every model with its interval",
        caption=f"{labels[kind]}.",
    )
    columns: dict[str, Sequence[Any]] = {"Group": groups, "Users": users}
    columns |= {name: [cell(one) for one in values] for name, values in series.items()}
    grids.grid(columns, key="runs-groups", alt=labels[kind])
    for note in report["group_notes"]:
        st.caption(plain(note))


def _calibration(report: Report) -> None:
    having = [result for result in report["results"] if result["calibration"]]
    if not having:
        return
    st.subheader("Calibration of stars")
    charts.draw(
        charts.calibration(
            {
                result["name"]: [(one["predicted"], one["actual"]) for one in result["calibration"]["bins"]]
                for result in having
            }
        ),
        key="runs-calibration-chart",
        alt="Actual stars against predicted stars in tenths of the predictions, with the diagonal",
        caption="Mean actual against mean predicted stars in tenths of the predictions; on the dotted line they agree.",
        table={
            "Model": [result["name"] for result in having for _ in result["calibration"]["bins"]],
            "Predicted": [one["predicted"] for result in having for one in result["calibration"]["bins"]],
            "Actual": [one["actual"] for result in having for one in result["calibration"]["bins"]],
        },
    )
    columns: grids.Columns = {
        "Model": [result["name"] for result in having],
        "Slope": [result["calibration"]["slope"] for result in having],
        "Intercept": [result["calibration"]["intercept"] for result in having],
    }
    config = grids.numbers(("Slope",), 3) | grids.numbers(("Intercept",), 3, sign=True)
    grids.grid(columns, key="runs-calibration", alt="Slope and intercept of actual on predicted stars", config=config)
    st.caption("Ideal are a slope of 1 and an intercept of 0.")


def _trials(run: Mapping[str, Any]) -> None:
    trials = run["trials"]
    if not trials:
        return
    st.subheader("What was tried")
    done = [trial for trial in trials if trial["value"] is not None]
    if done:
        numbers, values = [trial["number"] for trial in done], [trial["value"] for trial in done]
        figure = charts.lines(numbers, {"Value": values}, x="Trial", y="Value", dots=True)
        charts.draw(figure, key="runs-trials-chart", alt="Value of every trial", caption="Value of every trial.")
    names = list(dict.fromkeys(name for trial in trials for name in trial["settings"]))
    columns: dict[str, Sequence[Any]] = {"Trial": [trial["number"] for trial in trials]}
    for name in names:
        columns[name] = [_setting(trial["settings"].get(name)) for trial in trials]
    columns["Value"] = [trial["value"] for trial in trials]
    columns["State"] = [trial["problem"] or trial["state"] for trial in trials]
    grids.grid(columns, key="runs-trials", alt="Trials", config=grids.numbers(("Value",), 4))


def _setting(value: Any) -> str | None:
    return None if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
