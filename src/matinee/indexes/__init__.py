"""Vector indexes behind one contract: exact, FAISS, Annoy, HNSW.

>>> items, vectors = np.array([7, 8, 9]), np.eye(3, dtype=np.float32)
>>> index = build_index("exact", items, vectors)
>>> index.search(vectors[:1], k=1).items.tolist()
[[7]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from matinee._util.lazy_import import lazy_names

if TYPE_CHECKING:
    from matinee.indexes.base import Found, Kind, StoredIndex, VectorIndex
    from matinee.indexes.exact import ExactIndex
    from matinee.indexes.factory import build_index, load_index
    from matinee.indexes.kinds import available_kinds
    from matinee.indexes.updatable import UpdatableIndex

_HOMES = {
    "matinee.indexes.base": ("Found", "Kind", "StoredIndex", "VectorIndex"),
    "matinee.indexes.exact": ("ExactIndex",),
    "matinee.indexes.factory": ("build_index", "load_index"),
    "matinee.indexes.kinds": ("available_kinds",),
    "matinee.indexes.updatable": ("UpdatableIndex",),
}

__all__ = [
    "ExactIndex",
    "Found",
    "Kind",
    "StoredIndex",
    "UpdatableIndex",
    "VectorIndex",
    "available_kinds",
    "build_index",
    "load_index",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    """All public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
