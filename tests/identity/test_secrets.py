"""Secret references: read late, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader, exposed_files


def test_one_newline_at_the_end_is_not_part_of_the_secret(tmp_path: Path) -> None:
    """Editors add one; blanks and further lines belong to the value."""
    file = tmp_path / "secret"
    reader = SecretReader({"A": "from env\n"})
    for written, read in (("pw\n", "pw"), ("pw\r\n", "pw"), ("pw\n\n", "pw\n"), (" pw ", " pw ")):
        file.write_text(written, newline="")
        assert reader.read(f"file:{file}") == read
    assert reader.read("env:A") == "from env"


def test_the_value_is_read_anew_each_time(tmp_path: Path) -> None:
    """A rotated secret needs no restart."""
    file = tmp_path / "secret"
    environment = {"A": "1"}
    reader = SecretReader(environment)
    file.write_text("one")
    assert (reader.read(f"file:{file}"), reader.read("env:A")) == ("one", "1")
    file.write_text("two")
    environment["A"] = "2"
    assert (reader.read(f"file:{file}"), reader.read("env:A")) == ("two", "2")


@pytest.mark.parametrize(
    "reference", ["hunter2", "vault:hunter2", "env:hunter2!", "file:hunter2", "", ":hunter2"]
)
def test_what_is_no_reference_is_not_repeated(reference: str) -> None:
    """Somebody wrote the secret itself: the error must not spread it."""
    with pytest.raises(SettingsError) as caught:
        SecretReader({}).read(reference, file="targets.yaml", key="targets[0].accounts.app")
    error = caught.value
    assert (error.file, error.key) == ("targets.yaml", "targets[0].accounts.app")
    assert "hunter2" not in str(error) + error.fix
    assert "env:NAME" in error.fix


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, empty, binary or huge: each an error with a fix, none with a value."""
    empty, binary, zero, huge = (tmp_path / name for name in ("empty", "binary", "zero", "huge"))
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    zero.write_text("a\0b")
    huge.write_bytes(b"x" * 70_000)
    references = [f"file:{path}" for path in (empty, binary, zero, huge, tmp_path, tmp_path / "no")]
    for reference in (*references, "env:NONE", "env:EMPTY"):
        with pytest.raises(SettingsError) as caught:
            SecretReader({"EMPTY": ""}).read(reference)
        assert caught.value.fix


def test_a_file_that_everybody_may_read_is_warned_about_once(tmp_path: Path) -> None:
    """The warning names the path and never the value."""
    file = tmp_path / "secret"
    file.write_text("hunter2")
    file.chmod(0o644)
    reader = SecretReader({})
    with capture_logs() as logs:
        reader.read(f"file:{file}")
        reader.read(f"file:{file}")
    assert len(logs) == 1
    assert logs[0]["path"] == str(file)
    shown = tmp_path / "certificate"
    shown.write_text("-----BEGIN CERTIFICATE-----")
    with capture_logs() as none:
        reader.read(f"file:{shown}")
    assert none == []
    assert "hunter2" not in repr(logs)
    assert exposed_files({"k": f"file:{file}", "e": "env:A", "n": "file:/no/such"}) == [
        ("k", str(file))
    ]
    file.chmod(0o600)
    assert exposed_files({"k": f"file:{file}"}) == []
