"""What every encoder must do, in this process and behind HTTP (real service, real socket)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matinee.encoders.base import ImageEncoder, TextEncoder, Vectors
from matinee.errors import InvalidInputError, MediaTypeError, TooLargeError
from matinee.remote import RemoteImageEncoder, RemoteTextEncoder, open_image_encoder, open_text_encoder
from matinee.settings import Settings
from service_support import Process, serving
from tiny_models import IMAGE_DIM, TEXT_DIM, image_model, picture, text_folder

TEXTS = ["A film about androids who dream", "the lighthouse keeper", "war", "love in a train, 1995 – été"]
MAX_BODY, MAX_PIXELS = 150_000, 400_000


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("encoders")
    return Settings(
        data_dir=folder / "data",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder=str(image_model(folder / "fields.onnx")),
        max_body=MAX_BODY,
        max_pixels=MAX_PIXELS,
    )


@pytest.fixture(scope="module")
def service(here: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with serving("encoder", here, tmp_path_factory.mktemp("service") / "log") as process:
        yield process


@pytest.fixture(params=["local", "remote"])
def where(request: pytest.FixtureRequest, here: Settings) -> Settings:
    if request.param == "local":
        return here
    url: str = request.getfixturevalue("service").url
    return here.model_copy(update={"encoder_url": url})


@pytest.fixture
def texts(where: Settings) -> TextEncoder:
    encoder = open_text_encoder(where)
    assert isinstance(encoder, RemoteTextEncoder) == bool(where.encoder_url)
    return encoder


@pytest.fixture
def images(where: Settings) -> ImageEncoder:
    encoder = open_image_encoder(where)
    assert isinstance(encoder, RemoteImageEncoder) == bool(where.encoder_url)
    return encoder


def check_vectors(vectors: Vectors, count: int, dim: int) -> None:
    assert vectors.shape == (count, dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def in_threads(encode: Callable[[int], Vectors], count: int) -> list[Vectors]:
    found: list[Vectors | None] = [None] * count

    def work(place: int) -> None:
        found[place] = encode(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [one for one in found if one is not None]


class TestTexts:
    def test_vectors_have_length_one_and_the_order_of_the_texts(self, texts: TextEncoder) -> None:
        vectors = texts.encode(TEXTS)
        check_vectors(vectors, 4, texts.dim)
        assert (texts.dim, bool(texts.id)) == (TEXT_DIM, True)
        np.testing.assert_allclose(texts.encode(TEXTS[::-1]), vectors[::-1], atol=1e-6)
        assert (vectors @ vectors.T - np.eye(4) < 0.99).all()

    def test_none_are_none(self, texts: TextEncoder) -> None:
        check_vectors(texts.encode([]), 0, texts.dim)

    def test_the_batch_does_not_matter(self, texts: TextEncoder) -> None:
        many = [f"{TEXTS[place % 4]} {'storm ' * (place % 23)}{place}" for place in range(150)]
        vectors = texts.encode(many)
        check_vectors(vectors, 150, texts.dim)
        for place in (0, 63, 64, 149):
            np.testing.assert_allclose(texts.encode([many[place]])[0], vectors[place], atol=1e-5)

    @pytest.mark.parametrize("blank", ["", " ", "\n\t  "])
    def test_blank_texts_are_named_by_their_place(self, texts: TextEncoder, blank: str) -> None:
        with pytest.raises(InvalidInputError, match=r"\b100\b"):
            texts.encode([*["storm"] * 100, blank, "night"])

    def test_long_texts_are_cut(self, texts: TextEncoder) -> None:
        long = "the lighthouse keeper and the storm " * 20_000
        check_vectors(texts.encode([long, "  " * 100_000 + "storm"]), 2, texts.dim)
        np.testing.assert_allclose(texts.encode([long]), texts.encode([long[:100_000]]), atol=1e-5)

    @given(st.lists(st.text(min_size=1, max_size=60), max_size=4))
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text_has_a_vector_or_is_refused(self, texts: TextEncoder, given_texts: list[str]) -> None:
        try:
            vectors = texts.encode(given_texts)
        except InvalidInputError:
            assert not all(text.strip() for text in given_texts)
        else:
            check_vectors(vectors, len(given_texts), texts.dim)

    def test_text_that_is_no_unicode_has_a_vector(self, texts: TextEncoder) -> None:
        vectors = texts.encode(["a storm \ud800 at night", "a storm ? at night"])
        np.testing.assert_array_equal(vectors[0], vectors[1])

    def test_progress_ends_at_the_end(self, texts: TextEncoder) -> None:
        shares: list[float] = []
        texts.encode(["storm"] * 200, lambda _, share: shares.append(share))
        assert shares == sorted(shares)
        assert shares[-1] == 1

    def test_many_threads(self, texts: TextEncoder) -> None:
        wanted = texts.encode(TEXTS)
        found = in_threads(lambda place: texts.encode([TEXTS[place % 4]]), 16)
        assert len(found) == 16
        for place, vectors in enumerate(found):
            np.testing.assert_allclose(vectors[0], wanted[place % 4], atol=1e-6)


class TestImages:
    def test_vectors_have_length_one_and_the_order_of_the_images(self, images: ImageEncoder) -> None:
        pictures = [picture(seed) for seed in range(40)]
        vectors = images.encode(pictures)
        check_vectors(vectors, 40, images.dim)
        assert (images.dim, bool(images.id)) == (IMAGE_DIM, True)
        for place in (0, 17, 39):
            np.testing.assert_allclose(images.encode([pictures[place]])[0], vectors[place], atol=1e-6)

    def test_none_are_none(self, images: ImageEncoder) -> None:
        check_vectors(images.encode([]), 0, images.dim)

    def test_a_file_is_its_content(self, images: ImageEncoder, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(picture(3))
        np.testing.assert_array_equal(images.encode([path]), images.encode([picture(3)]))
        with pytest.raises(InvalidInputError):
            images.encode([tmp_path / "none.jpg"])

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
    def test_kinds_of_images(self, images: ImageEncoder, kind: str) -> None:
        vectors = images.encode([picture(5), picture(5, kind)])
        assert vectors[0] @ vectors[1] > 0.97

    @pytest.mark.parametrize(
        ("content", "error"),
        [
            (b"", InvalidInputError),
            (picture(1)[:200], InvalidInputError),
            (picture(1, "PNG")[:300], InvalidInputError),
            (b"GIF89a" + bytes(100), MediaTypeError),
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", MediaTypeError),
            (b"hello", MediaTypeError),
            (bytes(MAX_BODY + 1), TooLargeError),
            (picture(1, "PNG", (1000, 401)), TooLargeError),
        ],
        ids=["empty", "cut JPEG", "cut PNG", "GIF", "SVG", "text", "bytes", "pixels"],
    )
    def test_what_is_no_image_is_refused(
        self, images: ImageEncoder, content: bytes, error: type[InvalidInputError]
    ) -> None:
        for given_images in ([content], [picture(1), content, picture(2)]):
            with pytest.raises(error) as raised:
                images.encode(given_images)
            assert type(raised.value) is error
            assert str(raised.value).endswith(".")
        check_vectors(images.encode([picture(1)]), 1, images.dim)

    def test_an_image_of_the_largest_size_is_taken(self, images: ImageEncoder) -> None:
        content = picture(2)
        check_vectors(images.encode([content + bytes(MAX_BODY - len(content))]), 1, images.dim)

    def test_images_of_all_modes(self, images: ImageEncoder) -> None:
        from PIL import Image

        for mode in ("L", "CMYK", "RGBA", "P", "LA", "1"):
            buffer = io.BytesIO()
            kind = "JPEG" if mode == "CMYK" else "PNG"
            Image.open(io.BytesIO(picture(7))).convert(mode).save(buffer, kind)
            check_vectors(images.encode([buffer.getvalue()]), 1, images.dim)

    def test_progress_ends_at_the_end(self, images: ImageEncoder) -> None:
        shares: list[float] = []
        images.encode([picture(1)] * 40, lambda _, share: shares.append(share))
        assert shares == sorted(shares)
        assert shares[-1] == 1

    def test_many_threads(self, images: ImageEncoder) -> None:
        pictures = [picture(seed) for seed in range(4)]
        wanted = images.encode(pictures)
        found = in_threads(lambda place: images.encode([pictures[place % 4]]), 16)
        assert len(found) == 16
        for place, vectors in enumerate(found):
            np.testing.assert_allclose(vectors[0], wanted[place % 4], atol=1e-6)


def test_both_give_the_same(here: Settings, service: Process) -> None:
    there = here.model_copy(update={"encoder_url": service.url})
    assert open_text_encoder(here).id == open_text_encoder(there).id
    assert open_image_encoder(here).id == open_image_encoder(there).id
    np.testing.assert_array_equal(open_text_encoder(here).encode(TEXTS), open_text_encoder(there).encode(TEXTS))
    pictures = [picture(seed) for seed in range(3)]
    np.testing.assert_array_equal(open_image_encoder(here).encode(pictures), open_image_encoder(there).encode(pictures))
