"""Here or behind HTTP, as the settings say; the names of earlier systems."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from matinee.cli import main
from matinee.errors import EncoderError
from matinee.indexes import ExactIndex, UpdatableIndex
from matinee.remote import (
    RemoteImageEncoder,
    RemoteIndex,
    RemoteTextEncoder,
    open_image_encoder,
    open_index,
    open_text_encoder,
)
from matinee.settings import Settings
from tiny_models import image_model, text_folder


def test_encoders_are_here_unless_a_url_is_set(tmp_path: Path) -> None:
    here = Settings(
        text_encoder=str(text_folder(tmp_path / "words")), image_encoder=str(image_model(tmp_path / "fields.onnx"))
    )
    there = here.model_copy(update={"encoder_url": "http://encoder:8001"})
    assert not isinstance(open_text_encoder(here), RemoteTextEncoder)
    assert not isinstance(open_image_encoder(here), RemoteImageEncoder)
    assert isinstance(open_text_encoder(there), RemoteTextEncoder)
    assert isinstance(open_image_encoder(there), RemoteImageEncoder)
    with pytest.raises(EncoderError, match="off"):
        open_text_encoder(Settings(text_encoder="off"))
    with pytest.raises(EncoderError, match="off"):
        open_image_encoder(Settings(image_encoder="off"))


def test_an_index_is_here_unless_a_url_is_set() -> None:
    local = UpdatableIndex(ExactIndex(np.arange(2), np.eye(2, dtype=np.float32)))
    assert open_index(Settings(), lambda: local, "poster") is local
    there = open_index(Settings(vectors_url="http://vectors:5000"), lambda: local, "poster", "s")
    assert isinstance(there, RemoteIndex)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://embedding:8001", "http://embedding:8001"),
        ("http://embedding:8001/", "http://embedding:8001"),
        ("http://embedding:8001/generate", "http://embedding:8001"),
        ("", ""),
    ],
)
def test_the_earlier_name_of_the_encoder_service(monkeypatch: pytest.MonkeyPatch, value: str, url: str) -> None:
    monkeypatch.setenv("EMBEDDING_GENERATOR_ENDPOINT", value)
    assert Settings().encoder_url == url


def test_the_settings_tell_of_the_earlier_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBEDDING_GENERATOR_ENDPOINT", "http://embedding:8001")
    assert main(["settings", "--json"]) == 0
    items = {item["name"]: item for item in json.loads(capsys.readouterr().out)["items"]}
    assert items["encoder_url"]["source"] == "EMBEDDING_GENERATOR_ENDPOINT"
    assert items["vectors_url"]["source"] == "default"


def test_the_own_name_is_stronger_and_a_file_weaker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('encoder_url = "http://file"', encoding="utf-8")
    monkeypatch.setenv("MATINEE_CONFIG", str(config))
    assert Settings().encoder_url == "http://file"
    monkeypatch.setenv("EMBEDDING_GENERATOR_ENDPOINT", "http://earlier")
    assert Settings().encoder_url == "http://earlier"
    monkeypatch.setenv("MATINEE_ENCODER_URL", "http://own")
    assert Settings().encoder_url == "http://own"
    assert Settings(encoder_url="http://given").encoder_url == "http://given"
