"""Names and meanings of metrics, as the pages write them."""

from __future__ import annotations

NAMES = {
    "ndcg": "nDCG",
    "map": "MAP",
    "mrr": "MRR",
    "rmse": "RMSE",
    "mae": "MAE",
    "auc": "AUC",
}
LOWER_IS_BETTER = frozenset({"rmse", "mae"})


def title(metric: str) -> str:
    """A metric as a heading: `ndcg@10` is "nDCG@10", `coverage` "Coverage"."""
    name, at, k = metric.partition("@")
    return NAMES.get(name, name[:1].upper() + name[1:].replace("_", " ")) + at + k


def is_lower_better(metric: str) -> bool:
    """Whether a lower value is better."""
    return metric.partition("@")[0] in LOWER_IS_BETTER
