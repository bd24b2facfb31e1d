"""API keys: their text, the file that keeps them, and how it follows what happens to it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee.access import ROLES, Key, KeyFile, check_start, is_loopback, new_key
from matinee.access.key_file import KEPT_REVOKED
from matinee.access.keys import parsed
from matinee.errors import ConflictError, InvalidInputError, KeyFileError, NotFoundError
from matinee.settings import Settings


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "data" / "keys.json")


def added(keys: KeyFile, name: str = "app") -> tuple[Key, str]:
    key, text = new_key(name, "read")
    keys.add(key)
    return key, text


# --- keys ----------------------------------------------------------------------------------------------------------
def test_a_key_opens_with_its_own_secret_only() -> None:
    key, text = new_key("app", "write", lasts=timedelta(days=1))
    shown = parsed(text)
    assert shown is not None
    assert shown.id == key.id
    assert key.opens(shown.secret)
    assert len(bytes.fromhex(shown.secret)) * 8 == 256
    assert not key.opens(shown.secret[:-1] + ("0" if shown.secret[-1] != "0" else "1"))
    assert not new_key("app", "write")[0].opens(shown.secret)
    assert key.expires_at == key.created.timestamp() + 86400
    assert shown.secret not in key.model_dump_json()


def test_roles_contain_those_before() -> None:
    allowed = {role: [other for other in ROLES if new_key("app", role)[0].has(other)] for role in ROLES}
    assert allowed == {"read": ["read"], "write": ["read", "write"], "admin": ["read", "write", "admin"]}


@given(st.one_of(st.text(), st.from_regex(r"matinee_[0-9a-f]{0,13}_[0-9a-f]{0,65}", fullmatch=True)))
def test_any_text_is_a_key_or_none(text: str) -> None:
    shown = parsed(text)
    assert shown is None or text == f"matinee_{shown.id}_{shown.secret}"


# --- the file ------------------------------------------------------------------------------------------------------
def test_keys_are_kept_hashed_in_a_private_file(keys: KeyFile) -> None:
    assert keys.keys() == {}
    key, text = added(keys)
    assert keys.keys() == {key.id: key}
    assert KeyFile(keys.path).keys() == {key.id: key}
    assert text.rpartition("_")[2] not in keys.path.read_text()
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in keys.path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


def test_a_revoked_key_stays_for_a_while(keys: KeyFile) -> None:
    key, _ = added(keys)
    reader = KeyFile(keys.path)
    assert reader.keys()[key.id].revoked is None
    assert keys.revoke(key.id).revoked is not None
    assert reader.keys()[key.id].revoked is not None
    with pytest.raises(ConflictError, match="revoked before"):
        keys.revoke(key.id)
    with pytest.raises(NotFoundError, match="no key of the id 'nothing'"):
        keys.revoke("nothing")
    document = json.loads(keys.path.read_text())
    document["keys"][0]["revoked"] = (datetime.now(UTC) - KEPT_REVOKED - timedelta(days=1)).isoformat()
    keys.path.write_text(json.dumps(document))
    other, _ = added(keys)
    assert list(reader.keys()) == [other.id]


def test_names_of_keys_in_use_differ(keys: KeyFile) -> None:
    key, _ = added(keys)
    with pytest.raises(ConflictError, match="'app'"):
        added(keys)
    keys.revoke(key.id)
    added(keys)


def test_writers_wait_for_each_other(keys: KeyFile) -> None:
    threads = [threading.Thread(target=added, args=(KeyFile(keys.path), f"app {i}")) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys.keys()) == 12


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("{"),
        lambda path: path.write_text('{"format": 2, "keys": []}'),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text(path.read_text().replace('"read"', '"root"')),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_file_opens_nothing(
    keys: KeyFile, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Who has read it goes on with what was there; who has not answers nobody."""
    key, _ = added(keys)
    reader = KeyFile(keys.path)
    assert list(reader.keys()) == [key.id]
    damage(keys.path)
    for _ in range(3):
        assert list(reader.keys()) == [key.id]
        with pytest.raises(KeyFileError, match="file of keys"):
            KeyFile(keys.path).keys()
    with pytest.raises(KeyFileError):
        added(keys)
    assert sum(record.name == "matinee.access" for record in caplog.records) <= 5


def test_a_mended_file_is_read_again(keys: KeyFile) -> None:
    added(keys)
    whole = keys.path.read_bytes()
    keys.path.write_bytes(b"{")
    reader = KeyFile(keys.path)
    for _ in range(2):
        with pytest.raises(KeyFileError):
            reader.keys()
    keys.path.write_bytes(whole)
    assert len(reader.keys()) == 1
    keys.path.unlink()
    assert reader.keys() == {}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_of_somebody_else_is_an_error(keys: KeyFile) -> None:  # pragma: no cover - tests often run as root
    added(keys)
    keys.path.chmod(0)
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(keys.path).keys()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="cannot be written"):
        added(KeyFile(tmp_path / "file" / "keys.json"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_root_makes_files_for_the_owner_of_the_folder(keys: KeyFile) -> None:
    keys.path.parent.mkdir()
    os.chown(keys.path.parent, 12345, 12345)
    added(keys)
    assert {path.stat().st_uid for path in keys.path.parent.iterdir()} == {12345}


# --- starts --------------------------------------------------------------------------------------------------------
def test_addresses_of_this_machine() -> None:
    assert [
        host for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1") if is_loopback(host)
    ] == [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "localhost",
        "::ffff:127.0.0.1",
    ]
    assert not any(map(is_loopback, ("0.0.0.0", "::", "", "192.0.2.1", "films.example", "127.example")))


def test_a_service_that_others_reach_starts_with_keys_only(tmp_path: Path) -> None:
    def check(**settings: object) -> None:
        check_start(Settings(data_dir=tmp_path, **settings))  # type: ignore[arg-type]

    check()
    check(auth="on")
    with pytest.raises(InvalidInputError, match=r"matinee keys create .*--insecure"):
        check(host="0.0.0.0")
    check(host="0.0.0.0", insecure=True)
    keys = KeyFile(tmp_path / "keys.json")
    key, _ = added(keys)
    check(host="0.0.0.0")
    check(host="192.0.2.1", auth="on")
    with pytest.raises(InvalidInputError, match="MATINEE_AUTH is off"):
        check(host="0.0.0.0", auth="off")
    check(host="0.0.0.0", auth="off", insecure=True)
    with pytest.raises(InvalidInputError, match="no API key"):
        check(host="0.0.0.0", keys_file=str(tmp_path / "elsewhere.json"))
    keys.revoke(key.id)
    with pytest.raises(InvalidInputError, match="no API key"):
        check(host="0.0.0.0")
