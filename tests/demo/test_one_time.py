"""Codes of the demo's people are what the gateway takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.demo import one_time, run
from gatekeep.demo.configure import DemoFiles
from gatekeep.errors import SettingsError
from gatekeep.identity.totp import OneTimeCodes, decoded_secret
from gatekeep.runtime.clock import SystemClock


def test_a_code_counts(tmp_path: Path) -> None:
    """Once, for whose secret it is."""
    secret = one_time.new_secret()
    decoded = decoded_secret(secret)
    assert decoded is not None
    assert len(decoded) == 20
    codes = OneTimeCodes(SystemClock())
    codes.reload({"bob": decoded})
    file = DemoFiles(tmp_path).code_secret("bob")
    file.parent.mkdir()
    file.write_text(secret + "\n")
    code = run.code(tmp_path, "bob")
    assert codes.accept("bob", code)
    assert not codes.accept("bob", code)


def test_without_a_secret_one_is_told_where_it_should_be(tmp_path: Path) -> None:
    """By its file, and what to do."""
    with pytest.raises(SettingsError, match="no secret of one-time codes") as told:
        run.code(tmp_path, "alice")
    assert told.value.file == str(tmp_path / "secrets" / "alice.totp")
    assert "start the demo first" in told.value.fix
