"""The content space: the content model's similarity as inner products of short vectors, a movie's own series first.

The likeness Σ w_f²·cos_f of words, texts and posters (see `models.content`) is an inner product of long vectors; the
space holds their projections on the directions that keep most of it (a truncated SVD). On ml-latest-small 512 values
find .82 of the ten nearest of the 300 most rated films (128: .38, 256: .60, 1024: .89), and theirs hold as many of the
ratings kept back as those of the whole likeness (.0429 and .0414). Lengths stay (`Space.lifted`): brought to length 1,
films of which little is known crowd in (.033 of the ratings kept back). Then the films of a series are drawn together.

A new film's place is f·Fᵀ·E·s⁻², E the places of the films learnt with, F their long vectors and s the singular values:
no table of words by directions is kept, which would be several times as large as the space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from matinee.data.vectors import FilmVectors
from matinee.encoders.projection import Projection, unit
from matinee.errors import SnapshotError
from matinee.models.content.model import SPACES, Content
from matinee.models.content.vector_field import VectorField
from matinee.models.truncated_svd import truncated_svd
from matinee.snapshots.spaces import Space, lifted

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

MOST_DIM, LEAST_DIM = 512, 128
VALUES = 10_000_000
"""Values that the vectors of a space may hold together (40 MB): larger catalogues get fewer to a film."""
ITERATIONS = 2
"""Of the decomposition: .823 of the ten nearest are found with two, .812 with four."""
SERIES_WEIGHT = 2.0
"""Weight of the other films of its series, together, in a film's place, beside 1 for itself. For 1,068 films in 380
series of ml-latest-small .975 of the series then come first (.52 without it; 1: .966), mostly in the order of their
years, and the ten nearest hold as many ratings kept back as before (.0431 and .0429)."""
SERIES_DECAY = 0.6
"""Weight of each further movie of a series, by year, relative to the one before it."""


def content_dim(n_items: int) -> int:
    """Values for the content of a film in a catalogue of so many."""
    return max(LEAST_DIM, min(MOST_DIM, VALUES // max(n_items, 1)))


NOTHING = 1e-6
"""A film nearer to the origin has no direction."""

_HINT = "Train again, or promote another snapshot."


@dataclass(frozen=True)
class ContentSpace:
    """Where films lie by content, and how new ones are placed.

    Attributes:
        films: the space: lifted vectors, those of series drawn together; memory-mapped where loaded.
        series: places of the films in series before they were drawn together, (m, dim), not of length 1.
        labels: int64, (m,): which series each of these belongs to.
        squares: float32, (dim,): squared singular values.
        dense: by encoded space the projection that the content model has, and the directions, (n_projected, dim).
    """

    films: FilmVectors
    series: FilmVectors
    labels: Rows
    squares: Floats
    dense: Mapping[str, tuple[Projection, Floats]]

    @classmethod
    def learn(
        cls,
        content: Content,
        vectors: Mapping[str, FilmVectors],
        series: Iterable[Rows] = (),
        years: Sequence[int | None] = (),
        seed: int = 0,
        dim: int | None = None,
    ) -> ContentSpace:
        """From a fitted content model.

        Args:
            vectors: those that it was fitted with, by encoded space.
            series: rows of the films of each series; no film in two.
            years: of every film, where there are series.
            dim: values for a film; None: as `content_dim` says.
        """
        words = content.vectors
        shared = _shared(content)
        fields = {name: VectorField.learn(vectors[name]) for name in SPACES if _weight(content, name, vectors)}
        everything = np.arange(content.n_items, dtype=np.int64)
        blocks = [field.rows(everything) * _weight(content, name, vectors) for name, field in fields.items()]
        left, values, right = truncated_svd(
            sp.csr_matrix(words[:, shared]),
            dim or content_dim(content.n_items),
            seed=seed,
            dense=np.hstack(blocks) if blocks else None,
            iterations=ITERATIONS,
        )
        dense: dict[str, tuple[Projection, Floats]] = {}
        start = int(shared.sum())
        for name, field in fields.items():
            directions = right[:, start : start + field.dim].T * _weight(content, name, vectors)
            dense[name] = field.projection, np.ascontiguousarray(directions, dtype=np.float32)
            start += field.dim
        places = left * values
        known = content.tells(everything) & (np.linalg.norm(places, axis=1) > NOTHING)
        told = [rows[known[rows]] for rows in series]
        groups = [rows for rows in told if len(rows) > 1]
        members = np.sort(np.concatenate([*groups, np.zeros(0, dtype=np.int64)]))
        apart = FilmVectors(members, places[members])
        labels = np.zeros(len(members), dtype=np.int64)
        for label, rows in enumerate(groups):
            places[rows] = drawn_together(places[rows], [years[row] for row in rows.tolist()])
            labels[np.searchsorted(members, rows)] = label
        kept = np.flatnonzero(known).astype(np.int64)
        return cls(FilmVectors(kept, lifted(places[kept])), apart, labels, values**2, dense)

    def places(self, rows: Rows) -> Floats:
        """Places of films before those of series were drawn together, (len(rows), dim); 0 for films that have none."""
        found = np.zeros((len(rows), len(self.squares)), dtype=np.float32)
        for films in (self.films, self.series):
            if len(films):
                place = np.minimum(np.searchsorted(films.rows, rows), len(films) - 1)
                here = films.rows[place] == rows
                found[here] = films.vectors[place[here], : len(self.squares)]
        return found

    def placed(
        self, learnt: Content, now: Content, rows: Rows, before: Mapping[str, Floats], after: Mapping[str, Floats]
    ) -> Floats:
        """Places of films that were added or edited, (len(rows), dim), before series are drawn together.

        Args:
            learnt: the content model that the space was learnt from.
            now: the same over the catalogue as it is.
            before: raw vectors of the films in the encoded spaces when the space was learnt, 0 where there was none.
            after: those that they have now.
        """
        # Only what changed is projected, so that a film put back as it was lies where it lay.
        known = rows < learnt.n_items
        kept = sp.diags_array(known.astype(np.float32))
        words = sp.csr_matrix(now.vectors[rows] - kept @ learnt.vectors[np.where(known, rows, 0)])
        # A new film may have a word that only one had before; of its own such words a film's place says nothing.
        lone = ~_shared(learnt)[words.indices] & np.repeat(known, np.diff(words.indptr))
        words.data[lone] = 0
        alike = sp.csr_matrix(words @ learnt.vectors.T)
        dim = len(self.squares)
        product = alike[:, self.films.rows] @ self.films.vectors
        inside = np.searchsorted(self.films.rows, self.series.rows)
        product[:, :dim] += alike[:, self.series.rows] @ (self.series.vectors - self.films.vectors[inside, :dim])
        found = self.places(rows)
        found += product[:, :dim] / self.squares
        for name, (projection, directions) in self.dense.items():
            if name in before and name in after:
                moved = _projected(after[name], projection) - _projected(before[name], projection)
                found += moved @ directions
        return found

    def groups(self) -> list[Rows]:
        """The series, rows of two or more films each."""
        order = np.argsort(self.labels, kind="stable")
        cuts = np.flatnonzero(np.diff(self.labels[order])) + 1
        return [rows for rows in np.split(self.series.rows[order], cuts) if len(rows)]

    def extra(self) -> dict[str, NDArray[Any]]:
        """Arrays that `of` needs besides the vectors."""
        state: dict[str, NDArray[Any]] = {
            "squares": self.squares,
            "series": self.series.rows,
            "series_places": self.series.vectors,
            "series_labels": self.labels,
        }
        for name, (projection, directions) in self.dense.items():
            state |= {f"{name}_{part}": values for part, values in projection.state().items()}
            state[f"{name}_directions"] = directions
        return state

    @classmethod
    def of(cls, space: Space) -> ContentSpace:
        """From a space of a snapshot.

        Raises:
            SnapshotError: arrays are missing or do not fit together.
        """
        extra = space.extra
        try:
            dense = {
                name: (Projection(extra[f"{name}_mean"], extra[f"{name}_components"]), extra[f"{name}_directions"])
                for name in SPACES
                if f"{name}_mean" in extra
            }
            found = cls(
                space.films,
                FilmVectors(extra["series"], extra["series_places"]),
                extra["series_labels"],
                extra["squares"],
                dense,
            )
        except KeyError as error:
            raise SnapshotError(f"The space {space.name!r} is damaged: it lacks {error}.", _HINT) from error
        dim = space.dim - 1
        fits = (
            found.squares.shape == (dim,)
            and found.series.dim == dim
            and found.labels.shape == found.series.rows.shape
            and bool(np.isin(found.series.rows, found.films.rows).all())
            and all(
                projection.components.shape[0] == len(projection.mean) and part.shape == (projection.dim, dim)
                for projection, part in dense.values()
            )
        )
        if not fits:
            raise SnapshotError(f"The arrays of the space {space.name!r} do not fit together.", _HINT)
        return found


def _shared(content: Content) -> NDArray[np.bool_]:
    """Words of two films or more, (n_words,); the others make no film like another."""
    words = content.vectors
    found: NDArray[np.bool_] = np.bincount(words.indices, minlength=words.shape[1]) > 1
    return found


def _weight(content: Content, name: str, vectors: Mapping[str, FilmVectors]) -> np.float32:
    """What vectors of an encoded space are multiplied by in the long vectors; 0 where the model has none of them."""
    given = vectors.get(name)
    weight = content.config.model_dump()[name] if given is not None and len(given) else 0.0
    return np.float32(weight / content.whole if weight else 0.0)


def _projected(vectors: Floats, projection: Projection) -> Floats:
    """As the content model compares them; 0 stays 0."""
    there = (vectors != 0).any(axis=1, keepdims=True)
    return np.where(there, projection.apply(vectors), np.float32(0))


def drawn_together(places: Floats, years: Sequence[int | None]) -> Floats:
    """Places of the films of one series, (m, dim), each moved towards the others, most to the nearest in time.

    So each is nearest to its own series, in the order of the years, and the series as a whole lies among its like. The
    length is the longest of the series: what is known of one film tells about the others.
    """
    order = np.argsort([(0 if year is None else year) for year in years], kind="stable")
    steps = np.empty(len(order))
    steps[order] = np.arange(len(order))
    apart = np.abs(steps[:, None] - steps[None, :])
    weights = np.where(apart > 0, SERIES_DECAY ** (apart - 1), 0.0)
    weights *= SERIES_WEIGHT / weights.sum(axis=1, keepdims=True)
    weights += np.eye(len(order))
    length = np.linalg.norm(places, axis=1).max(initial=0.0)
    return unit(weights.astype(np.float32) @ unit(places)) * np.float32(length)
