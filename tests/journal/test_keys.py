"""The key ring: made once and durably, readable by its owner only, opening only its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.wrapped_keys import MemoryKeys

from gatekeep.errors import EvidenceBroken, SettingsError
from gatekeep.journal.keys import KeyRing

_SESSION = "ab" * 16


def test_a_ring_is_made_once(tmp_path: Path) -> None:
    """The first start makes it for its owner only; every later one reads the same."""
    keys = tmp_path / "keys"
    first = KeyRing.open(keys, create=True)
    again = KeyRing.open(keys, create=True)
    assert first.state_db_key() == again.state_db_key()
    assert len({first.state_db_key(), first.index_db_key(), bytes(32)}) == 3
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / "kek").stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in keys.iterdir()] == ["kek"]


def test_a_missing_or_shared_or_broken_ring_is_an_error_with_a_fix(tmp_path: Path) -> None:
    """It names the file and what to do, and never the content."""
    with pytest.raises(SettingsError) as missing:
        KeyRing.open(tmp_path / "keys")
    assert missing.value.file.endswith("kek")
    assert missing.value.fix
    KeyRing.open(tmp_path / "keys", create=True)
    kek = tmp_path / "keys" / "kek"
    kek.chmod(0o640)
    with pytest.raises(SettingsError, match="others may read"):
        KeyRing.open(tmp_path / "keys")
    kek.chmod(0o600)
    kek.write_text("c0ffee\n")
    with pytest.raises(SettingsError) as broken:
        KeyRing.open(tmp_path / "keys")
    assert "c0ffee" not in str(broken.value)


@pytest.mark.parametrize(("keys", "data"), [("state/keys", "state"), ("s", "s"), ("k", "k/state")])
def test_keys_may_not_lie_with_the_data(tmp_path: Path, keys: str, data: str) -> None:
    """One inside the other is refused before anything is made: one backup would hold both."""
    with pytest.raises(SettingsError, match="one inside the other"):
        KeyRing.open(tmp_path / keys, data_dir=tmp_path / data, create=True)
    assert not (tmp_path / keys).exists()


def test_a_session_key_opens_through_its_person(tmp_path: Path) -> None:
    """A person's key is made once; each session has its own; both open again."""
    ring, kept = KeyRing.open(tmp_path / "k", create=True), MemoryKeys()
    key, extra = ring.new_session_key(_SESSION, "alice", kept)
    other, other_extra = ring.new_session_key("cd" * 16, "alice", kept)
    assert key != other
    assert list(kept.subjects) == ["alice"]
    later = KeyRing.open(tmp_path / "k")
    assert later.open_session_key(_SESSION, extra, kept) == key
    assert later.open_session_key("cd" * 16, other_extra, kept) == other
    assert kept.subjects["alice"][:16] not in extra + other_extra


def test_a_session_key_dies_with_the_persons(tmp_path: Path) -> None:
    """After the person's key is destroyed nothing opens the session's."""
    ring, kept = KeyRing.open(tmp_path / "k", create=True), MemoryKeys()
    _, extra = ring.new_session_key(_SESSION, "alice", kept)
    kept.forget("alice")
    assert ring.open_session_key(_SESSION, extra, kept) is None
    ring.new_session_key("cd" * 16, "alice", kept)
    assert ring.open_session_key(_SESSION, extra, kept) is None


def test_a_wrapped_key_is_bound_to_session_and_ring(tmp_path: Path) -> None:
    """Moved to another session, changed, or shown to another ring, it does not open."""
    ring, kept = KeyRing.open(tmp_path / "k", create=True), MemoryKeys()
    _, extra = ring.new_session_key(_SESSION, "alice", kept)
    with pytest.raises(EvidenceBroken):
        ring.open_session_key("cd" * 16, extra, kept)
    with pytest.raises(EvidenceBroken):
        ring.open_session_key(_SESSION, extra[:-1] + bytes([extra[-1] ^ 1]), kept)
    with pytest.raises(EvidenceBroken):
        ring.open_session_key(_SESSION, b"", kept)
    with pytest.raises(EvidenceBroken):
        KeyRing.open(tmp_path / "other", create=True).open_session_key(_SESSION, extra, kept)
