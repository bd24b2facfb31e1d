"""The file of keys, `keys.json`: read by running services whenever it changes, written by `matinee keys`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from matinee._util.atomic_files import like_its_folder, locked, replace_private
from matinee.access.keys import Key, now
from matinee.errors import ConflictError, KeyFileError, NotFoundError

log = logging.getLogger("matinee.access")
KEPT_REVOKED = timedelta(days=90)
"""How long a revoked key stays in the file, so that whoever still sends it is told so."""
PATIENCE = 10.0
"""Seconds to wait for another process that writes the file."""

_Signature = tuple[int, int, int]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    keys: list[Key]


class KeyFile:
    """The keys, by id, as the file has them now or had them `every` seconds ago.

    Args:
        path: of the file; it need not exist.
        every: seconds between two questions to the file system whether it has changed. One takes ten microseconds of a
            busy server: as long as everything else that keys cost a request.
    """

    def __init__(self, path: Path, every: float = 0.0) -> None:
        self.path, self._name, self._every = path, str(path), every
        self._next_look = float("-inf")
        self._seen: _Signature | None = None
        self._keys: Mapping[str, Key] = {}
        self._error: KeyFileError | None = None
        self._logged = ""

    def keys(self) -> Mapping[str, Key]:
        """All keys, expired and revoked ones too; {} where there is no file.

        A file that has been read before, and is now damaged or cannot be reached, counts as it was.

        Raises:
            KeyFileError: the file is there, but was never read.
        """
        moment = monotonic()
        if moment < self._next_look and self._error is None:
            return self._keys
        self._next_look = moment + self._every
        try:
            stat = os.stat(self._name)  # noqa: PTH116 - half as long as Path.stat takes
        except (FileNotFoundError, NotADirectoryError):
            self._seen, self._keys, self._error, self._logged = None, {}, None, ""
            return self._keys
        except OSError as error:
            return self._as_before(_unreadable(self.path, error))
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys, self._error, self._logged = self._read(), None, ""
            except KeyFileError as error:
                return self._as_before(error)
        if self._error is not None:
            raise self._error
        return self._keys

    def add(self, key: Key) -> None:
        """Add a key.

        Raises:
            ConflictError: a key that is not revoked has this name.
            KeyFileError: the file cannot be read or written.
        """

        def change(keys: dict[str, Key]) -> None:
            if any(one.name == key.name and one.revoked is None for one in keys.values()):
                raise ConflictError(
                    f"There is a key of the name {key.name!r}.",
                    "Choose another name, or revoke it (`matinee keys list`).",
                )
            keys[key.id] = key

        self._change(change)

    def revoke(self, key_id: str) -> Key:
        """Revoke a key. Returns it.

        Raises:
            NotFoundError: there is none of this id.
            ConflictError: it is revoked already.
            KeyFileError: the file cannot be read or written.
        """
        revoked: list[Key] = []

        def change(keys: dict[str, Key]) -> None:
            key = keys.get(key_id)
            if key is None:
                raise NotFoundError(
                    f"There is no key of the id {key_id!r}.", "`matinee keys list` shows those there are."
                )
            if key.revoked is not None:
                raise ConflictError(f"The key {key_id} was revoked before.", "Nothing has to be done.")
            keys[key_id] = key.model_copy(update={"revoked": now()})
            revoked.append(keys[key_id])

        self._change(change)
        return revoked[0]

    def _change(self, change: Callable[[dict[str, Key]], None]) -> None:
        folder = self.path.parent
        busy = KeyFileError(f"Another process writes {self.path}.", "Try again when it is done.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f".{self.path.name}.lock")
            with locked(lock, PATIENCE, busy):
                like_its_folder(lock)
                keys = dict(self._read()) if self.path.exists() else {}
                change(keys)
                limit = now() - KEPT_REVOKED
                kept = [key for key in keys.values() if key.revoked is None or key.revoked > limit]
                document = _Document(format=1, keys=kept).model_dump(mode="json", exclude_none=True)
                replace_private(self.path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            raise KeyFileError(
                f"The file of keys {self.path} cannot be written: {error.strerror or error}.",
                "Run the command as the user of the services, or set MATINEE_KEYS_FILE to another file.",
            ) from error

    def _read(self) -> dict[str, Key]:
        try:
            document = _Document.model_validate_json(self.path.read_bytes())
        except OSError as error:
            raise _unreadable(self.path, error) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the document"
            raise KeyFileError(
                f"The file of keys {self.path} is damaged ({where}: {first['msg']}).",
                "Take it from a backup, or delete it and make new keys with `matinee keys create`.",
            ) from error
        return {key.id: key for key in document.keys}

    def _as_before(self, error: KeyFileError) -> Mapping[str, Key]:
        if self._logged != str(error):
            self._logged = str(error)
            log.error("%s", error)
        if not self._keys:
            self._error = error
            raise error
        return self._keys


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(
        f"The file of keys {path} cannot be read: {error.strerror or error}.",
        "Make it readable for the user of this service.",
    )
