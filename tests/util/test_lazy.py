"""Opening at the first use."""

from __future__ import annotations

import pytest

from matinee._util.lazy import Lazy
from matinee.errors import MatineeError


def test_it_is_opened_once_and_again_after_closing() -> None:
    opened, closed = [], []
    lazy = Lazy(lambda: opened.append(1) or len(opened), 60)  # type: ignore[func-returns-value]
    assert lazy.value is None
    lazy.close(closed.append)
    assert (lazy.get(), lazy.get(), lazy.value, closed) == (1, 1, 1, [])
    lazy.close(closed.append)
    assert (lazy.value, closed, lazy.get()) == (None, [1], 2)


def test_a_failure_is_remembered_for_a_while() -> None:
    errors = [MatineeError("one"), MatineeError("two")]

    def fail() -> int:
        if errors:
            raise errors.pop(0)
        return 7

    lazy = Lazy(fail, 600)
    for _ in range(3):
        with pytest.raises(MatineeError, match="one"):
            lazy.get()
    lazy.retry = 0
    with pytest.raises(MatineeError, match="two"):
        lazy.get()
    assert lazy.get() == 7
