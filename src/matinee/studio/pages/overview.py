"""The page Solution Overview: models, data, accuracy and limits."""

from __future__ import annotations

from typing import Any

import streamlit as st

from matinee.client import calls
from matinee.studio import charts, core, grids, metrics
from matinee.studio.model_descriptions import what_it_does
from matinee.studio.style import html, plain

STEPS = (
    ("Data", "ratings, films, texts, posters; cleaned, every dropped row counted"),
    ("Models", "fitted on the same data, measured on ratings they have not seen"),
    ("Snapshot", "one frozen folder; what is served can be traced and rolled back"),
    ("Core service", "snapshot + live ratings and films; answers over HTTP"),
    ("Applications", "the web app, this studio, programs"),
)
FLOW = "display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;margin:0;padding:0"
STEP = "flex:1 1 9rem;border:1px solid #8888;border-radius:6px;padding:.6rem .75rem;min-width:0"


def show() -> None:
    """Show the page."""
    st.title("Solution Overview")
    st.markdown(
        "Matinee recommends films. It learns from ratings and from what films are about, says why it recommends "
        "what it does, and takes new ratings and films into account at once, without retraining."
    )
    _flow()
    models = core.get(calls.models())["items"]
    report = core.get(calls.report())
    _now(models, report)
    _algorithms(models)
    _accuracy(models)
    _limits(report)


def _flow() -> None:
    steps = "".join(
        f'<li style="{STEP}"><strong>{i}. {html(name)}</strong><br>{html(text)}</li>'
        for i, (name, text) in enumerate(STEPS, 1)
    )
    st.html(f'<ol style="{FLOW}">{steps}</ol>')


def _now(models: list[dict[str, Any]], report: dict[str, Any]) -> None:
    st.header("What answers now")
    served = next((one for one in core.get(calls.snapshots())["items"] if one["served"]), None)
    for column, (name, value) in zip(
        st.columns(4),
        (
            ("Films", f"{report['n_items']:,}"),
            ("Users", f"{report['n_users']:,}"),
            ("Ratings", f"{report['n_ratings']:,}"),
            ("Models", str(len(models))),
        ),
        strict=True,
    ):
        column.metric(name, value)
    made = f", made {served['created'][:16].replace('T', ' ')} UTC" if served else ""
    st.caption(
        plain(
            f"Data: {report['dataset']} (fingerprint {report['fingerprint'][:12]}). Snapshot {core.snapshot()}{made}. "
            "Ratings and films that came since then count too, and are not in these numbers."
        )
    )
    kinds: grids.Columns = {
        "Model": [f"{one['name']} (default)" if one["default"] else one["name"] for one in models],
        "What it does": [what_it_does(one) or one["kind"] for one in models],
        **{
            metrics.title(name): [_figure(one["metrics"].get(name)) for one in models]
            for name in ("ndcg@10", "recall@10", "rmse")
        },
    }
    grids.text_table(kinds, alt="The models in service with their accuracy")
    st.caption("RMSE: error of predicted stars, for the models that predict them.")


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _algorithms(models: list[dict[str, Any]]) -> None:
    st.header("How the two algorithms work")
    content = next((one for one in models if one["kind"] == "content"), None)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Content Based Filtering")
        st.markdown(
            "Each film is a vector of what is known about it. Words are weighted by how rare they are (TF-IDF), and "
            "each field gets a weight of its own, so that none outweighs the others. Your three films are added up to "
            "one profile, and the films whose vectors point the same way come first. All three films count. It knows "
            "films that nobody has rated."
        )
        if content is not None:
            weights = {name: value for name, value in content["config"].items() if _is_weight(name, value)}
            joined = ", ".join(f"{name} {value:g}" for name, value in sorted(weights.items(), key=lambda w: -w[1]))
            st.caption(plain(f"Weights of the fields: {joined}. Fields that the data lack do not count."))
    with right:
        default = next((one for one in models if one["default"]), None)
        st.subheader("Collaborative Based Filtering")
        st.markdown(
            "Ratings show which films go together, whatever they are about. Your three films are taken for "
            "the history of a new user and folded into the fitted model, without retraining. A film that nobody has "
            "rated counts by its content instead, and the page says so."
        )
        if default is not None:
            parts = default["config"].get("weights") or {}
            mixed = f", which mixes {' and '.join(parts)}" if parts else ""
            st.caption(plain(f"Answered by the model {default['name']}{mixed}."))


def _is_weight(name: str, value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0 and name not in ("neutral", "half_life")


def _accuracy(models: list[dict[str, Any]]) -> None:
    st.header("How good they are")
    measured = sorted(
        (one for one in models if "ndcg@10" in one["metrics"]), key=lambda one: -one["metrics"]["ndcg@10"]
    )
    if not measured:
        st.info("These models were not measured: the data were too few, or training was told not to.")
        return
    st.markdown(
        "Models were fitted again without a fifth of the ratings of up to 2,000 users, and then ranked all films. "
        "**nDCG@10** is 1 if all ten films of a list are held-out ones, **recall@10** is the share of a user's "
        "held-out films in the list."
    )
    _verdict({one["name"]: one["metrics"]["ndcg@10"] for one in measured}, models)
    names, values = [one["name"] for one in measured], [one["metrics"]["ndcg@10"] for one in measured]
    charts.draw(
        charts.bars(names, values, x="nDCG@10", horizontal=True, strong=[_is_highlighted(one) for one in measured]),
        key="overview-accuracy",
        alt=f"Bars of nDCG@10 by model; the best is {names[0]} with {values[0]:.3f}",
        caption="In colour: the two that the page Recommender System asks. More on the page Models.",
        table={"Model": names, "nDCG@10": values},
    )


def _is_highlighted(model: dict[str, Any]) -> bool:
    return bool(model["default"] or model["kind"] == "content")


def _verdict(ndcg: dict[str, float], models: list[dict[str, Any]]) -> None:
    kinds = {one["kind"]: one["name"] for one in reversed(models)}  # the first of each kind
    collab = next((one["name"] for one in models if one["default"]), "")
    content, popular = kinds.get("content", ""), kinds.get("popularity", "")
    if not ndcg.keys() >= {collab, content, popular}:
        return
    text = (
        f"Collaborative ({collab}): {ndcg[collab]:.3f}. Content: {ndcg[content]:.3f}. The chart that is the same for "
        f"everybody: {ndcg[popular]:.3f}."
    )
    if ndcg[content] < 1.2 * ndcg[popular]:
        text += " So content alone is hardly a better guess than the chart; it is there for films without ratings."
    st.markdown(plain(text))


def _limits(report: dict[str, Any]) -> None:
    st.header("What it cannot do")
    low, high = report["scale"]
    knows = (
        f"It knows what people rated ({low:g} to {high:g} stars), not what they watched: those who never rate are "
        "missing."
    )
    if low == high:
        knows = "It knows what people have seen, not how they liked it: the data hold no stars."
    st.markdown(
        f"""
- {knows}
- A good film that its user never rated counts as wrong, so the figures are low in themselves, and rare films have it
  harder than popular ones.
- The held-out fifth is chosen at random, not by time: the figures compare models; they do not promise what people
  will like next month.
- Three films are little to go by. The more films are rated, the better the lists become.
- A film newer than the data is only known once it is added, and then only by its content.
"""
    )
    for note in report["notes"]:
        st.caption(plain(note))
