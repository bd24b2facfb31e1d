"""The page Models: metrics of all models, and all snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import charts, core, grids, metrics, pickers
from matinee.studio.model_descriptions import what_it_does
from matinee.studio.style import plain

FIGURES, SNAPSHOTS = "Figures", "Snapshots"
VIEWS = {"figures": FIGURES, "snapshots": SNAPSHOTS}
VIEW = "models-view"
MEANINGS = {
    "ndcg@10": "nDCG@10: how near the top of the list of ten the held-out films rank. 1 is perfect, 0 none found.",
    "recall@10": "Recall@10: the share of a user's held-out films that are among the ten.",
    "coverage": "Coverage: the share of all films that at least one of these lists of ten shows.",
    "rmse": "RMSE: error of predicted stars on held-out ratings (root of the mean square). Lower is better; only "
    "models that predict stars have one.",
}
MEASURED = (
    "Measured while training: a fifth of the ratings of 2,000 users at most is held out at random, all models are "
    "fitted without it, and all films are ranked, without those that the user has already rated. The models in "
    "service are then fitted on everything."
)
MEGABYTE = 1e6
COSTS = ((1, "MB", "Memory"), (0, "s", "Training"))
"""Position in `cost`, unit and title."""


def show() -> None:
    """Show the page; `?page=models&view=` holds its state."""
    st.title("Models")
    pickers.follow()
    models = pickers.models()
    if not models:
        return
    pickers.init_widget(VIEW, VIEWS.get(pickers.param("view") or "", FIGURES))
    view = st.radio("View", list(VIEWS.values()), key=VIEW, horizontal=True, label_visibility="collapsed")
    if view == SNAPSHOTS:
        _snapshots()
    else:
        _figures(models)


# --- figures ---------------------------------------------------------------------------------------------------
def _figures(models: Sequence[Mapping[str, Any]]) -> None:
    pickers.address()
    st.caption(plain(f"Snapshot {core.snapshot()}. {MEASURED}"))
    names = metric_names(models)
    columns: grids.Columns = {
        "Model": [model["name"] + (" (default)" if model["default"] else "") for model in models],
        **{metrics.title(name): [model["metrics"].get(name) for model in models] for name in names},
        "Training (s)": [model["seconds"] for model in models],
        "Memory (MB)": [_megabytes(model["bytes"]) for model in models],
        "Predicts stars": ["yes" if model["predicts_stars"] else "no" for model in models],
    }
    config: dict[str, Any] = {}
    for name in names:
        config |= grids.numbers((metrics.title(name),), 4, help=MEANINGS.get(name))
    config |= grids.numbers(("Training (s)",), 2, help="Seconds that fitting took.")
    config |= grids.numbers(("Memory (MB)",), 1, help="Megabytes (10⁶ bytes) of its arrays.")
    config["Model"] = st.column_config.TextColumn(pinned=True, width=125)
    grids.grid(columns, key="models-figures", alt="Models with their figures", config=config)
    st.caption("A click on a heading sorts. A model of 0 MB has no arrays of its own: it uses those of its parts.")
    if names:
        with st.expander("What the figures mean", icon=":material/help:"):
            st.markdown("\n".join(f"- {plain(MEANINGS[name])}" for name in names if name in MEANINGS))
    with st.expander("What the models are", icon=":material/help:"):
        kinds: grids.Columns = {
            "Model": [model["name"] for model in models],
            "What it does": [what_it_does(model) or "A model of your own." for model in models],
            "Kind": [model["kind"] for model in models],
            "Configuration": [configuration(model["config"]) for model in models],
        }
        grids.text_table(kinds, alt="Models with their configuration")
    if names:
        _charts(models, names)
    else:
        core.info(
            "This snapshot was trained without measuring. `matinee train` measures; with `--no-measure` it does not."
        )
        _costs(models)


def _costs(models: Sequence[Mapping[str, Any]]) -> None:
    names = [model["name"] for model in models]
    costs = [cost(name, models) for name in names]
    for column, (index, unit, title) in zip(st.columns(2), COSTS, strict=True):
        amounts = [one[index] for one in costs]
        with column:
            charts.draw(
                charts.bars(names, amounts, x=f"{title} ({unit})", horizontal=True),
                key=f"models-{title.lower()}",
                alt=f"{title} of every model",
                caption=f"{title} ({unit}), the parts that a model needs with it.",
                table={"Model": names, f"{title} ({unit})": amounts},
            )


def _charts(models: Sequence[Mapping[str, Any]], known: Sequence[str]) -> None:
    pickers.init_widget("models-metric", known[0])
    metric = st.selectbox("Figure in the charts", known, format_func=metrics.title, key="models-metric")
    title = metrics.title(metric)
    having = [model for model in models if metric in model["metrics"]]
    names = [model["name"] for model in having]
    values = [model["metrics"][metric] for model in having]
    strong = [model["default"] for model in having]
    order = sorted(range(len(having)), key=lambda i: values[i], reverse=not metrics.is_lower_better(metric))
    charts.draw(
        charts.bars(
            [names[i] for i in order],
            [values[i] for i in order],
            x=title,
            horizontal=True,
            strong=[strong[i] for i in order],
        ),
        key="models-bars",
        alt=f"{title} of every model, the best on top",
        caption=f"{title} of every model, the best on top; the default model in colour.",
        table={"Model": [names[i] for i in order], title: [values[i] for i in order]},
    )
    costs = [cost(model["name"], models) for model in having]
    for column, (index, unit, what) in zip(st.columns(2), COSTS, strict=True):
        amounts = [one[index] for one in costs]
        hover = [f"{value:.4f}, {amount:,.2f} {unit}" for value, amount in zip(values, amounts, strict=True)]
        axis = f"{what} ({unit}, logarithmic)"
        with column:
            charts.draw(
                charts.dots(amounts, values, names, x=axis, y=title, log_x=True, strong=strong, hover=hover),
                key=f"models-{what.lower()}",
                alt=f"{title} of every model against its {what.lower()}",
                caption=f"{title} against {what.lower()} ({unit}), the parts that a model needs with it.",
                table={"Model": names, f"{what} ({unit})": amounts, title: values},
            )


def metric_names(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Metrics of all models, in order of appearance."""
    return list(dict.fromkeys(name for model in models for name in model["metrics"]))


