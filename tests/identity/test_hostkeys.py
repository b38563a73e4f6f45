"""Pins of first use: kept for good, shared by names, and never lost to a damaged line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatekeep.errors import SettingsError
from gatekeep.identity.hostkeys import HostkeyFile


def test_a_pin_is_for_good(tmp_path: Path) -> None:
    """It is there after a restart, for each of its names, and a second pin does not replace it."""
    file = tmp_path / "keys"
    HostkeyFile(file).pin(["web:22", "10.0.0.1:22"], b"one")
    again = HostkeyFile(file)
    assert again.pinned(["web:22"]) == again.pinned(["10.0.0.1:22"]) == {b"one"}
    assert again.pinned(["web:2222", "db:22"]) == frozenset()
    again.pin(["web:22", "db:22"], b"two")
    assert again.pinned(["web:22"]) == {b"one"}
    assert again.pinned(["web:22", "db:22"]) == {b"one", b"two"}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["web:22\n", "web:22 !!\n", "web:22 AAAA x\n", "\xff"])
def test_a_damaged_file_stops_everything(tmp_path: Path, text: str) -> None:
    """What may have been a pin is never taken for a first use."""
    file = tmp_path / "keys"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError):
        HostkeyFile(file).pinned(["db:22"])
    with pytest.raises(SettingsError):
        HostkeyFile(file).pin(["db:22"], b"x")
    assert file.read_bytes() == text.encode("latin-1")


def test_what_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    """A pin that is not on the disk was not made."""
    with pytest.raises(SettingsError, match="cannot be written"):
        HostkeyFile(tmp_path / "none" / "keys").pin(["a:22"], b"x")


def test_pins_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Connections to many targets, each seen for the first time, do not lose each other's pins."""
    file = HostkeyFile(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: file.pin([f"h{one}:22"], str(one).encode()), range(40)))
    assert file.pinned([f"h{one}:22" for one in range(40)]) == {str(one).encode() for one in range(40)}
