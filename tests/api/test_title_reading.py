"""The title read off a picture: over a socket with RapidOCR, and what is answered without it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw, ImageFont

from matinee.encoders import title_reader
from matinee.encoders.title_reader import TitleReader
from matinee.engine import Engine, posters
from matinee.errors import MissingExtraError
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from service_support import Process, serving
from support import random_dataset
from tiny_models import image_model, picture

needs_ocr = pytest.mark.skipif(find_spec("rapidocr") is None, reason="needs the extra `ocr`")
SEARCH = "/v1/posters/search"


def lettered(title: str) -> bytes:
    """A picture with a title on it."""
    image = Image.new("RGB", (500, 750), (30, 40, 70))
    pen = ImageDraw.Draw(image)
    pen.text((250, 375), title, font=ImageFont.load_default(72), fill=(250, 245, 230), anchor="mm")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A snapshot whose movies m0…m11 have a poster."""
    folder = tmp_path_factory.mktemp("titles")
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder="off",
        image_encoder=str(image_model(folder / "image.onnx")),
        poster_meaning=False,
    )
    shelf = PosterStore.of(settings, "random")
    for number in range(12):
        shelf.put(f"m{number}", picture(number))
    train_dataset(settings, random_dataset())
    return settings


@pytest.fixture
def engine(home: Settings) -> Iterator[Engine]:
    with Engine.open(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def service(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serving("core", home, tmp_path_factory.mktemp("log") / "core.log") as process:
        yield process


@needs_ocr
def test_other_artwork_of_a_film_is_found_by_its_title_over_a_socket(service: Process) -> None:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
        client.patch("/v1/movies/m7", json={"title": "Wandering Lighthouse"}).raise_for_status()
        answer = client.post(SEARCH, params={"k": 3}, content=lettered("Wandering\nLighthouse"))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["ocr"] == "read"
        assert [found["items"][0][key] for key in ("movie_id", "matched")] == ["m7", "title"]
        assert [item["matched"] for item in found["items"][1:]] == ["look", "look"]
        own = client.post(SEARCH, content=picture(3)).json()  # a poster that is known is not read
        assert (own["ocr"], own["items"][0]["movie_id"], own["items"][0]["matched"]) == ("not needed", "m3", "look")


@needs_ocr
def test_lines_are_read_from_top_to_bottom_and_blank_pictures_have_none() -> None:
    reader = TitleReader(Settings())
    lines = reader.read(lettered("Harvest\nof Iron")) or ()
    assert [line.text.casefold().replace(" ", "") for line in lines] == ["harvest", "ofiron"]
    assert all(0 < line.height < 0.3 for line in lines)
    assert reader.read(picture(3)) == ()


def test_without_the_extra_the_answer_says_so_and_likeness_answers(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "UNSURE", 1.01)  # of anything
    monkeypatch.setattr(engine.encoders, "_reader", None)
    hits = engine.search_posters(picture(3), k=3)
    assert hits.ocr == "not installed"
    assert [hit.matched for hit in hits] == ["look"] * 3
    assert hits[0].item.movie_id == "m3"


def test_a_vector_has_no_lettering(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posters, "UNSURE", 1.01)
    vector = engine.encoders.image(picture(3), engine.request_view().spaces["poster"].space)
    assert engine.search_posters(vector=vector).ocr == "not needed"


def test_the_setting_demands_forbids_or_takes_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(title_reader, "PACKAGE", "no_such_package")
    assert title_reader.title_reader(Settings(data_dir=tmp_path)) is None
    assert title_reader.title_reader(Settings(data_dir=tmp_path, ocr="off")) is None
    with pytest.raises(MissingExtraError, match=r"pip install 'matinee\[ocr\]'"):
        title_reader.title_reader(Settings(data_dir=tmp_path, ocr="on"))
