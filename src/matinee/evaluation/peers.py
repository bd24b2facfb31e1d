"""Published figures for the protocols, shown next to the measured ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Peer(BaseModel):
    """A published result.

    Attributes:
        name: of the method.
        metrics: metric → figure, named as in our own reports.
        source: who measured it, and what to know about it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    metrics: dict[str, float]
    source: str


def _stars(name: str, rmse: float, source: str, mae: float | None = None) -> Peer:
    metrics = {"rmse": rmse} if mae is None else {"rmse": rmse, "mae": mae}
    return Peer(name=name, metrics=metrics, source=source)


def _lists(name: str, ndcg: float, source: str, **others: float) -> Peer:
    return Peer(
        name=name, metrics={"ndcg@10": ndcg} | {f"{key}@10": value for key, value in others.items()}, source=source
    )


_ANELLI = "Anelli et al. 2022"
_LATEST = "earlier measurement, same protocol"
PEERS: dict[str, tuple[Peer, ...]] = {
    "ml-100k-topn": (
        _lists("BiVAE", 0.475, "recommenders-team table", precision=0.412, recall=0.219, map=0.146),
        _lists("EASE λ=400", 0.4766, "earlier measurement, same protocol"),
        _lists("EDLAE + EASE on ratings + iALS", 0.4877, "optimistic: settings were looked at on test"),
    ),
    "ml-100k-ratings": (
        _stars("SVD (Surprise)", 0.934, "Surprise's table"),
        _stars("k-NN baseline (Surprise)", 0.931, "Surprise's table"),
        _stars("SVD++ (Surprise)", 0.919, "Surprise's table", 0.721),
        _stars("Bayesian FM, SVD++ terms", 0.8812, "measured with myfm 0.4"),
        _stars("Bayesian FM, features, day, ordered probit", 0.8763, "measured with myfm 0.4, 302 s", 0.6872),
    ),
    "ml-1m-topn": (
        _lists("EASE", 0.336, _ANELLI),
        _lists("SLIM", 0.335, _ANELLI),
        _lists("iALS", 0.306, _ANELLI),
        _lists("MultVAE", 0.294, _ANELLI),
    ),
    "ml-1m-ratings": (
        _stars("GLocal-K", 0.8227, "its paper, random 90:10, epoch chosen on test"),
        _stars("CF-NADE", 0.829, "its paper, random 90:10"),
    ),
    "ml-latest-small-ratings": (
        _stars("biases only", 0.862, _LATEST),
        _stars("SVD (Surprise)", 0.868, _LATEST),
    ),
}
"""Peers by protocol."""
