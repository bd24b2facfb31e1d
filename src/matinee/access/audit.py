"""The audit log, `audit.jsonl` in the data folder: who did what is an administrator's to do, one JSON object a line."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from matinee._util.atomic_files import like_its_folder, locked, replace_private, sync_folder
from matinee.errors import MatineeError, StoreError
from matinee.settings import Settings

log = logging.getLogger("matinee.access")
MAX_BYTES = 10 << 20
"""Size from which a new file is begun."""
MAX_FILES = 5
"""`audit.jsonl` and the older `audit.1.jsonl` … that are kept; 50 MiB in all."""
PATIENCE = 5.0
"""Seconds to wait for another process that writes a line."""


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


class AuditLog:
    """Appends lines; safe between processes and threads.

    Args:
        settings: `audit`, `data_dir`, `hash_ids_in_logs`.
        max_bytes: size from which a new file is begun.
    """

    def __init__(self, settings: Settings, max_bytes: int = MAX_BYTES) -> None:
        self.path = settings.data_dir / "audit.jsonl"
        self._on, self._max = settings.audit, max_bytes
        self._hashes = UserHashes(settings.data_dir) if settings.hash_ids_in_logs else None

    def write(self, act: str, *, user_id: str | None = None, **fields: Any) -> None:
        """Append one line, and sync it. What cannot be written is logged: the act has been done already.

        Args:
            act: what was done.
            user_id: whose data; hashed where the setting says so.
            fields: what else is to be known; None is left out.
        """
        if not self._on:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if user_id is not None:
                fields["user"] = self._hashes.of(user_id) if self._hashes else user_id
            known = {name: value for name, value in fields.items() if value is not None}
            moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._append(json.dumps({"time": moment, "act": act, **known}, ensure_ascii=True).encode() + b"\n")
        except (OSError, MatineeError) as error:
            log.error("A line of the audit log %s cannot be written: %s", self.path, error)

    def _append(self, line: bytes) -> None:
        lock = self.path.with_name(".audit.lock")
        with locked(lock, PATIENCE, MatineeError("Another process holds its lock.")):
            like_its_folder(lock)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(handle).st_size
                if not size:
                    like_its_folder(self.path)
                # One write a line: where a power cut or a full disk cuts one short, those before it are whole.
                written = os.write(handle, line)
                os.fsync(handle)
                if written < len(line):
                    os.ftruncate(handle, size)
                    raise OSError("The disk is full.")
            finally:
                os.close(handle)
            if size + len(line) >= self._max:
                self._rotate()

    def _rotate(self) -> None:
        for number in range(MAX_FILES - 1, 0, -1):
            older, newer = self._numbered(number), self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        sync_folder(self.path.parent)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"audit.{number}.jsonl") if number else self.path
