"""Ids of users as keyed hashes (HMAC-SHA256), for logs that shall not say who it was."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cached_property
from pathlib import Path

from matinee._util.atomic_files import like_its_folder, locked, replace_private
from matinee.errors import StoreError


class UserHashes:
    """The same id gives the same hash, as long as the secret in the data folder is the same.

    Args:
        folder: the data folder; its file `log-ids.key` holds the secret, and is made at the first use.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log-ids.key"

    def of(self, user_id: str) -> str:
        """The hash of an id: 32 hexadecimal digits after `hmac:`.

        Raises:
            OSError: the secret can be neither read nor written.
        """
        text = user_id.encode("utf-8", "surrogatepass")
        return "hmac:" + hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:32]

    @cached_property
    def _secret(self) -> bytes:
        lock = self._path.with_name(".log-ids.lock")
        with locked(lock, 5.0, StoreError(f"Another process writes {self._path}.")):
            like_its_folder(lock)
            if not self._path.exists():
                replace_private(self._path, secrets.token_hex(32).encode())
            return self._path.read_bytes()
