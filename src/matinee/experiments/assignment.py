"""Which arm of an experiment a user is in: a hash, so that every process says the same without a table."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

__all__ = ["assign"]


def assign(experiment: str, user_id: str, shares: Sequence[float]) -> int:
    """Position of the user's arm.

    Other experiments divide the same users independently, since the experiment's name is hashed with the user.

    Parameters
    ----------
    shares
        Share of the users in each arm; positive, 1 in sum.

    Raises
    ------
    ValueError
        If the shares are not positive or do not sum to 1.
    """
    if not shares or min(shares) <= 0 or not math.isclose(math.fsum(shares), 1.0, abs_tol=1e-9):
        raise ValueError(f"the shares of an experiment's arms must be positive and sum to 1, not {list(shares)}")
    key = f"{len(experiment)}:{experiment}{user_id}".encode("utf-8", "surrogatepass")
    place = int.from_bytes(blake2b(key, digest_size=8).digest(), "big") / 2**64
    return next((arm for arm, end in enumerate(accumulate(shares)) if place < end), len(shares) - 1)
