"""What posters seem to show: weighted means of class names' vectors, checked against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.encoders import conse
from matinee.encoders.conse import CLASSES, N_CLASSES, PRINTED, class_names, conse_vectors, text_similarity
from matinee.encoders.projection import unit
from matinee.errors import FetchError, InvalidInputError
from matinee.settings import Settings


def drawn(seed: int, n: int, n_classes: int, dim: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and class vectors."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 0.1), n), unit(rng.normal(size=(n_classes, dim)))


@given(st.integers(0, 1000), st.integers(1, 12))
def test_vectors_are_weighted_means_of_the_likeliest_classes(seed: int, top: int) -> None:
    probabilities, classes = drawn(seed, 3, 9)
    found = conse_vectors(probabilities, classes, top)
    assert found.dtype == np.float32
    for vector, row in zip(found, probabilities, strict=True):
        mean = sum(row[place] * classes[place] for place in np.argsort(-row)[:top])
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-4)


def test_a_certain_class_gives_its_own_vector() -> None:
    _, classes = drawn(0, 1, 9)
    np.testing.assert_allclose(conse_vectors(np.eye(9), classes), classes, atol=1e-6)


def test_being_printed_is_not_something_shown() -> None:
    probabilities, classes = drawn(1, 4, N_CLASSES)
    other = probabilities.copy()
    other[:, PRINTED] = 5.0
    np.testing.assert_array_equal(conse_vectors(other, classes), conse_vectors(probabilities, classes))
    assert other[0, PRINTED[0]] == 5  # what is given stays as it is


def test_shapes_that_do_not_fit() -> None:
    probabilities, classes = drawn(2, 2, 9)
    for wrong in (probabilities[:, :8], probabilities[0]):
        with pytest.raises(InvalidInputError, match="do not match"):
            conse_vectors(wrong, classes)
    with pytest.raises(InvalidInputError, match="top 0"):
        conse_vectors(probabilities, classes, 0)


def test_no_posters() -> None:
    _, classes = drawn(3, 1, 9)
    assert conse_vectors(np.empty((0, 9)), classes).shape == (0, 8)
    assert text_similarity(np.empty((0, 8), dtype=np.float32), classes[0]).shape == (0,)


def test_what_all_posters_share_is_taken_off() -> None:
    rng = np.random.default_rng(4)
    common = 5 * unit(rng.normal(size=(1, 8)))
    posters = unit(common + unit(rng.normal(size=(30, 8))))
    cosines = text_similarity(posters, posters[7])
    assert cosines.argmax() == 7
    assert cosines[7] == pytest.approx(1, abs=1e-5)
    assert np.abs(cosines).mean() < (posters @ posters[7]).mean() / 2


def prepared(folder: Path, lemmas: list[str], synsets: list[str]) -> list[str]:
    (folder / "imagenet_synset_to_lemma.txt").write_text("\n".join(lemmas))
    (folder / "imagenet_synsets.txt").write_text("\n".join(synsets))
    conse._prepare(folder)
    (only,) = folder.iterdir()
    return only.read_text().splitlines()


def test_the_first_name_of_each_class_is_kept_in_the_order_of_the_classes(tmp_path: Path) -> None:
    lemmas = [f"n{place:04}\tname {place}, Latin {place}" for place in range(2 * N_CLASSES)]
    wanted = list(range(2 * N_CLASSES))[::-2]
    assert prepared(tmp_path, lemmas, [f"n{place:04}" for place in wanted]) == [f"name {place}" for place in wanted]


@pytest.mark.parametrize("synsets", [[f"n{place:04}" for place in range(999)], ["n9999"] * N_CLASSES])
def test_lists_that_are_not_whole(tmp_path: Path, synsets: list[str]) -> None:
    with pytest.raises(FetchError, match="incomplete"):
        prepared(tmp_path, [f"n{place:04}\tx" for place in range(N_CLASSES)], synsets)


@pytest.mark.network
def test_class_names() -> None:
    try:
        names = class_names(Settings())
    except FetchError as error:
        pytest.skip(str(error))
    assert len(names) == N_CLASSES
    assert [names[place] for place in (0, 2, *PRINTED)] == [
        "tench",
        "great white shark",
        "web site",
        "comic book",
        "book jacket",
    ]
    assert CLASSES.hash is not None
