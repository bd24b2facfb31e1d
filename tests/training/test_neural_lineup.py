"""An autoencoder in the lists where a setting asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from matinee.data.dataset import Dataset
from matinee.engine import Engine, Request
from matinee.errors import MissingExtraError, UnknownModelError
from matinee.evaluation import evaluate
from matinee.models import MultVAE, RecVAE, default_lineup
from matinee.models.lineup import lineup_for
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(n_users=80)


def test_it_is_added_to_the_blends(data: Dataset) -> None:
    plain, lineup = default_lineup(data), default_lineup(data, "recvae")
    assert set(lineup) - set(plain) == {"recvae"}
    assert isinstance(lineup["recvae"], RecVAE)
    for name in ("blend", "watched"):
        assert set(lineup[name].parts) - set(plain[name].parts) == {"recvae"}
        assert list(lineup).index("recvae") < list(lineup).index(name)
    assert isinstance(lineup_for(Settings(train_neural="multvae"))(data)["multvae"], MultVAE)
    assert lineup_for(Settings())(data).keys() == plain.keys()


def test_it_needs_the_extra(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is said before anything is trained."""
    monkeypatch.setattr("matinee._util.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"matinee\[neural\]"):
        train_dataset(Settings(data_dir=tmp_path, train_neural="recvae"), data)


def test_a_snapshot_with_it_answers(data: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs matinee[neural]")
    settings = Settings(data_dir=tmp_path, train_neural="multvae")
    train_dataset(settings, data)
    with Engine.open(settings) as engine:
        assert "multvae" in {model["name"] for model in engine.models()}
        user = data.ratings.user_ids[0]
        for name in ("multvae", "blend"):
            assert len(engine.recommend(user, Request(n=5, model=name)).items) == 5


def test_evaluations_know_it_too(data: Dataset) -> None:
    pytest.importorskip("jax", reason="needs matinee[neural]")
    with pytest.raises(UnknownModelError, match="multvae"):
        evaluate("likes", ["nope"], data=data, settings=Settings(train_neural="multvae"), resamples=0)
