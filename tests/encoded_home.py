"""A small home whose snapshot has vectors of texts and posters, made by small encoders."""

from __future__ import annotations

import shutil
from pathlib import Path

from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from support import random_dataset
from tiny_models import image_model, picture, text_folder


def settings_of(home: Path, data: str = "data") -> Settings:
    return Settings(
        data_dir=home / data,
        cache_dir=home / "cache",
        text_encoder=str(home / "text"),
        image_encoder=str(home / "image.onnx"),
        poster_meaning=False,
    )


def train_home(home: Path, n_posters: int) -> Path:
    """Train on the random data set; its first movies have a poster."""
    text_folder(home / "text")
    image_model(home / "image.onnx")
    settings = settings_of(home)
    shelf = PosterStore.of(settings, "random")
    for number in range(n_posters):
        shelf.put(f"m{number}", picture(number))
    train_dataset(settings, random_dataset())
    return home


def own_copy(home: Path, folder: Path) -> Settings:
    """Settings of a copy of what was trained."""
    shutil.copytree(home / "data", folder / "own")
    return settings_of(home).model_copy(update={"data_dir": folder / "own"})
