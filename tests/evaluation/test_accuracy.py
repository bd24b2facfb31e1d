"""Accuracy bands on MovieLens 100K: a change that costs accuracy does not pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from matinee.evaluation import evaluate
from matinee.models import Ease, Popularity
from matinee.settings import Settings


def test_ease_keeps_its_accuracy_on_the_published_protocol(shared_data: Path, tmp_path: Path) -> None:
    settings = Settings(offline=True, cache_dir=tmp_path / "cache")
    lineup = {"popular": Popularity(), "ease": Ease(regularization=600.0, min_ratings=5, feedback="watched")}
    report = evaluate(
        "ml-100k-topn", ["popular", "ease"], data=shared_data / "ml-100k", settings=settings, lineup=lambda _: lineup
    )
    assert (report.users, report.films, report.ratings) == (943, 1682, 100_000)
    ease = report.result("ease").metrics
    assert ease["ndcg@10"] == pytest.approx(0.4765, abs=0.005)
    assert ease["map@10"] == pytest.approx(0.1446, abs=0.005)
    assert ease["answered"] == 1.0
    assert report.result("popular").metrics["ndcg@10"] == pytest.approx(0.2509, abs=0.001)
    assert max(peer.metrics["ndcg@10"] for peer in report.peers) == 0.4877
