"""Vector indexes behind one contract: exact, FAISS, Annoy, HNSW.

>>> items, vectors = np.array([7, 8, 9]), np.eye(3, dtype=np.float32)
>>> index = build_index("exact", items, vectors)
>>> index.search(vectors[:1], k=1).items.tolist()
[[7]]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matinee.indexes.base import Found, Kind, StoredIndex, VectorIndex
    from matinee.indexes.exact import ExactIndex
    from matinee.indexes.factory import build_index, load_index
    from matinee.indexes.kinds import available_kinds
    from matinee.indexes.updatable import UpdatableIndex

_HOMES = {
    "ExactIndex": "exact",
    "Found": "base",
    "Kind": "base",
    "UpdatableIndex": "updatable",
    "StoredIndex": "base",
    "VectorIndex": "base",
    "available_kinds": "kinds",
    "build_index": "factory",
    "load_index": "factory",
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


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'matinee.indexes' has no attribute {name!r}")
    value = getattr(import_module(f"matinee.indexes.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
