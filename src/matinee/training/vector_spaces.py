"""The vector spaces of a snapshot, made at training: of texts and posters by encoders, of models by decomposition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee import remote
from matinee._util.progress import Progress, silent
from matinee.data.dataset import Dataset
from matinee.data.vectors import MovieVectors
from matinee.encoders import conse
from matinee.encoders.image import POSTER_DIM, POSTER_POWER, OnnxImageEncoder
from matinee.encoders.movie_texts import TEXT_CENTERED, TEXT_DIM, TEXT_POWER, movie_texts
from matinee.encoders.projection import Projection, unit
from matinee.encoders.vector_cache import encode_cached, encode_images_cached
from matinee.errors import MatineeError
from matinee.indexes import available_kinds, build_index
from matinee.indexes.recall_check import BUILT, Probes, proven
from matinee.models.base import Model
from matinee.models.truncated_svd import truncated_svd
from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.snapshots.spaces import Space, lifted
from matinee.spaces.blend_space import blend_movies
from matinee.spaces.content_space import ContentSpace
from matinee.spaces.series import SeriesFinder
from matinee.training.incremental import Base
from matinee.training.movie_map import grown_layout, layout, method_for

Floats = NDArray[np.float32]

TEXT, POSTER, CONTENT, TASTE, BLEND = "text", "poster", "content", "taste", "blend"

MANY_VECTORS = 200_000
"""From so many vectors on only FAISS's inverted lists are built, where FAISS is installed: Annoy and HNSW would take
several times as long as all models together."""
TASTE_DIM = 64
USER_POWER, MOVIE_POWER = 1.0, 0.5
"""Ratings are divided by these powers of the users' and the movies' lengths before the SVD. Best of five pairs: the ten
nearest neighbors include most held-out ratings, weighted by rarity, 1/√ratings (ml-latest-small, random 80:20, two
splits: .0105; with ½ and ½ .0090; with 128 dimensions fewer)."""
SUPPORT = 3.0
"""Shrinkage: a movie with n ratings has length √(n/(n + 3)). Without it, movies with one or two ratings fill the lists
(held-out ratings .0094 weighted by rarity, .057 unweighted; with it .0105, .069). A higher value finds more (6: .0107,
.073), but only by preferring movies that everybody has seen: Rocky's list loses the sequels."""


@dataclass(frozen=True)
class Encoded:
    """Raw vectors of movies: increasing rows, (n,), vectors, (n, n_raw), and the encoder's id."""

    rows: NDArray[np.int64]
    raw: Floats
    encoder: str


def encoded_spaces(
    dataset: Dataset, settings: Settings, on_progress: Progress = silent
) -> tuple[dict[str, Space], list[str]]:
    """The spaces of texts and posters, without maps, and a sentence for each that was left out."""
    spaces: dict[str, Space] = {}
    notes: list[str] = []
    makers: list[tuple[str, Callable[[], Space | None]]] = [
        (TEXT, lambda: text_space(dataset, settings, on_progress)),
        (POSTER, lambda: poster_space(dataset, settings, on_progress, notes)),
    ]
    for name, make in makers:
        if settings.model_dump()[f"{'image' if name == 'poster' else name}_encoder"] == "off":
            continue
        try:
            space = make()
        except MatineeError as error:
            notes.append(f"Vectors of {name}s are left out: {error}")
            continue
        if space is not None:
            spaces[name] = space
    return spaces, notes


def with_spaces(dataset: Dataset, spaces: Mapping[str, Space]) -> Dataset:
    """The data set with these spaces' vectors, for the models that use them."""
    return replace(dataset, vectors={name: space.movies for name, space in spaces.items()})


def text_space(dataset: Dataset, settings: Settings, on_progress: Progress) -> Space:
    """The space of texts, by the text encoder.

    Raises:
        EncoderError, FetchError: the encoder cannot be had.
    """
    encoder = remote.open_text_encoder(settings)
    texts = movie_texts(dataset.catalog)
    raw = encode_cached(encoder, texts, settings, on_progress)
    encoded = Encoded(np.arange(len(texts), dtype=np.int64), raw, encoder.id)
    return _projected(TEXT, encoded, TEXT_DIM, TEXT_POWER, settings.seed, center=TEXT_CENTERED)


def poster_space(dataset: Dataset, settings: Settings, on_progress: Progress, notes: list[str]) -> Space | None:
    """The space of posters, by the image encoder; None if there are none. `notes` gets a sentence on unreadable files.

    Raises:
        EncoderError, FetchError: the encoder cannot be had.
    """
    paths = poster_paths(settings, dataset.name)
    by_row = {row: path for movie_id, path in paths.items() if (row := dataset.catalog.find(movie_id)) is not None}
    if not by_row:
        return None
    rows = sorted(by_row)
    encoder = remote.open_image_encoder(settings)
    raw, faults = encode_images_cached(encoder, [by_row[row] for row in rows], settings, on_progress)
    readable = np.delete(np.arange(len(rows)), [fault.position for fault in faults])
    if faults:
        notes.append(f"{len(faults)} posters cannot be read and are left out, for instance: {faults[0].error}")
    if not len(readable):
        return None
    encoded = Encoded(np.array(rows, dtype=np.int64)[readable], raw[readable], encoder.id)
    space = _projected(POSTER, encoded, POSTER_DIM, POSTER_POWER, settings.seed)
    if not settings.poster_meaning or settings.text_encoder == "off" or not isinstance(encoder, OnnxImageEncoder):
        return space
    try:
        inside = np.isin(encoded.rows, space.rows)
        return replace(space, extra={"meaning": _meaning(encoder, encoded.raw[inside], settings, on_progress)})
    except MatineeError as error:
        notes.append(f"What posters show is left out: {error}")
        return space


