"""Settings from files, one each, as containers get their secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matinee.cli import main
from matinee.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "matinee_store_password").write_text("from a file\n", encoding="utf-8")
    (folder / "something_else").write_text("of another program", encoding="utf-8")
    monkeypatch.setenv("MATINEE_SECRETS_DIR", str(folder))
    return folder


def test_a_file_gives_a_setting(secrets: Path) -> None:
    assert Settings().store_password == "from a file"


def test_the_environment_is_stronger_and_the_configuration_file_weaker(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matinee.toml").write_text('store_password = "from toml"\nport = 9000\n', encoding="utf-8")
    monkeypatch.setenv("MATINEE_CONFIG", str(tmp_path / "matinee.toml"))
    assert (Settings().store_password, Settings().port) == ("from a file", 9000)
    monkeypatch.setenv("MATINEE_STORE_PASSWORD", "from the environment")
    assert Settings().store_password == "from the environment"


def test_without_the_folder_nothing_is_read_or_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_SECRETS_DIR", str(tmp_path / "none"))
    assert Settings().store_password == ""


def test_the_command_says_where_it_is_from_and_not_what_it_is(
    secrets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settings", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["items"]}
    assert rows["store_password"]["source"] == str(secrets / "matinee_store_password")
    assert rows["store_password"]["value"] == "********"
    assert rows["port"]["source"] == "default"