def configuration(config: Mapping[str, Any]) -> str:
    """Settings as one line, without those that are None."""
    return ", ".join(f"{name}={_value(value)}" for name, value in config.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_value(one)}" for name, one in value.items()) + "}"
    return str(value)


def cost(name: str, models: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Seconds and megabytes of a model, including the models that it depends on."""
    by_name = {model["name"]: model for model in models}
    needed: set[str] = set()
    queue = [name]
    while queue:
        one = queue.pop()
        if one in by_name and one not in needed:
            needed.add(one)
            for value in by_name[one]["config"].values():
                queue += [value] if isinstance(value, str) else list(value) if isinstance(value, Mapping) else []
    return (
        sum(by_name[one]["seconds"] or 0 for one in needed),
        sum(_megabytes(by_name[one]["bytes"]) or 0 for one in needed),
    )


def _megabytes(size: float | None) -> float | None:
    return None if size is None else size / MEGABYTE


# --- snapshots -------------------------------------------------------------------------------------------------
def _snapshots() -> None:
    pickers.address(view="snapshots")
    snapshots = core.ask(calls.snapshots())["items"]
    if not snapshots:
        core.info("There are no snapshots. `matinee train` makes one.")
        return
    measured: list[Mapping[str, Mapping[str, float]]] = [one.get("metrics") or {} for one in snapshots]
    names = list(dict.fromkeys(name for each in measured for name in each))
    st.markdown(
        "A snapshot holds data and models as one training left them. `matinee train` makes one; "
        "`matinee snapshots promote` and `matinee snapshots rollback` choose which serves."
    )
    columns: dict[str, Sequence[Any]] = {
        "Snapshot": [one["id"] for one in snapshots],
        "State": [state(one) for one in snapshots],
        "Created": [one["created"][:16].replace("T", " ") + " UTC" for one in snapshots],
        "Data set": [one["dataset"] for one in snapshots],
        "Users": [one["n_users"] for one in snapshots],
        "Films": [one["n_items"] for one in snapshots],
        "Ratings": [one["n_ratings"] for one in snapshots],
    }
    grids.grid(columns, key="models-snapshots", alt="Snapshots")
    st.subheader("Their figures")
    kinds = list(dict.fromkeys(key for each in measured for values in each.values() for key in values))
    if not kinds:
        core.info("No snapshot was measured.")
        return
    pickers.init_widget("models-snapshot-metric", kinds[0])
    metric = st.selectbox(
        "Figure", kinds, format_func=metrics.title, key="models-snapshot-metric", help="Explained in the view Figures."
    )
    table: dict[str, Sequence[Any]] = {"Snapshot": columns["Snapshot"]}
    table |= {name: [each.get(name, {}).get(metric) for each in measured] for name in names}
    alt = f"{metrics.title(metric)} of every model in every snapshot"
    grids.grid(table, key="models-snapshot-figures", alt=alt, config=grids.numbers(names, 4))


def state(snapshot: Mapping[str, Any]) -> str:
    """The state of a snapshot: served, promoted but not yet served, or kept."""
    if snapshot["served"]:
        return "serves"
    return "promoted, not served yet" if snapshot["current"] else "kept"