def poster_paths(settings: Settings, dataset: str) -> dict[str, Path]:
    """Movie id → image file, of all stored posters of a data set."""
    posters = PosterStore.of(settings, dataset)
    return {movie_id: path for movie_id in sorted(posters.ids()) if (path := posters.path(movie_id)) is not None}


def _meaning(encoder: OnnxImageEncoder, raw: Floats, settings: Settings, on_progress: Progress) -> Floats:
    """ConSE: posters as weighted sums of the raw text vectors of the classes that they show, (n, n_text)."""
    probabilities = encoder.class_probabilities(raw)
    names = conse.class_names(settings, on_progress)
    result: Floats = conse.conse_vectors(probabilities, remote.open_text_encoder(settings).encode(names))
    return result


def _projected(name: str, encoded: Encoded, dim: int, power: float, seed: int, *, center: bool = True) -> Space:
    projection = Projection.fit(encoded.raw, dim, power, seed, center=center)
    vectors = projection.apply(encoded.raw)
    nonzero = (vectors != 0).any(axis=1)  # a movie at the mean of all has no direction
    movies = MovieVectors(encoded.rows[nonzero], vectors[nonzero])
    return Space(name, movies, np.zeros((len(movies), 2), dtype=np.float32), "", projection, encoded.encoder)


def model_spaces(dataset: Dataset, models: Mapping[str, Model[Any]], seed: int = 0) -> dict[str, Space]:
    """`content`, `taste` (SVD of the ratings) and `blend` of the two, without maps."""
    spaces = {}
    content = models.get(CONTENT)
    if content is not None and content.item_vectors is not None:
        spaces[CONTENT] = content_space(dataset, content, seed)
    spaces[TASTE] = taste_space(dataset, seed)
    spaces = {name: space for name, space in spaces.items() if len(space.movies)}
    if CONTENT in spaces and TASTE in spaces:
        spaces[BLEND] = _space(BLEND, blend_movies(spaces[TASTE].movies, spaces[CONTENT].movies))
    return spaces


def content_space(dataset: Dataset, content: Model[Any], seed: int = 0) -> Space:
    """The space of the content model, series first; see `matinee.spaces.content_space`."""
    series = SeriesFinder(dataset.catalog).all()
    learned = ContentSpace.learn(content, dataset.vectors, series, dataset.catalog.column("year"), seed)
    return _space(CONTENT, learned.movies, learned.extra())


def taste_space(dataset: Dataset, seed: int) -> Space:
    """Movie factors of a truncated SVD of the ratings, of all rated movies; shorter for movies with few ratings."""
    ratings = dataset.ratings.matrix()
    matrix = sp.csr_matrix(
        (ratings.data / np.float32(dataset.scale[1]), ratings.indices, ratings.indptr), ratings.shape
    )
    squares = matrix.multiply(matrix)
    users, movies = (np.sqrt(np.asarray(squares.sum(axis=axis)).ravel()) for axis in (1, 0))
    scaled = (
        sp.diags_array(np.maximum(users, 1e-9) ** -USER_POWER)
        @ matrix
        @ sp.diags_array(np.maximum(movies, 1e-9) ** -MOVIE_POWER)
    )
    _, values, right = truncated_svd(sp.csr_matrix(scaled), TASTE_DIM, seed=seed)
    counts = dataset.ratings.counts
    vectors = unit((right * values[:, None]).T.astype(np.float32))
    vectors *= np.sqrt(counts / (counts + SUPPORT)).astype(np.float32)[:, None]
    rated = (counts > 0) & (vectors != 0).any(axis=1)
    return _space(TASTE, MovieVectors(np.flatnonzero(rated).astype(np.int64), lifted(vectors[rated])))


def _space(name: str, movies: MovieVectors, extra: Mapping[str, NDArray[Any]] | None = None) -> Space:
    """A lifted space without a map."""
    return Space(name, movies, np.zeros((len(movies), 2), dtype=np.float32), "", extra=extra or {}, lifted=True)


def finished(
    spaces: Mapping[str, Space],
    settings: Settings,
    on_progress: Progress = silent,
    *,
    approximate: bool = True,
    base: Base | None = None,
) -> dict[str, Space]:
    """The spaces with maps and, if `approximate`, with an index of each installed kind.

    Args:
        base: whose maps are kept, with new movies placed among their neighbors.
    """
    done: dict[str, Space] = {}
    installed = [kind for kind in available_kinds() if kind != "exact"] if approximate else []
    for number, (name, space) in enumerate(spaces.items()):
        on_progress("laying out the maps, building the indexes", number / len(spaces))
        kinds = installed if len(space.movies) < MANY_VECTORS or "faiss" not in installed else ["faiss"]
        indexes = {
            kind: build_index(kind, space.rows, space.vectors, seed=settings.seed, recall=BUILT.mean) for kind in kinds
        }
        if indexes:
            probes = Probes.of(space.vectors, space.asked)
            indexes = {
                kind: proven(index, probes, BUILT, spare=1) or index.exactly() for kind, index in indexes.items()
            }
        # The last value of a lifted vector only encodes the length of the others.
        queries = space.asked(space.vectors)
        method = method_for(len(queries), settings.map_method)
        vectors = queries[:, :-1] if space.lifted else queries
        kept = None if base is None else base.map_points(space, method)
        done[name] = replace(
            space,
            layout=layout(vectors, method, settings.seed) if kept is None else grown_layout(vectors, kept),
            layout_method=method,
            indexes=indexes,
        )
    on_progress("laying out the maps, building the indexes", 1.0)
    return done
