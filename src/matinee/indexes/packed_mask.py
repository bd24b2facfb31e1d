"""A mask as bits, so that masks are compared and counted eight rows to a byte."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from matinee.indexes.base import Items, Mask

Words = NDArray[np.uint64]

MAX_FROZEN = 8
"""Number of frozen masks that an index recognizes; it holds them."""
PREFIX = 64
"""Words that are compared first; most pairs of different masks differ enough there."""


@dataclass(frozen=True, eq=False)
class PackedMask:
    """A mask over rows, with its bits. Nobody may change the mask while a search uses it.

    Attributes:
        mask: (n,) bool.
        words: (⌈n/64⌉,), row i is bit i mod 64 of word i // 64; bits from n on are 0.
        counted: number of rows allowed, if that is known.
    """

    mask: Mask
    words: Words
    counted: int | None = None

    @classmethod
    def of(cls, mask: Mask) -> PackedMask:
        """Pack a mask."""
        packed = np.packbits(mask, bitorder="little")
        if len(packed) % 8:
            packed = np.concatenate([packed, np.zeros(-len(packed) % 8, dtype=np.uint8)])
        return cls(mask, packed.view("<u8"))

    @cached_property
    def count(self) -> int:
        """Number of rows allowed."""
        return self.counted if self.counted is not None else int(np.bitwise_count(self.words).sum(dtype=np.int64))

    def sharing(self, words: Words, count: int) -> PackedMask:
        """The same mask with these words, where they are equal: so it is known by the object."""
        return PackedMask(self.mask, words, count) if np.array_equal(self.words, words) else self


def differing_rows(words: Words, others: Words, most: int) -> Items | None:
    """Rows in which two masks of equal length differ, increasing; None if there are more than `most`."""
    if np.bitwise_count(words[:PREFIX] ^ others[:PREFIX]).sum(dtype=np.int64) > most:
        return None
    difference = words ^ others
    if not difference.any():
        return np.zeros(0, dtype=np.int64)
    changed = np.flatnonzero(difference)
    if len(changed) > most or np.bitwise_count(difference[changed]).sum(dtype=np.int64) > most:
        return None
    bits = np.unpackbits(difference[changed].view(np.uint8), bitorder="little").reshape(-1, 64)
    word, bit = np.nonzero(bits)
    return changed[word] * 64 + bit


class FrozenMasks:
    """The packed forms of the masks of `frozen_mask` that an index was given last. Thread-safe.

    A mask over a million rows takes a megabyte to read, which pushes other data out of the processor's cache.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._packed: LRUCache[int, tuple[bytes, object, object, PackedMask]] = LRUCache(MAX_FROZEN)

    def packed(self, allowed: Mask, main: object, alive: object, pack: Callable[[], PackedMask]) -> PackedMask:
        """The packed form of a mask.

        Args:
            allowed: as given to the search.
            main, alive: what the packed form depends on besides; compared by identity.
            pack: makes it.
        """
        data = allowed.base if isinstance(allowed, np.ndarray) else None
        # A part of a frozen mask, or one read in another way, is not the whole of its bytes.
        if not isinstance(data, bytes) or allowed.dtype != np.bool_ or allowed.shape != (len(data),):
            return pack()
        if allowed.strides != (1,):
            return pack()
        with self._lock:
            entry = self._packed.get(id(data))
        # The entry holds the bytes, so that no others can get their address.
        if entry is not None and entry[0] is data and entry[1] is main and entry[2] is alive:
            return entry[3]
        packed = pack()
        with self._lock:
            self._packed[id(data)] = data, main, alive, packed
        return packed
