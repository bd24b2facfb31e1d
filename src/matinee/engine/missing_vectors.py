"""Which movies lack a vector of the snapshot's encoders, derived from what the store holds.

Nothing is written down for it that could be lost or contradict the store: a movie whose record differs from the
snapshot's waits for its text until a vector of it is stored; a poster that was put without a vector has a tombstone
for a vector, and waits as long as there is a picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from matinee.data.catalog import Catalog
from matinee.engine.updatable_spaces import UpdatableSpaces, fits
from matinee.stores.base import MovieVector

TEXT, POSTER = "text", "poster"


@dataclass(frozen=True)
class MissingVectors:
    """Ids of movies without a vector.

    Attributes:
        texts: movies whose text is to be encoded.
        posters: movies whose poster is to be encoded where a picture is stored.
    """

    texts: frozenset[str] = frozenset()
    posters: frozenset[str] = frozenset()

    def after(
        self,
        changed: Collection[str],
        catalog: Catalog,
        records: Mapping[int, bool],
        stored: Sequence[MovieVector],
        spaces: UpdatableSpaces,
    ) -> MissingVectors:
        """What waits after changes of movies.

        Args:
            changed: ids of all movies changed.
            catalog: with these changes.
            records: rows of those with a record in the store, and whether an encoder reads in it what it read in the
                snapshot's.
            stored: all vectors that the store holds of the movies changed.
            spaces: of the snapshot.
        """
        texts, posters = set(self.texts.difference(changed)), set(self.posters.difference(changed))
        text, poster = spaces.get(TEXT), spaces.get(POSTER)
        if text is not None:
            made = {vector.movie_id for vector in stored if vector.space == TEXT and fits(text.space, vector)}
            ids = catalog.column("movie_id")
            texts.update(ids[row] for row, same in records.items() if not same and ids[row] not in made)
        if poster is not None:
            posters.update(
                vector.movie_id for vector in stored if vector.space == POSTER and not fits(poster.space, vector)
            )
        return MissingVectors(frozenset(texts), frozenset(posters))
