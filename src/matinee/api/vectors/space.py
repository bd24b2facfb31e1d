"""One space in service: an index, the way from an encoder's vectors into it, and the films behind its items."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matinee._util.request_context import stage
from matinee.api.vectors.bodies import SpaceState
from matinee.encoders.projection import Projection
from matinee.engine.posters import SAME
from matinee.errors import InvalidInputError, TooLargeError
from matinee.indexes.base import Items, Mask, VectorIndex, Vectors, check_k, check_vectors

MAX_FOUND = 1_000_000
"""Items in one answer, over all its queries; a tenth of it where each comes with its film."""


class Film(NamedTuple):
    """The film behind an item.

    Attributes:
        poster: path of the poster at this service, None where there is none.
    """

    movie_id: str
    title: str
    year: int | None = None
    poster: str | None = None


NO_FILM: dict[str, Any] = dict.fromkeys(Film._fields)
"""Fields of an item that was added here and is not a row of the catalog."""


class Near(NamedTuple):
    """Items near one query, nearest first."""

    items: Items
    similarities: NDArray[np.float32]

    @property
    def distances(self) -> NDArray[np.float32]:
        """Angular: √(2 − 2·similarity), 0..2."""
        return np.sqrt(np.maximum(2 - 2 * self.similarities, 0)).astype(np.float32)


@dataclass(frozen=True)
class ServedSpace:
    """A space in service.

    Attributes:
        film: the film of an item, None where it has none.
        projection: from the encoder's raw vectors into the space, where an encoder made it.
        encoder: that encoder's id, or "".
        snapshot: id of the snapshot whose rows are the item numbers, "" where there is none.
        picture: bytes and media type of an item's poster, None where there is none.
        removed: bool by item, films that were removed; None where none was.
    """

    name: str
    index: VectorIndex
    film: Callable[[int], Film | None]
    projection: Projection | None = None
    encoder: str = ""
    snapshot: str = ""
    picture: Callable[[int], tuple[bytes, str] | None] = lambda _: None
    removed: Callable[[], Mask | None] = lambda: None
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def widths(self) -> tuple[int, ...]:
        """Lengths of vectors that are accepted: the space's own, and the raw encoder's."""
        own = (self.index.dim,)
        return own if self.projection is None else (*own, len(self.projection.mean))

    def own(self, vectors: Vectors, raw: bool = False) -> Vectors:
        """Vectors of the space: its own ones as they are, which the index checks, or the encoder's projected.

        Args:
            vectors: (n, one of `widths`).
            raw: they are the encoder's, however long they are.

        Raises:
            InvalidInputError: the encoder's, and zero, NaN or infinite; or no encoder made the space.
        """
        if raw and self.projection is None:
            raise InvalidInputError(f"No encoder made the space {self.name!r}.", "Send vectors of the space.")
        if self.projection is None or (vectors.shape[1] == self.index.dim and not raw):
            return vectors
        return self.projection.apply(check_vectors(vectors, len(self.projection.mean)))

    def search(
        self,
        queries: Vectors,
        k: int,
        allowed: Mask | None = None,
        exclude_self: bool = False,
        max_items: int = MAX_FOUND,
    ) -> list[Near]:
        """The nearest items of each vector; fewer than k where no more are allowed.

        Args:
            queries: the space's own vectors, (n, dim).
            k: 1 or more; more than there are gives all there are.
            exclude_self: leave out items of a similarity of `SAME` or more.
            max_items: items in all, at most.

        Raises:
            InvalidInputError: vectors that are zero, NaN or infinite; k < 1.
            TooLargeError: there would be too many items.
        """
        n_items, allowed = len(self.index), self._allowed(allowed)
        k = min(check_k(k), max(n_items, 1))
        if len(queries) * k > max_items:
            raise TooLargeError(
                f"{len(queries)} queries of {k:,} items each are more than the {max_items:,} items of one answer.",
                "Ask for a smaller k, or for fewer queries at a time.",
            )
        if not exclude_self:
            with stage("retrieve"):
                result = self.index.search(queries, k, allowed)
            return [_near(*pair) for pair in zip(result.items, result.similarities, strict=True)]
        n_nearest = min(k + 1, n_items) or 1
        while True:  # a second time only where many items are the same picture
            with stage("retrieve"):
                result = self.index.search(queries, n_nearest, allowed)
            near = [_near(*pair) for pair in zip(result.items, result.similarities, strict=True)]
            others = [Near(items[s < SAME][:k], s[s < SAME][:k]) for items, s in near]
            all_seen = n_nearest >= n_items or len(queries) * n_nearest * 2 > max_items
            if all_seen or all(
                len(o.items) == k or len(n.items) < n_nearest for o, n in zip(others, near, strict=True)
            ):
                return others
            n_nearest = min(2 * n_nearest, n_items)

    def _allowed(self, allowed: Mask | None) -> Mask | None:
        removed = self.removed()
        if removed is None:
            return allowed
        if allowed is None:
            items = self.index.items()
            allowed = np.ones(int(items[-1]) + 1 if len(items) else 0, dtype=np.bool_)
        else:
            allowed = allowed.copy()
        common = min(len(allowed), len(removed))
        allowed[:common] &= ~removed[:common]
        return allowed

    def put(self, items: Items, vectors: Vectors) -> None:
        """Add or replace items, all or none; raises as the index does."""
        with self.writing:
            self.index.add(items, vectors)

    def delete(self, items: Items) -> None:
        """Take items away, all or none; NotFoundError where one is not there."""
        with self.writing:
            self.index.delete(items)

    def record(self, item: int) -> dict[str, Any]:
        """An item and its film, as JSON has it."""
        film = self.film(item)
        return {"item": item, **(NO_FILM if film is None else film._asdict())}

    def describe(self) -> SpaceState:
        """What the space is, as JSON has it."""
        return {
            "space": self.name,
            "index": self.index.kind,
            "items": len(self.index),
            "dim": self.index.dim,
            "raw_dim": None if self.projection is None else len(self.projection.mean),
            "encoder": self.encoder or None,
            "snapshot": self.snapshot or None,
        }


def _near(items: Items, similarities: NDArray[np.float32]) -> Near:
    there = items >= 0
    return Near(items, similarities) if there.all() else Near(items[there], similarities[there])
